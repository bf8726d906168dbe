"""Every objective over pairs, killed in a random step, ends with the bytes of an unbroken run.

Classification is killed in ``test_classes_objective.py``, self-supervision in ``test_dino.py``, the
engine alone in ``test_engine.py``.
"""

import signal

import numpy as np
import pytest

from fork_server import start as start_process
from fork_server import statuses
from nicheclip.runtime.files import sha256_file
from small_training import start_model, write_squares
from trained_together import train_tiny

#: 24 images in batches of 8: three steps an epoch
STEPS = 9
#: what is kept aside and measured must outlive a kill as well
OPTIONS = {
    "ema": 0.8,
    "keep": "best",
    "keep_epochs": 2,
    "validation": {"text_type": "com"},
    "texts": {"types": {"caption": 1, "sci": 1}},
}
KINDS = ("contrastive", "siglip", "multi_positive")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_squares(folder / "squares", train=24, val=6)
    for architecture in ("tiny", "tiny-bias"):
        start_model(folder / architecture, architecture)
    return folder


def files(folder):
    """Digests of the weights, the history and the last epochs' weights."""
    named = ["open_clip_model.safetensors", "history.csv"]
    paths = [*(folder / "out" / name for name in named)]
    paths += sorted((folder / "out/epochs").glob("*/open_clip_model.safetensors"))
    assert len(paths) == 4
    return {str(path.relative_to(folder)): sha256_file(path) for path in paths}


@pytest.mark.parametrize(
    ("kind", "at_step"),
    list(zip(KINDS, np.random.default_rng(13).integers(2, STEPS, 3).tolist(), strict=True)),
)
def test_a_kill_at_a_random_step_does_not_change_the_bytes(world, tmp_path, kind, at_step):
    start = world / ("tiny-bias" if kind == "siglip" else "tiny") / "start"
    options = OPTIONS | {"recipe": {"kind": kind}}
    train_tiny(world / "squares", start, prepared(tmp_path / "one"), **options)
    two = prepared(tmp_path / "two")
    killed = start_process(
        train_tiny,
        str(world / "squares"),
        str(start),
        str(two),
        errors=tmp_path / "errors.txt",
        stop_at_step=at_step,
        stop_by=int(signal.SIGKILL),
        compute={"checkpoint_seconds": 1e-9},
        **options,
    )
    assert statuses([killed]) == [-signal.SIGKILL], (tmp_path / "errors.txt").read_text()
    assert not (two / "out").exists()
    report = train_tiny(world / "squares", start, two, **options)
    assert report.resumed_at_steps == [at_step - 1]
    assert files(tmp_path / "one") == files(two)


def prepared(folder):
    folder.mkdir()
    return folder
