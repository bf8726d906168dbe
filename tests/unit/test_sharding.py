"""Two processes that share the weights (FSDP) beside two of which each keeps all (DDP)."""

import json
from shutil import copytree
from types import SimpleNamespace

import pytest
import torch

from fork_server import one_of_two, statuses
from fork_server import start as start_process
from nicheclip.engine.divergence import weights_not_finite
from nicheclip.engine.interruption import EXIT_STATUS
from nicheclip.engine.sharding import blocks
from nicheclip.models.openclip import load
from nicheclip.runtime.files import read_json
from small_training import start_model, tiny_clip, training_config, write_squares
from trained_together import train_tiny

#: with this eps, rounding in a gradient near 0 makes no step of its own; the norm is above the clip
OPTIONS = {
    "recipe": {"kind": "contrastive"},
    "epochs": 2,
    "optimizer": {"lr": 1e-3, "weight_decay": 0.1, "eps": 1e-3, "gradient_clip": 0.5},
    "ema": 0.5,
}


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    return write_squares(folder, train=21, val=6), start_model(folder)


def together(squares, folder, *, sharding, stop=None, **changes):
    """The exit statuses of two processes that train; the second one is asked to stop."""
    folder.mkdir(exist_ok=True)
    images, start = squares
    compute = {"nodes": 2, "sharding": sharding}
    ranks = [
        start_process(
            train_tiny,
            str(images),
            str(start),
            str(folder),
            errors=folder / f"errors-{rank}.txt",
            environment=one_of_two(rank),
            stop_at_step=stop if rank else None,
            **OPTIONS | changes | {"compute": compute},
        )
        for rank in (0, 1)
    ]
    return statuses(ranks)


def weights(folder):
    return load(folder / "out").model.state_dict()


def same(one, two, atol=1e-6):
    assert one.keys() == two.keys()
    for name, values in one.items():
        torch.testing.assert_close(two[name], values, rtol=0, atol=atol)


@pytest.fixture(scope="module")
def whole(squares, tmp_path_factory):
    """Each keeps all."""
    folder = tmp_path_factory.mktemp("whole")
    assert together(squares, folder, sharding=False) == [0, 0]
    return folder


def test_the_weights_are_those_without_sharding(squares, whole, tmp_path):
    """A whole model is saved; meanwhile each process kept half of it."""
    assert together(squares, tmp_path, sharding=True) == [0, 0]
    same(weights(whole), weights(tmp_path))
    start = load(squares[1]).model.state_dict()
    assert max(float((weights(tmp_path)[n] - w).abs().max()) for n, w in start.items()) > 1e-3
    parts, all_of_it = (
        [read_json(folder / f"parts-{rank}.json") for rank in (0, 1)]
        for folder in (tmp_path, whole)
    )
    for name, number in all_of_it[0].items():
        own = [part[name] for part in parts]
        assert own == [1, 1] if name == "clip.logit_scale" else sum(own) == number > max(own)
    report = read_json(tmp_path / "out/train.json")
    assert report["processes"] == 2 and report["compute"]["sharding"]
    assert report["parameters"] == read_json(whole / "out/train.json")["parameters"]


@pytest.fixture(scope="module")
def stopped(squares, tmp_path_factory):
    """One is asked in the fourth step, all stop after the fifth of six."""
    folder = tmp_path_factory.mktemp("stopped")
    assert together(squares, folder, sharding=True, stop=4) == [EXIT_STATUS, 0]
    return folder


def test_the_checkpoint_of_a_stopped_run_is_whole(stopped):
    (checkpoint,) = (stopped / "run/checkpoints").glob("*/step-000000005.pt")
    state = torch.load(checkpoint, weights_only=True)["updates"]
    text = "clip.token_embedding.weight"
    assert state["module"][text].shape == state["kept"]["average"][text].shape == (49408, 32)


@pytest.mark.parametrize("then", [True, False])
def test_it_goes_on_with_and_without_sharding(squares, whole, stopped, tmp_path, then):
    copytree(stopped / "run", tmp_path / "run")
    assert together(squares, tmp_path, sharding=then) == [0, 0]
    assert read_json(tmp_path / "out/train.json")["resumed_at_steps"] == [5]
    same(weights(whole), weights(tmp_path))


def test_pieces_and_the_best_epoch(squares, tmp_path):
    """A batch in pieces, and weights that were kept aside."""
    options = {"accumulation": 2, "keep": "best", "gradient_checkpointing": True, "keep_epochs": 2}
    options |= {"validation": {"text_type": "com"}}
    for name, sharding in (("one", False), ("two", True)):
        assert together(squares, tmp_path / name, sharding=sharding, **options) == [0, 0]
    same(weights(tmp_path / "one"), weights(tmp_path / "two"))
    reports = [read_json(tmp_path / name / "out/train.json") for name in ("one", "two")]
    assert reports[0]["kept_epoch"] == reports[1]["kept_epoch"]
    zero_shot = [report["final"]["zero_shot_accuracy"] for report in reports]
    assert 0 <= zero_shot[0] == zero_shot[1] <= 1
    for epoch in ("1", "2"):
        one, two = (load(tmp_path / name / "out/epochs" / epoch) for name in ("one", "two"))
        same(one.model.state_dict(), two.model.state_dict())


def test_a_diverged_run_ends_in_all_processes(squares, tmp_path):
    changes = {"optimizer": OPTIONS["optimizer"] | {"lr": 1e30, "gradient_clip": None}}
    assert together(squares, tmp_path, sharding=True, **changes) == [1, 1]
    said = [(tmp_path / f"errors-{rank}.txt").read_text() for rank in (0, 1)]
    assert ["training: the loss is nan at step 2" in one for one in said] == [True, True]


def test_weights_of_another_process_that_are_no_numbers(tmp_path):
    """This process's part is whole; the sum over processes tells of three tensors elsewhere."""
    objective = SimpleNamespace(module=torch.nn.Linear(2, 2), held={})
    processes = SimpleNamespace(
        sharded=True, device=torch.device("cpu"), sum=lambda found: found + 3
    )
    found = weights_not_finite(objective, processes)
    assert found == (
        "3 tensors of the model, the first one that another process keeps, are not finite"
    )


def test_blocks_are_what_repeats(tmp_path):
    clip = tiny_clip(tmp_path).model
    found = list(blocks(clip))
    assert found == [*clip.visual.transformer.resblocks, *clip.transformer.resblocks]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compute": {"sharding": True}}, "one process has nothing to share"),
        ({"precision": "16-mixed"}, "not with precision 16-mixed"),
        ({"unfreezing": {}}, "not with unfreezing"),
        ({"compile": True}, "not with compile"),
    ],
)
def test_what_does_not_go_with_sharding(changes, message):
    with pytest.raises(ValueError, match=message):
        training_config(**{"compute": {"sharding": True, "gpus": 2}} | changes)


def test_sharding_is_no_reason_to_train_again():
    one = training_config(compute={"gpus": 2})
    two = training_config(compute={"gpus": 2, "sharding": True})
    assert json.dumps(one.determines()) == json.dumps(two.determines())
