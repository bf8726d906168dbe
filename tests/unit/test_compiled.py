"""Training with ``torch.compile``: the result of the module as it is, saved plainly."""

import pytest
import torch
from torch._dynamo.utils import counters

from nicheclip.engine import updates
from nicheclip.models.openclip import load
from nicheclip.runtime.files import sha256_file
from small_training import start_model, training_config, write_squares
from trained_together import train_tiny

WEIGHTS = "out/open_clip_model.safetensors"
OPTIONS = {
    "recipe": {"kind": "contrastive"},
    "epochs": 2,
    "optimizer": {"lr": 1e-3, "weight_decay": 0.1, "eps": 1e-3},
}


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    return write_squares(folder, train=12, val=6), start_model(folder)


@pytest.fixture
def traced(monkeypatch):
    """Without a C++ compiler: the graphs are found as ever, and run by PyTorch."""
    monkeypatch.setattr(updates, "BACKEND", "eager")
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def test_it_trains_to_the_same_and_resumes_to_the_same_bytes(squares, tmp_path, traced):
    for name in ("plain", "compiled", "stopped"):
        (tmp_path / name).mkdir()
    train_tiny(*squares, tmp_path / "plain", **OPTIONS)
    assert not counters["stats"]["unique_graphs"]
    train_tiny(*squares, tmp_path / "compiled", compile=True, **OPTIONS)
    assert counters["stats"]["unique_graphs"] > 0
    with pytest.raises(SystemExit):
        train_tiny(*squares, tmp_path / "stopped", stop_at_step=3, compile=True, **OPTIONS)
    report = train_tiny(*squares, tmp_path / "stopped", compile=True, **OPTIONS)
    assert report.resumed_at_steps == [3]
    assert sha256_file(tmp_path / "stopped" / WEIGHTS) == sha256_file(
        tmp_path / "compiled" / WEIGHTS
    )
    plain, compiled = (load(tmp_path / n / "out").model.state_dict() for n in ("plain", "compiled"))
    assert plain.keys() == compiled.keys()
    for name, values in plain.items():
        torch.testing.assert_close(compiled[name], values, rtol=0, atol=1e-6)


def test_only_a_compiled_run_has_the_key_among_what_determines_it():
    assert "compile" not in training_config().determines()
    assert training_config(compile=True).determines()["compile"] is True
