import logging

import pytest
import torch

from full_disk import full_disk
from nicheclip.engine.checkpoint import Checkpoint, CheckpointFolder
from nicheclip.engine.origin import Origin
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, sha256_file, write_json
from nicheclip.training.objectives.multi_positive import MultiPositive
from small_training import data_of, start_model, training_config, write_squares

ORIGIN = Origin(
    version=1,
    config={"epochs": 3, "optimizer": {"lr": 0.001, "betas": [0.9, 0.98]}},
    seed=0,
    inputs={"start model": "a", "data": "b"},
)


def checkpoints(tmp_path, origin=ORIGIN, **options):
    return CheckpointFolder(tmp_path / "checkpoints", origin, steps=200, **options)


@pytest.fixture
def folder(tmp_path):
    return checkpoints(tmp_path)


def save(folder, *steps):
    return [folder.save(Checkpoint(n, {"model": {"w": torch.full((50,), n)}})) for n in steps]


def test_the_last_two_are_kept_and_the_newest_is_used(folder):
    paths = save(folder, 9, 10, 100)
    assert [path.exists() for path in paths] == [False, True, True]
    checkpoint = folder.latest()
    assert (checkpoint.step, checkpoint.file) == (100, paths[-1])
    assert checkpoint.state["model"]["w"].equal(torch.full((50,), 100))


def a_folder_instead(file):
    file.unlink()
    (file / "inside").mkdir(parents=True)


def flip(file):
    data = file.read_bytes()
    place = data.index(torch.full((50,), 2).numpy().tobytes())
    file.write_bytes(data[:place] + b"\7" + data[place + 1 :])


def with_right_checksum(file, content):
    file.write_bytes(content)
    record = file.with_suffix(".json")
    write_json(record, read_json(record) | {"sha256": sha256_file(file)})


FAULTS = {
    "cut": lambda f: f.write_bytes(f.read_bytes()[:200]),
    "empty": lambda f: f.write_bytes(b""),
    "one byte": flip,
    "a folder": a_folder_instead,
    "no tensors": lambda f: with_right_checksum(f, b"<html>"),
    "nothing": lambda f: with_right_checksum(f, b""),
    "no record": lambda f: f.with_suffix(".json").unlink(),
    "record cut": lambda f: f.with_suffix(".json").write_text("{"),
    "record empty": lambda f: f.with_suffix(".json").write_text(""),
    "record of another kind": lambda f: f.with_suffix(".json").write_text("7"),
    "record without text": lambda f: f.with_suffix(".json").write_bytes(b"\xff\0"),
    "record too deep": lambda f: f.with_suffix(".json").write_text("[" * 100_000),
    "record a folder": lambda f: a_folder_instead(f.with_suffix(".json")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, folder, fault, caplog):
    _, newest = save(folder, 1, 2)
    FAULTS[fault](newest)
    assert folder.latest().step == 1
    [warning] = caplog.messages
    assert warning.startswith(f"{newest}: damaged (") and "\n" not in warning
    other = checkpoints(tmp_path, ORIGIN.model_copy(update={"seed": 5}))
    assert other.latest() is None and "seed 0, now 5" in caplog.text
    save(folder, 2, 3, 4)
    assert folder.latest().step == 4 and not newest.exists()


def test_a_state_that_is_gone_gives_way_to_the_one_before(folder):
    _, newest = save(folder, 1, 2)
    newest.unlink()
    assert folder.latest().step == 1


def test_a_file_in_place_of_the_checkpoints_is_named(tmp_path, folder):
    (tmp_path / "checkpoints").write_text("in the way")
    assert folder.latest() is None
    with pytest.raises(InputError, match=r"cannot be written .* what stands in its place"):
        save(folder, 1)


def test_a_failed_write_leaves_the_earlier_ones(folder):
    save(folder, 1)
    with pytest.raises(AttributeError):
        folder.save(Checkpoint(2, {"unpicklable": lambda: 0}))
    assert folder.latest().step == 1


def test_a_full_disk_is_called_so_and_the_earlier_checkpoint_stays(folder):
    save(folder, 1)
    words = r"step-000000002\.pt: cannot be written, the disk is full"
    with pytest.raises(InputError, match=words), full_disk():
        folder.save(Checkpoint(2, {"w": torch.zeros(100_000)}))
    assert folder.latest().step == 1


def test_only_plain_data_is_loaded(folder):
    path = folder.save(Checkpoint(1, {"trap": torch.nn.Linear(1, 1)}))
    assert folder.latest() is None
    assert path.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"config": {"epochs": 3, "optimizer": {"lr": 0.002, "betas": [0.9, 0.98]}}},
         "optimizer.lr 0.001, now 0.002"),
        ({"config": {"optimizer": {"lr": 0.001, "betas": [0.9, 0.95]}}},
         "epochs 3, now missing, optimizer.betas [0.9, 0.98], now [0.9, 0.95]"),
        ({"seed": 1}, "seed 0, now 1"),
        ({"inputs": {"start model": "c", "labels": "d"}},
         "another data, another labels, another start model"),
        ({"version": 2}, "version of the objective 1, now 2"),
        ({"format": 5}, "format of the engine 4, now 5"),
        ({"config": dict.fromkeys("stuvw", 1)},
         'epochs 3, now missing, optimizer {"betas": [0.9, 0.98], "lr": 0.001}, now missing, '
         "s missing, now 1, t missing, now 1 and 3 more"),
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_origin_is_not_used_and_the_log_says_why(
    tmp_path, folder, caplog, changes, words
):
    caplog.set_level(logging.INFO)
    save(folder, 1, 2)
    other = checkpoints(tmp_path, ORIGIN.model_copy(update=changes))
    assert other.latest() is None
    assert caplog.messages == [f"{folder.folder}: not used: {words}"]
    assert folder.folder.exists()
    other.remove()
    assert caplog.messages[1:] == [
        f"the run is complete: removed 2 old checkpoints ({words})",
    ]
    assert not folder.folder.exists()


def test_checkpoints_of_the_first_format_say_so(tmp_path, folder, caplog):
    old = tmp_path / "checkpoints" / ("e" * 16)
    old.mkdir(parents=True)
    (old / "step-000000001.pt").write_bytes(b"state")
    write_json(old / "step-000000001.json", {"step": 1, "sha256": "0"})
    assert folder.latest() is None
    assert "not used: format of the engine 1, now 4" in caplog.text


def test_other_code_stops_and_nothing_is_lost(tmp_path):
    [file] = save(checkpoints(tmp_path, code="aaa"), 7)
    with pytest.raises(InputError) as stopped:
        checkpoints(tmp_path, code="bbb").latest()
    message = str(stopped.value)
    assert f"{file} (step 7 of 200) was written by other code (digest aaa, now bbb)" in message
    assert "compute: {on_code_change: continue}" in message
    assert "compute: {on_code_change: restart}" in message
    assert checkpoints(tmp_path, code="aaa").latest().step == 7


def test_continue_takes_the_newest_and_records_each_digest(tmp_path):
    save(checkpoints(tmp_path, code="aaa"), 7)
    second = checkpoints(tmp_path, code="bbb", on_code_change="continue")
    assert second.latest().step == 7
    assert second.code == ("aaa", "bbb")
    [file] = save(second, 9)
    assert read_json(file.with_suffix(".json"))["code"] == ["aaa", "bbb"]
    # The run resumes on the same code without a choice, and on the first code with one.
    same = checkpoints(tmp_path, code="bbb")
    assert (same.latest().step, same.code) == (9, ("aaa", "bbb"))
    back = checkpoints(tmp_path, code="aaa", on_code_change="continue")
    assert (back.latest().step, back.code) == (9, ("aaa", "bbb", "aaa"))


def test_restart_starts_again_and_keeps_the_old_until_the_end(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    [old] = save(checkpoints(tmp_path, code="aaa"), 7)
    second = checkpoints(tmp_path, code="bbb", on_code_change="restart")
    assert second.latest() is None and second.code == ("bbb",)
    save(second, 1, 2, 3)
    assert old.exists()
    assert checkpoints(tmp_path, code="bbb", on_code_change="restart").latest().step == 3
    second.remove()
    assert not old.exists()
    assert "removed 1 old checkpoints (other code)" in caplog.text


def test_the_fingerprint_follows_what_changes_the_result(tmp_path):
    start = start_model(tmp_path)
    first, second = (write_squares(tmp_path / str(n), train=n, val=0) for n in (8, 9))

    def fingerprint(seed=0, folder=first, version=1, **changes):
        config = training_config(**changes)
        inputs = MultiPositive(config, start=start, data=data_of(folder), seed=seed).inputs()
        determines = config.determines()
        origin = Origin(version=version, config=determines, seed=seed, inputs=dict(inputs))
        return origin.fingerprint

    base = fingerprint()

    def changed(**changes):
        return fingerprint(**changes) != base

    assert len(base) == 16 and not changed()
    compute = {"workers": 3, "checkpoint_seconds": 1, "cpu_threads": 2, "gpus": 4, "nodes": 2}
    assert not changed(compute=compute, seeds=[0, 1])
    assert changed(seed=1) and changed(folder=second) and changed(version=2)
    assert changed(epochs=4) and changed(optimizer={"lr": 2e-3}) and changed(precision="bf16-mixed")
    weights = start / "open_clip_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert changed()
