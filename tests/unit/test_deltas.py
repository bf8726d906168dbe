"""Model folders that hold only what differs from their base."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from nicheclip.models import export
from nicheclip.models.classifier import Classifier, read_classifier, write_classifier
from nicheclip.models.deltas import (
    base_of,
    is_delta,
    model_files,
    read_tensors,
    same_bits,
    save_delta,
)
from nicheclip.models.openclip import load, open_clip, save
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, sha256_file, write_json
from small_training import start_model

WEIGHTS = "open_clip_model.safetensors"
CONFIG = "open_clip_config.json"
PROJECTION = "visual.proj"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """``start``: a tiny model; ``whole`` and ``adapted``: it with another image projection."""
    folder = tmp_path_factory.mktemp("deltas")
    clip = load(start_model(folder))
    with torch.no_grad():
        clip.model.get_parameter(PROJECTION).add_(0.5)
    save(clip, folder / "whole")
    save_delta(clip, folder / "start", folder / "adapted")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy, for a test to change."""
    return shutil.copytree(made, tmp_path / "copy")


def test_only_the_changed_tensor_is_stored(made):
    """The projection is [32, 16] in float32: 2,048 bytes, and a header."""
    size = (made / "adapted/changed.safetensors").stat().st_size
    assert 2048 < size < 2048 + 300
    unchanged = sum(
        tensor.numel() * tensor.element_size()
        for name, tensor in read_tensors(made / "start").items()
        if name != PROJECTION
    )
    assert (made / "whole" / WEIGHTS).stat().st_size - size >= unchanged
    assert sorted(f.name for f in (made / "adapted").iterdir()) == sorted(
        f.name for f in model_files(made / "adapted")
    )


def test_a_delta_loads_as_the_whole_model_does(made, caplog):
    whole, delta = load(made / "whole"), load(made / "adapted")
    one, other = whole.model.state_dict(), delta.model.state_dict()
    assert one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)
    assert not delta.model.training
    assert (delta.mean, delta.std, delta.model_config) == (
        whole.mean, whole.std, whole.model_config,
    )  # fmt: skip
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert whole.model.encode_image(images).equal(delta.model.encode_image(images))
        tokens = whole.tokenizer(["a red thing"])
        assert delta.tokenizer(["a red thing"]).equal(tokens)
        assert whole.model.encode_text(tokens).equal(delta.model.encode_text(tokens))
    assert "randomly" not in caplog.text


def test_the_export_has_the_bytes_of_a_whole_save(made, tmp_path, capsys):
    output = tmp_path / "exported"
    assert export.main([str(made / "adapted"), str(output)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(output / CONFIG), str(output / WEIGHTS)]
    for name in (CONFIG, WEIGHTS):
        assert sha256_file(output / name) == sha256_file(made / "whole" / name)
    model, *_ = open_clip.create_model_and_transforms(f"local-dir:{output}")
    assert model.state_dict()[PROJECTION].equal(load(made / "whole").model.state_dict()[PROJECTION])


def test_the_same_change_gives_the_same_bytes(made, tmp_path):
    again = shutil.copytree(made / "start", tmp_path / "start")
    save_delta(load(made / "whole"), again, tmp_path / "adapted")
    for file in model_files(made / "adapted"):
        assert (tmp_path / "adapted" / file.name).read_bytes() == file.read_bytes()


def test_bits_count_not_values(folder):
    """-0.0 equals 0.0 and NaN does not equal NaN; of both the bits are compared."""
    nan = torch.tensor([1.0, float("nan")])
    assert same_bits(nan, nan.clone()) and not same_bits(nan, -nan)
    clip = load(folder / "start")
    with torch.no_grad():
        clip.model.get_parameter("visual.ln_post.bias").fill_(0.0)
    save(clip, folder / "start")
    with torch.no_grad():
        clip.model.get_parameter("visual.ln_post.bias").fill_(-0.0)
    save_delta(clip, folder / "start", folder / "signs")
    delta = folder / "signs/changed.safetensors"
    assert delta.stat().st_size < 32 * 4 + 300
    stored = load(folder / "signs").model.state_dict()["visual.ln_post.bias"]
    assert torch.signbit(stored).all()


def test_a_delta_of_a_delta_refers_to_the_first_base(folder):
    clip = load(folder / "adapted")
    with torch.no_grad():
        clip.model.logit_scale.fill_(1.0)
    save_delta(clip, folder / "adapted", folder / "second")
    assert read_json(folder / "second/subject.json")["base"] == "../start"
    assert base_of(folder / "second") == (folder / "start").resolve()
    assert (
        load(folder / "second")
        .model.state_dict()[PROJECTION]
        .equal(load(folder / "whole").model.state_dict()[PROJECTION])
    )


def test_new_and_removed_tensors(folder, tmp_path):
    start_model(folder / "custom", "tiny-custom-text")
    clip = load(folder / "custom/start")
    save_delta(clip, folder / "start", folder / "renamed")
    removed = read_json(folder / "renamed/subject.json")["removed"]
    assert "token_embedding.weight" in removed and "logit_scale" not in removed
    assert read_tensors(folder / "renamed").keys() == clip.model.state_dict().keys()
    assert export.main([str(folder / "renamed"), str(tmp_path / "out")]) == 0
    assert sha256_file(tmp_path / "out" / WEIGHTS) == sha256_file(folder / "custom/start" / WEIGHTS)


def cut(file):
    file.write_bytes(file.read_bytes()[:-8])


def flip(file):
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def edit_record(folder, **changes):
    write_json(folder / "subject.json", read_json(folder / "subject.json") | changes)


def edit_mean(folder):
    config = read_json(folder / CONFIG)
    config["preprocess_cfg"]["mean"] = [0, 0, 0]
    write_json(folder / CONFIG, config)


def store(folder, name, *shape):
    """Write another tensor into a delta, with the right checksum."""
    file = folder / "changed.safetensors"
    save_file(load_file(file) | {name: torch.zeros(shape)}, file)
    edit_record(folder, changed=sha256_file(file))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: cut(f / "adapted/changed.safetensors"), "changed.safetensors: damaged"),
        (lambda f: flip(f / "adapted/changed.safetensors"), "changed.safetensors: damaged"),
        (lambda f: (f / "adapted/changed.safetensors").unlink(), "no changed.safetensors"),
        (lambda f: (f / "adapted/subject.json").write_text("{"), "expected the record of a delta"),
        (lambda f: (f / "adapted/subject.json").write_text("{}"), "expected the record of a delta"),
        (lambda f: (f / "adapted" / CONFIG).unlink(), "no open_clip_config.json"),
        (lambda f: flip(f / "start" / WEIGHTS), "has other weights than when the delta"),
        (lambda f: (f / "start" / WEIGHTS).unlink(), f"its base .*start has no {WEIGHTS}"),
        (lambda f: (f / "start").rename(f / "moved"), "its base .*start has no"),
        (lambda f: edit_record(f / "adapted", format=2), "format 2, expected 1"),
        (lambda f: edit_mean(f / "start"), "has other config than when the delta"),
        (lambda f: store(f / "adapted", "visual.proj", 3, 3),
         r"1 tensors do not fit .*: visual.proj is \[3, 3\], the model's \[32, 16\]\."),
        (lambda f: store(f / "adapted", "stranger", 3), "stranger is not the model's"),
        (lambda f: edit_record(f / "adapted", removed=["visual.proj"]), "visual.proj is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_never_another_model(folder, capsys, damage, message):
    damage(folder)
    with pytest.raises(InputError, match=message):
        load(folder / "adapted")
    assert export.main([str(folder / "adapted"), str(folder / "out")]) == 2
    assert capsys.readouterr().err
    assert not (folder / "out" / WEIGHTS).exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: flip(f / "start" / WEIGHTS), "has other weights"),
        (lambda f: edit_mean(f / "start"), "has other config"),
        (lambda f: flip(f / "adapted/changed.safetensors"), "damaged"),
    ],
)
def test_weights_of_another_base_are_not_read(folder, damage, message):
    damage(folder)
    with pytest.raises(InputError, match=message):
        read_tensors(folder / "adapted")


def test_a_folder_holds_a_whole_model_or_a_delta(folder):
    """Otherwise ``load`` would read the delta that was there before, or a base be its own delta."""
    before = {file: file.read_bytes() for file in folder.rglob("*.*") if file.is_file()}
    with pytest.raises(InputError, match="adapted: holds a delta; write the whole model to"):
        save(load(folder / "whole"), folder / "adapted")
    for output in ("start", "whole"):
        with pytest.raises(InputError, match=f"{output}: holds a whole model; write the delta to"):
            save_delta(load(folder / "whole"), folder / "start", folder / output)
    assert {file: file.read_bytes() for file in folder.rglob("*.*") if file.is_file()} == before


def test_folders_may_move_together(made, tmp_path):
    moved = shutil.copytree(made, tmp_path / "elsewhere")
    assert (
        load(moved / "adapted")
        .model.state_dict()[PROJECTION]
        .equal(load(made / "whole").model.state_dict()[PROJECTION])
    )


def test_an_export_does_not_make_a_delta_into_something_in_between(folder):
    save_delta(load(folder / "start"), folder / "start", folder / "same")
    assert export.main([str(folder / "adapted"), str(folder / "same")]) == 2
    assert is_delta(folder / "same") and not (folder / "same" / WEIGHTS).exists()


def test_a_classifier_is_read_as_it_was_written_and_exported(folder, tmp_path):
    anchors = np.array([[1, 0, 0], [0, 0.6, 0.8]], dtype=np.float32)
    written = Classifier(anchors, ("Ficus carica", "Pâté, 2"), 14.285714285714286)
    write_classifier(folder / "adapted/classifier.safetensors", written)
    assert export.main([str(folder / "adapted"), str(tmp_path)]) == 0
    read = read_classifier(tmp_path / "classifier.safetensors")
    assert read.class_ids == written.class_ids and np.array_equal(read.anchors, anchors)
    assert read.anchors.dtype == np.float32 and read.logit_scale == 14.285714285714286
    write_classifier(tmp_path / "again", read)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "classifier.safetensors").read_bytes()
    model, *_ = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")
    assert PROJECTION in model.state_dict()


def test_a_classifier_keeps_the_names_of_its_classes(tmp_path):
    file = tmp_path / "classifier.safetensors"
    anchors = np.array([[1, 0, 0], [0, 0.6, 0.8]], dtype=np.float32)
    write_classifier(file, Classifier(anchors, ("a", "b"), 1.0, ("Feige", "Pâté, 2")))
    assert read_classifier(file).class_names == ("Feige", "Pâté, 2")
    write_classifier(file, Classifier(anchors, ("a", "b"), 1.0))
    assert read_classifier(file).class_names == ()
    with pytest.raises(InputError, match="1 names for 2 classes"):
        Classifier(anchors, ("a", "b"), 1.0, ("Feige",))


@pytest.mark.parametrize(
    ("ids", "message"), [(("a",), r"\(2, 3\) for 1 classes"), (("a", "a"), "class ids repeat")]
)
def test_anchors_and_ids_belong_together(ids, message):
    with pytest.raises(InputError, match=message):
        Classifier(np.zeros((2, 3), np.float32), ids, 1.0)


@pytest.mark.parametrize(("anchor", "scale"), [(np.nan, 1.0), (0.6, 0.0), (0.6, np.inf)])
def test_a_classifier_that_has_diverged_is_an_error(anchor, scale):
    with pytest.raises(InputError, match="is not a finite number"):
        Classifier(np.array([[anchor, 0.8]], np.float32), ("a",), scale)


@pytest.mark.parametrize("content", [b"", json.dumps({}).encode()])
def test_what_is_no_classifier_says_so(tmp_path, content):
    file = tmp_path / "classifier.safetensors"
    file.write_bytes(content)
    with pytest.raises(
        InputError, match=r"expected a classifier, safetensors with the tensors .*Adapt"
    ):
        read_classifier(file)
