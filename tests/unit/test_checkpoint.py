import logging

import pytest
import torch

from nicheclip.data.shard_reader import ShardSet
from nicheclip.training.checkpoint import Checkpoint, CheckpointFolder, fingerprint
from small_training import start_model, training_config, write_shards


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path / "checkpoints", "f" * 16)


def save(folder, *steps):
    return [folder.save(Checkpoint(n, {"model": {"w": torch.full((50,), n)}})) for n in steps]


def test_the_last_two_are_kept_and_the_newest_is_used(folder):
    paths = save(folder, 9, 10, 100)
    assert [path.exists() for path in paths] == [False, True, True]
    checkpoint = folder.latest()
    assert checkpoint.step == 100
    assert checkpoint.state["model"]["w"].equal(torch.full((50,), 100))


@pytest.mark.parametrize("fault", ["cut", "one byte", "no checksum", "no state"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(folder, fault, caplog):
    _, newest = save(folder, 1, 2)
    data = newest.read_bytes()
    if fault == "cut":
        newest.write_bytes(data[: len(data) // 2])
    elif fault == "one byte":
        place = data.index(torch.full((50,), 2).numpy().tobytes())
        newest.write_bytes(data[:place] + b"\7" + data[place + 1 :])
    elif fault == "no checksum":
        newest.with_suffix(".json").unlink()
    else:
        newest.unlink()
    assert folder.latest().step == 1
    assert fault == "no state" or "damaged" in caplog.text


def test_a_failed_write_leaves_the_earlier_ones(folder):
    save(folder, 1)
    with pytest.raises(AttributeError):
        folder.save(Checkpoint(2, {"unpicklable": lambda: 0}))
    assert folder.latest().step == 1


def test_checkpoints_of_another_run_are_not_used_and_said_so(folder, tmp_path, caplog):
    save(folder, 1)
    caplog.set_level(logging.WARNING)
    other = CheckpointFolder(tmp_path / "checkpoints", "e" * 16)
    assert other.latest() is None
    assert "another config" in caplog.text


def test_only_plain_data_is_loaded(folder):
    path = folder.save(Checkpoint(1, {"trap": torch.nn.Linear(1, 1)}))
    assert folder.latest() is None
    assert path.exists()


def test_the_fingerprint_follows_what_changes_the_result(tmp_path):
    start = start_model(tmp_path)
    first, second = (
        [ShardSet(write_shards(tmp_path / str(n), train=n, val=0) / "train")] for n in (8, 9)
    )
    base = fingerprint(training_config(), seed=0, start=start, shards=first, code="a")

    def changed(seed=0, shards=first, code="a", **changes):
        config = training_config(**changes)
        return fingerprint(config, seed=seed, start=start, shards=shards, code=code) != base

    assert not changed()
    assert not changed(workers=3, checkpoint_seconds=1, log_every_steps=7, seeds=[0, 1])
    assert changed(seed=1) and changed(shards=second) and changed(code="b")
    assert changed(epochs=4) and changed(optimizer={"lr": 2e-3}) and changed(cpu_threads=2)
    weights = start / "open_clip_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert changed()
