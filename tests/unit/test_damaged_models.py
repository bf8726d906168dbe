"""Model folders, pretrained files and features that are damaged: one clear error for each."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from nicheclip.config.models import ModelConfig
from nicheclip.evaluation.text_sets import (
    encode_classes,
    read_class_embeddings,
    write_class_embeddings,
)
from nicheclip.models import openclip
from nicheclip.models.features import ImageFeatures, TextFeatures, read_features, write_features
from nicheclip.models.openclip import create, load, save
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json
from small_training import TINY, registry, start_model

WEIGHTS = "open_clip_model.safetensors"
CONFIG = "open_clip_config.json"
FIRST = "visual.class_embedding"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    start_model(folder)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made / "start", tmp_path / "start")


def one_message(error):
    """The error is one line of bounded length that no library has written."""
    message = str(error.value)
    assert "\n" not in message and "\x1b" not in message and len(message) < 1000
    return message


def halve(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def edit_tensors(file, change):
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def edit_config(folder, change):
    config = read_json(folder / CONFIG)
    change(config)
    (folder / CONFIG).write_text(json.dumps(config))


def a_folder_instead(file):
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: halve(f / WEIGHTS), f"{WEIGHTS}: expected weights as safetensors"),
        (lambda f: (f / WEIGHTS).write_bytes(b""), f"{WEIGHTS}: expected weights as safetensors"),
        (lambda f: (f / WEIGHTS).write_text("<html>"), f"{WEIGHTS}: expected weights as"),
        (lambda f: a_folder_instead(f / WEIGHTS), f"no {WEIGHTS}"),
        (lambda f: (f / WEIGHTS).unlink(), f"no {WEIGHTS}; expected a model folder"),
        (lambda f: edit_tensors(f / WEIGHTS, lambda t: t.pop(FIRST)),
         rf"start: 1 tensors do not fit the model of {CONFIG}: {FIRST} is missing"),
        (lambda f: edit_tensors(f / WEIGHTS, lambda t: t.update({FIRST: torch.zeros(3)})),
         rf"{FIRST} is \[3\], the model's \[32\]"),
        (lambda f: edit_tensors(f / WEIGHTS, lambda t: t.update(stranger=torch.zeros(3))),
         "stranger is not the model's"),
        (lambda f: edit_tensors(f / WEIGHTS, lambda t: t[FIRST].fill_(float("nan"))),
         f"the first {FIRST}, hold numbers that are not finite; expected weights"),
        (lambda f: edit_tensors(f / WEIGHTS, lambda t: t[FIRST].fill_(float("inf"))),
         f"the first {FIRST}, hold numbers that are not finite; expected weights"),
        (lambda f: edit_config(f, lambda c: c["model_cfg"]["vision_cfg"].update(width=48)),
         "tensors do not fit the model"),
        (lambda f: edit_config(f, lambda c: c["model_cfg"]["vision_cfg"].update(layers="two")),
         f"{CONFIG}: expected a model that open_clip can build"),
        (lambda f: edit_config(f, lambda c: c["model_cfg"].update(stranger=1)),
         f"{CONFIG}: expected a model that open_clip can build"),
        (lambda f: edit_config(f, lambda c: c["model_cfg"].pop("vision_cfg")),
         f"{CONFIG}: expected a model that open_clip can build"),
        (lambda f: edit_config(f, lambda c: c["model_cfg"].update(text_cfg=[1, 2])),
         r"start: text_cfg is \[1, 2\]; expected a mapping"),
        (lambda f: edit_config(f, lambda c: c.pop("model_cfg")), f"{CONFIG}: expected JSON with"),
        (lambda f: edit_config(f, lambda c: c.update(model_cfg=3)), f"{CONFIG}: expected JSON"),
        (lambda f: halve(f / CONFIG), f"{CONFIG}: expected JSON with model_cfg"),
        (lambda f: (f / CONFIG).write_text(""), f"{CONFIG}: expected JSON with model_cfg"),
        (lambda f: (f / CONFIG).write_text("[1]"), f"{CONFIG}: expected JSON with model_cfg"),
        (lambda f: (f / CONFIG).write_bytes(b"\xff\xfe\0"), f"{CONFIG}: expected JSON with"),
        (lambda f: (f / CONFIG).write_text("[" * 100_000), f"{CONFIG}: expected JSON with"),
        (shutil.rmtree, f"start: no {CONFIG}; expected a model folder"),
    ],
)  # fmt: skip
def test_a_damaged_model_folder_is_one_clear_error(folder, damage, words):
    damage(folder)
    with pytest.raises(InputError, match=words) as error:
        load(folder)
    assert str(folder) in one_message(error)


class Trap:
    """A pickle that would run a program."""

    def __reduce__(self):
        return (open, ("/nonexistent/trap", "w"))


def write_pickle(file):
    file.write_bytes(pickle.dumps({"state_dict": Trap()}))


def save_state(file, **changes):
    torch.save(load_file(file.parent / "start" / WEIGHTS) | changes, file)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (write_pickle, "is no file of tensors alone, and is not loaded"),
        (lambda f: torch.save({"state_dict": Trap()}, f), "is no file of tensors alone"),
        (lambda f: f.write_text("<html>Please log in</html>"), "is no file of tensors alone"),
        (lambda f: f.write_bytes(b""), "expected weights of 'tiny'"),
        (lambda f: (save_state(f), halve(f)), "expected weights of 'tiny'"),
        (lambda f: torch.save({}, f), "expected weights of 'tiny'"),
        (lambda f: torch.save(torch.zeros(3), f), "expected weights of 'tiny'"),
        (lambda f: torch.save({"a": torch.zeros(3)}, f), "expected weights of 'tiny'.*Missing key"),
        (lambda f: save_state(f, **{FIRST: torch.zeros(3)}), "expected weights of 'tiny'.*size"),
        (lambda f: save_state(f, **{FIRST: torch.full((32,), float("nan"))}),
         f"the first {FIRST}, hold numbers that are not finite"),
    ],
)  # fmt: skip
def test_a_damaged_pretrained_file_is_one_clear_error(made, tmp_path, write, words):
    shutil.copytree(made / "start", tmp_path / "start")
    file = tmp_path / "weights.pt"
    write(file)
    config = ModelConfig(architecture="tiny", pretrained=str(file))
    with pytest.raises(InputError, match=words) as error:
        create(config, seed=0, registry=registry(tmp_path / "registry"))
    assert one_message(error).startswith(str(file))
    assert "trust" not in str(error.value)


def test_a_whole_pretrained_file_is_loaded_also_from_home(made, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save(load_file(made / "start" / WEIGHTS), tmp_path / "weights.pt")
    config = ModelConfig(architecture="tiny", pretrained="~/weights.pt")
    clip = create(config, seed=5, registry=registry(tmp_path / "registry"))
    assert clip.tensors()[FIRST].equal(load(made / "start").tensors()[FIRST])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "broken.json: expected JSON with embed_dim"),
        ("{}", "broken.json: expected JSON with embed_dim, vision_cfg and text_cfg"),
        (json.dumps(TINY | {"text_cfg": {"layers": "two"}}), "open_clip can build"),
        (json.dumps(TINY | {"text_cfg": None}), "'broken': text_cfg is None; expected"),
        (json.dumps(TINY | {"stranger": 1}), "'broken': expected one that open_clip can build"),
    ],
)
def test_a_broken_architecture_file_is_one_clear_error(tmp_path, content, words):
    (tmp_path / "broken.json").write_text(content)
    with pytest.raises(InputError, match=words) as error:
        create(ModelConfig(architecture="broken"), seed=0, registry=tmp_path)
    one_message(error)


@pytest.mark.parametrize("name", ["ViT-B-32", "tiny"])
def test_a_tag_or_file_that_is_not_there_is_one_clear_error(tmp_path, name):
    config = ModelConfig(architecture=name, pretrained="no-such-tag")
    with pytest.raises(InputError, match=r"weights 'no-such-tag': expected a tag or .*HF_HOME"):
        create(config, seed=0, registry=registry(tmp_path))


def test_what_is_no_number_is_not_saved(made, tmp_path):
    clip = load(made / "start")
    with torch.no_grad():
        clip.model.get_parameter(FIRST)[0] = float("nan")
    with pytest.raises(InputError, match=rf"{WEIGHTS}: 1 of \d+ tensors, the first {FIRST}"):
        save(clip, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_whole_folder_loads_as_open_clip_loads_it(made):
    peer = openclip.open_clip.create_model(f"local-dir:{made / 'start'}").state_dict()
    own = load(made / "start").model.state_dict()
    assert own.keys() == peer.keys() and all(own[name].equal(peer[name]) for name in own)


def unit_rows(*rows):
    return np.asarray(rows, np.float32)


def edit_arrays(file, **changes):
    save_arrays(load_arrays(file) | changes, file)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: f.unlink(), "expected a features file"),
        (lambda f: f.write_bytes(b""), "expected a features file"),
        (halve, "expected a features file"),
        (a_folder_instead, "expected a features file"),
        (lambda f: save_arrays({"features": np.eye(2)}, f), "expected a features file.*image_ids"),
        (lambda f: edit_arrays(f, image_ids=np.full((2, 16), 200, np.uint8)), "features file"),
        (lambda f: edit_arrays(f, features=np.eye(3, dtype=np.float32)), "do not match"),
        (lambda f: edit_arrays(f, features=np.zeros(2, np.float32)), "do not match"),
        (lambda f: edit_arrays(f, features=unit_rows([1, 0], [0, np.nan])),
         "1 of 2 features of images are not finite numbers, the first in row 1"),
        (lambda f: edit_arrays(f, features=unit_rows([np.inf, -np.inf], [0, 1])),
         "1 of 2 features of images are not finite numbers, the first in row 0"),
    ],
)  # fmt: skip
def test_damaged_image_features_are_one_clear_error(tmp_path, damage, words):
    file = tmp_path / "images.safetensors"
    write_features(file, ImageFeatures(unit_rows([1, 0], [0, 1]), [f"{i:016x}" for i in range(2)]))
    damage(file)
    with pytest.raises(InputError, match=words) as error:
        read_features(file)
    message = one_message(error)
    assert message.startswith(str(file)) and "--forcerun encode" in message


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: f.unlink(), "expected a text set"),
        (halve, "expected a text set"),
        (lambda f: edit_arrays(f, class_ids=np.frombuffer(b"[1", np.uint8)), "expected a text set"),
        (lambda f: edit_arrays(f, logit_scale=np.zeros(0)), "expected a text set"),
        (lambda f: edit_arrays(f, embeddings=np.eye(3, dtype=np.float32)), r"\(3, 3\) for 2 texts"),
        (lambda f: edit_arrays(f, texts=np.zeros(1, np.int64)), "for 2 texts or classes"),
        (lambda f: edit_arrays(f, embeddings=unit_rows([1, 0], [np.nan, 1])),
         "1 of 2 features of texts are not finite numbers, the first in row 1"),
    ],
)  # fmt: skip
def test_damaged_text_features_are_one_clear_error(tmp_path, damage, words):
    def encode(texts):
        return TextFeatures(np.eye(2, dtype=np.float32)[: len(texts)], np.zeros(len(texts), bool))

    file = tmp_path / "t.safetensors"
    found = encode_classes({"a": ["x"], "b": ["y"]}, encode, logit_scale=1.0)
    write_class_embeddings(file, found, "key")
    damage(file)
    with pytest.raises(InputError, match=words) as error:
        read_class_embeddings(file)
    message = one_message(error)
    assert message.startswith(str(file)) and "--forcerun encode" in message


def test_features_that_are_no_numbers_are_not_written(tmp_path):
    images = ImageFeatures(unit_rows([1, 0], [np.nan, 1]), [f"{i:016x}" for i in range(2)])
    words = r"1 of 2 features of images are .* row 1\. The model has diverged"
    with pytest.raises(InputError, match=words):
        write_features(tmp_path / "images.safetensors", images)

    def encode(texts):
        return TextFeatures(np.full((len(texts), 2), np.nan, np.float32), np.zeros(1, bool))

    found = encode_classes({"a": ["x"]}, encode, logit_scale=1.0)
    with pytest.raises(InputError, match=r"1 of 1 features of texts .* The model has diverged"):
        write_class_embeddings(tmp_path / "t.safetensors", found, "key")
    assert not list(tmp_path.iterdir())
