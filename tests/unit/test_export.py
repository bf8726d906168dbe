"""Models for other programs: ONNX that gives the same features, a folder for the hub."""

import json

import numpy as np
import open_clip
import pytest
import torch

from nicheclip.models import onnx as module
from nicheclip.models.export import export
from nicheclip.models.fusion import write_fusion
from nicheclip.models.onnx import TOLERANCE, export_onnx
from nicheclip.models.openclip import load, save
from nicheclip.predict import hub
from nicheclip.predict.hub import hub_folder, upload
from nicheclip.predict.open_model import OpenedModel
from nicheclip.runtime.errors import InputError
from small_evaluation import tiny_clip


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    save(tiny_clip(tmp_path), folder)
    return OpenedModel(str(folder), load(folder), folder)


def test_both_towers_give_the_same_features(model, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    files = export_onnx(model.clip, tmp_path / "onnx")
    assert [file.name for file in files] == ["image.onnx", "text.onnx", "preprocess.json"]
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    tokens = model.clip.tokenizer(["a heron", "a swan in the reeds", "coot", "", "a b c d e f g"])
    with torch.inference_mode():
        expected = (model.clip.model.encode_image(images), model.clip.model.encode_text(tokens))
    for file, given, wanted in zip(files[:2], (images, tokens), expected, strict=True):
        session = onnxruntime.InferenceSession(str(file))
        (found,) = session.run(None, {session.get_inputs()[0].name: given.numpy()})
        unit = torch.nn.functional.normalize(wanted, dim=1).numpy()
        assert np.abs(found - unit).max() <= TOLERANCE
    facts = json.loads(files[2].read_text())
    assert facts["image_size"] == [32, 32] and facts["context_length"] == 12


def test_without_the_extra_it_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"onnx, onnxscript, onnxruntime not installed.*\[onnx\]"):
        export_onnx(model.clip, tmp_path / "onnx")


def test_the_hub_gets_a_whole_folder_with_its_card(model, tmp_path):
    (model.folder / "README.md").write_text('---\ntags: [clip]\n---\n"local-dir:FOLDER"\n')
    files = hub_folder(model, "us/moths", tmp_path / "out")
    names = ["open_clip_config.json", "open_clip_model.safetensors", "README.md"]
    assert [file.name for file in files] == names
    assert '"hf-hub:us/moths"' in files[-1].read_text()
    loaded, _, _ = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'out'}")
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, model.clip.model.state_dict()[name])


def test_a_model_without_a_card_gets_one(model, tmp_path):
    card = hub_folder(model, "us/moths", tmp_path / "out")[-1].read_text()
    assert card.startswith("---\n") and "library_name: open_clip" in card
    assert 'get_tokenizer("hf-hub:us/moths")' in card
    with pytest.raises(InputError, match="expected OWNER/NAME"):
        hub_folder(model, "moths", tmp_path / "out")


def test_nothing_is_uploaded_without_a_token(model, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "get_token", lambda: None)
    with pytest.raises(InputError, match="nobody is logged in"):
        upload("us/moths", tmp_path, [])


def test_what_was_written_is_uploaded_to_a_private_repository(model, tmp_path, monkeypatch):
    calls = []

    class Hub:
        def create_repo(self, name, *, private, exist_ok):
            calls.append((name, private, exist_ok))
            return f"https://hub/{name}"

        def upload_folder(self, *, repo_id, folder_path, allow_patterns):
            calls.append((repo_id, folder_path, allow_patterns))

    monkeypatch.setattr(hub, "get_token", lambda: "a token")
    monkeypatch.setattr(hub, "HfApi", Hub)
    files = hub_folder(model, "us/moths", tmp_path / "out")
    assert upload("us/moths", tmp_path / "out", files) == "https://hub/us/moths"
    names = ["open_clip_config.json", "open_clip_model.safetensors", "README.md"]
    assert calls == [("us/moths", True, True), ("us/moths", tmp_path / "out", names)]


def test_a_model_with_two_towers_is_refused(model, tmp_path):
    base = tmp_path / "base"
    save(tiny_clip(tmp_path), base)
    write_fusion(model.folder, base, 0.5)
    with pytest.raises(InputError, match="sees with two towers"):
        export(model.folder, tmp_path / "out")
