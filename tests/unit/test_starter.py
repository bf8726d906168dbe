"""What `nicheclip init` sees, and that what it writes is a config of at most 40 lines."""

import numpy as np
import pytest
import yaml
from PIL import Image

from nicheclip.config.workflow import parse_config
from nicheclip.runtime.errors import InputError
from nicheclip.starter.config_text import choose, config_name, config_text, unlabelled_text
from nicheclip.starter.look import look
from nicheclip.starter.report import report
from own_config import own_config


def picture(path, seed=0, size=(48, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def folder(root, names=("ant", "bee"), count=4):
    for number, name in enumerate(names):
        for one in range(count):
            picture(root / name / f"{one}.png", seed=100 * number + one)
    return root


def config_of(seen, gpus=0):
    text = config_text(seen, "things", choose(seen, gpus), file="things.yaml", cores=2)
    assert len(text.splitlines()) <= 40
    return parse_config(yaml.safe_load(text))


def test_classes_of_one_size_have_one_number(tmp_path):
    seen = look(folder(tmp_path / "data"))
    assert "8 images of 2 classes, 4 of each" in "\n".join(report(seen))
    text = config_text(seen, "things", choose(seen, 0), file="things.yaml", cores=2)
    assert text.startswith("# 8 images of 2 classes (4 of each), by `nicheclip init`.")


def test_a_folder_of_class_folders(tmp_path):
    root = folder(tmp_path / "pictures" / "data")
    (tmp_path / "pictures/LICENSE").write_text("free")
    (root / "ant/0.png").rename(root / "ant/zero.png")
    (root / "bee/copy.png").write_bytes((root / "bee/1.png").read_bytes())
    (root / "bee/broken.jpg").write_bytes(b"no image")
    seen = look(tmp_path / "pictures")
    assert (seen.path, seen.kind, seen.others) == (root, "folder", 1)
    assert seen.classes == {"ant": 4, "bee": 6} and seen.duplicates == 1
    assert list(seen.unreadable) == [str(root / "bee/broken.jpg")] and seen.sides == (40, 40, 40)
    said = "\n".join(report(seen))
    assert "10 images of 2 classes, 4 to 6 of each" in said and "1 cannot be read" in said
    data = config_of(seen).datasets["things"]
    assert data.source.path == str(root)
    assert data.split.keep_together == ["near_duplicates"]


def test_it_is_own_yaml_for_a_small_folder_on_a_cpu(tmp_path):
    root = folder(tmp_path / "pictures")
    found, own = config_of(look(root)), parse_config(yaml.safe_load(own_config("things", root)))
    for part in ("datasets", "models", "training", "evaluation", "encoding", "scale"):
        assert getattr(found, part) == getattr(own, part)


def test_a_gpu_gets_pretrained_weights(tmp_path):
    config = config_of(look(folder(tmp_path / "pictures", count=60)), gpus=1)
    assert config.models["start"].pretrained == "openai"
    assert config.training["things"].compute.gpus == 1 and config.encoding.gpu == 1
    assert config.evaluation["things"].protocols == ["zero_shot", "few_shot"]


@pytest.mark.parametrize(("form", "option"), [("train/ant", True), ("ant/train", "below_class")])
def test_folders_that_are_splits(tmp_path, form, option):
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            place = form.replace("train", split).replace("ant", name)
            picture(tmp_path / "p" / place / "1.png")
    seen = look(tmp_path / "p")
    assert seen.split_folders == option and seen.classes == {"ant": 2, "bee": 2}
    split = config_of(seen).datasets["things"].split
    assert (split.method, split.val_from_train) == ("given", 0.1)


def test_a_table_whose_columns_have_other_names(tmp_path):
    for number in range(4):
        picture(tmp_path / f"{number}.png", seed=number)
    rows = [f"{n}.png;{'Apis;mellifera;bee' if n % 2 else 'Formica;rufa;ant'}" for n in range(5)]
    text = "\n".join(["file;genus;species;name", *rows])
    (tmp_path / "t.csv").write_text(text.replace(";name", ";category"))
    seen = look(tmp_path / "t.csv")
    assert seen.columns.mapping["path"] == "file" and seen.columns.delimiter == ";"
    assert seen.columns.ranks and (seen.images, seen.others) == (4, 1)
    source = config_of(seen).datasets["things"].source
    assert source.delimiter == ";" and source.columns["path"] == "file"
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column for the path of an image"):
        look(tmp_path / "x.csv")


def test_names_that_look_latin(tmp_path):
    seen = look(folder(tmp_path / "p", names=("Turdus_merula", "Apis mellifera", "ant")))
    assert seen.latin and "look Latin" in "\n".join(report(seen))
    assert not look(folder(tmp_path / "q", names=("Gall_midge", "Leaf_folder", "Mealy_bug"))).latin


def test_photographs_without_folders(tmp_path):
    picture(tmp_path / "p/1.jpg")
    picture(tmp_path / "p/2.jpg", seed=1)
    seen = look(tmp_path / "p")
    assert (seen.kind, seen.classes, seen.images) == ("unlabelled", {}, 2)
    for gpus in (0, 1):
        text = unlabelled_text(
            seen, "things", tmp_path / "classes.txt", gpus, file="t.yaml", cores=2
        )
        assert len(text.splitlines()) <= 40
        config = parse_config(yaml.safe_load(text))
        assert config.datasets["things"].source.path == str(tmp_path / "p")
        assert config.adaptation["fair"].compute.gpus == gpus


@pytest.mark.parametrize(
    ("name", "message"),
    [("none", "no such folder or table"), ("a.doc", "expected a folder"), ("empty", "no image in")],
)
def test_what_is_no_source_of_images(tmp_path, name, message):
    (tmp_path / "a.doc").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        look(tmp_path / name)


@pytest.mark.parametrize("name", ["2024", "on", "null", "0x1f", "2024-01-02", "a" * 200])
def test_a_name_is_a_text_for_yaml(tmp_path, name):
    called = config_name(tmp_path / name)
    seen = look(folder(tmp_path / "pictures"))
    text = config_text(seen, called, choose(seen, 0), file="things.yaml", cores=2)
    assert list(parse_config(yaml.safe_load(text)).datasets) == [called]
    assert config_name(tmp_path / called) == called


def test_images_of_which_none_can_be_read(tmp_path):
    for name in ("ant/1.jpg", "ant/2.jpg", "bee/1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"text")
    with pytest.raises(InputError, match=r"none of the 3 images .*ant/1.jpg: not"):
        look(tmp_path)


def test_paths_of_a_table_that_cannot_be(tmp_path):
    folder(tmp_path)
    rows = ["path,label", "ant/1.png,ant", "bee/1.png,bee", f"{'x' * 5000},bee"]
    (tmp_path / "all.csv").write_text("\n".join(rows))
    assert (look(tmp_path / "all.csv").images, look(tmp_path / "all.csv").others) == (2, 1)


def test_names_from_paths(tmp_path):
    assert config_name(tmp_path / "My fish (2024)") == "my-fish-2024"
    assert config_name(tmp_path / "Moths.csv") == "moths"
