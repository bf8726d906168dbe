from pathlib import Path

import pytest

from nicheclip.config.published_methods import published_options, read_published
from nicheclip.runtime.errors import InputError
from small_trained import method

REGISTRY = Path(__file__).parents[3] / "workflow/registry"
FILES = sorted((REGISTRY / "methods").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_entry_is_of_its_method(file):
    published = read_published(file)
    assert published.method == file.stem
    for dataset in published.datasets:
        assert published_options(REGISTRY, file.stem, dataset).kind == file.stem


def test_dpa_as_published():
    names = ("eurosat", "oxford_pets")
    eurosat, pets = (published_options(REGISTRY, "dpa", name) for name in names)
    assert (eurosat.epochs, eurosat.optimizer.lr, eurosat.alignment_weight) == (10, 3e-5, 0.01)
    assert (pets.epochs, pets.optimizer.lr, pets.image_share) == (15, 7e-5, 0.01)
    # what is not named is the default
    assert eurosat.optimizer.weight_decay == 0.1 and pets.alignment_factor == 100
    assert published_options(REGISTRY, "dpa", "aid") is None
    assert published_options(REGISTRY, "fair", "aid") is None


def test_the_defaults_of_must_are_imagenet_s():
    found = published_options(REGISTRY, "must", "imagenet")
    assert found.model_copy(update={"mask_side": 1}) == method("must", epochs=30, batch_size=64)


def test_wrong_files_are_named(tmp_path):
    (tmp_path / "methods").mkdir()
    file = tmp_path / "methods/dpa.yaml"
    file.write_text("method: dpa\nsource: here\ndatasets: {dtd: {imageshare: 1}}\n")
    with pytest.raises(InputError, match=r"dpa\.yaml: dtd: .*\n.*imageshare"):
        published_options(tmp_path, "dpa", "dtd")
    file.write_text("method: dpa\n")
    with pytest.raises(InputError, match=r"dpa\.yaml: no published hyperparameters"):
        published_options(tmp_path, "dpa", "dtd")
