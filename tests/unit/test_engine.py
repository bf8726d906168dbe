"""The engine with a toy objective: two modules, a teacher, state of its own, no text, no image."""

import shutil
import signal

import numpy as np
import pytest
import torch

from fork_server import start, start_two, statuses
from nicheclip.engine.engine import run
from nicheclip.engine.interruption import EXIT_STATUS
from nicheclip.engine.records import RunLog
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, sha256_file
from toy_objective import SAMPLES, Toy, run_disturbed, settings

#: 25 samples in batches of 4: six steps an epoch, the last of five samples
STEPS = 18


def train(folder, objective=Toy, **changes):
    return run(settings(**changes), objective, run_folder=folder / "run", output=folder / "out")


def result(folder):
    return sha256_file(folder / "out/toy.pt"), (folder / "out/history.csv").read_text()


def state(folder):
    return torch.load(folder / "out/toy.pt", weights_only=True)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    train(folder)
    return folder


def process(folder, **disturbance):
    """A run in a process of its own, disturbed as ``run_disturbed`` says; its status and errors."""
    folder.mkdir(exist_ok=True)
    errors = folder / "errors.txt"
    started = start(run_disturbed, folder, errors=errors, **disturbance)
    (status,) = statuses([started])
    return status, errors.read_text()


def test_it_learns_and_its_report_says_what_was_done(unbroken):
    report = read_json(unbroken / "out/train.json")
    assert report["steps"] == STEPS and report["samples_seen"] == 3 * SAMPLES
    assert report["facts"] == {"samples": SAMPLES}
    assert report["final"] == {
        "epoch": 3,
        "step": STEPS,
        "loss": pytest.approx(report["final"]["loss"]),
        "pull": pytest.approx(report["final"]["pull"]),
        "held_out": None,
        "lr": pytest.approx(report["final"]["lr"]),
        "queue": STEPS,
        "trainable": 8 * 4 + 4 + 4 * 2 + 2,
    }
    rows = [line.split(",") for line in (unbroken / "out/history.csv").read_text().splitlines()]
    assert rows[0] == ["epoch", "step", "loss", "pull", "held_out", "queue", "lr", "trainable"]
    losses = [float(row[2]) for row in rows[1:]]
    assert losses[2] < losses[0]
    # the second module trains from the second epoch on
    assert [int(row[-1]) for row in rows[1:]] == [36, 46, 46]


def test_the_teacher_is_the_moving_average_of_the_student(unbroken):
    found = state(unbroken)
    assert found["steps_seen"] == list(range(STEPS))
    average = Toy().held["teacher"].weight.detach()
    for weight in found["bodies"]:
        average = 0.9 * average + 0.1 * weight
    torch.testing.assert_close(found["teacher"]["weight"], average)
    assert not found["teacher"]["weight"].equal(found["module"]["body.weight"])


@pytest.mark.parametrize(
    "at_step", sorted({int(n) for n in np.random.default_rng(5).integers(2, STEPS, 4)})
)
def test_a_kill_at_a_random_step_does_not_change_the_bytes(tmp_path, unbroken, at_step):
    status, errors = process(tmp_path, at_step=at_step, signal=int(signal.SIGKILL))
    assert status == -signal.SIGKILL, errors
    assert not (tmp_path / "out").exists()
    report = train(tmp_path, checkpoint_seconds=1e-9)
    assert report.resumed_at_steps == [at_step - 1]
    assert result(tmp_path) == result(unbroken)


def test_a_signal_ends_the_step_in_progress_with_a_checkpoint(tmp_path, unbroken):
    status, errors = process(tmp_path, at_step=9, signal=int(signal.SIGTERM), every_step=False)
    assert status == EXIT_STATUS, errors
    assert train(tmp_path).resumed_at_steps == [9]
    assert result(tmp_path) == result(unbroken)


def test_a_given_up_retraining_leaves_the_result_of_before(tmp_path, unbroken):
    """The config is changed, the new training stopped, the config put back."""
    train(tmp_path)
    before = sha256_file(tmp_path / "out/train.json")
    stopped = {"choose": True, "at_step": 9, "signal": int(signal.SIGTERM), "every_step": False}
    assert process(tmp_path, **stopped)[0] == EXIT_STATUS
    shutil.rmtree(tmp_path / "out")  # as Snakemake does before a job
    train(tmp_path)
    assert result(tmp_path) == result(unbroken)
    assert sha256_file(tmp_path / "out/train.json") == before  # not trained a second time
    # the training that was stopped is not lost
    assert train(tmp_path, lambda: Toy(choose=True)).resumed_at_steps == [9]
    assert result(tmp_path) != result(unbroken)


def test_the_same_training_asked_for_again_is_done_again(tmp_path, unbroken):
    train(tmp_path)
    before = sha256_file(tmp_path / "out/train.json")
    train(tmp_path)
    assert result(tmp_path) == result(unbroken)
    assert sha256_file(tmp_path / "out/train.json") != before  # its times are others


def test_a_damaged_result_of_before_is_trained_again(tmp_path, unbroken):
    train(tmp_path)
    stopped = {"choose": True, "at_step": 9, "signal": int(signal.SIGTERM), "every_step": False}
    process(tmp_path, **stopped)
    (tmp_path / "run/finished/train.json").write_text("{")
    shutil.rmtree(tmp_path / "out")
    assert train(tmp_path).resumed_at_steps == []
    assert result(tmp_path) == result(unbroken)


def test_chosen_samples_are_the_same_after_a_kill_within_an_epoch(tmp_path):
    """The choice is made anew each epoch, from the state of the objective."""
    train(tmp_path / "one", lambda: Toy(choose=True))
    status, _ = process(tmp_path / "two", at_step=10, signal=int(signal.SIGKILL), choose=True)
    assert status == -signal.SIGKILL
    train(tmp_path / "two", lambda: Toy(choose=True), checkpoint_seconds=1e-9)
    assert result(tmp_path / "one") == result(tmp_path / "two")
    seen = [set(places) for places in state(tmp_path / "one")["places"]]
    epochs = [set.union(*seen[i : i + 6]) for i in (0, 6, 12)]
    assert epochs[0] == set(range(10)) and epochs[1] == set(range(10, 20))
    assert epochs[2] == set(range(20, 25))


def test_two_processes_train_like_one(tmp_path, unbroken):
    """Slices of two and two, and of three and two in the last step of an epoch."""
    ranks = start_two(run_disturbed, tmp_path, folder=tmp_path, nodes=2)
    assert statuses(ranks) == [0, 0]
    one, two = state(unbroken), state(tmp_path)
    for part in ("module", "teacher"):
        for name, values in one[part].items():
            torch.testing.assert_close(values, two[part][name], rtol=0, atol=1e-6)
    assert read_json(tmp_path / "out/train.json")["processes"] == 2


@pytest.mark.parametrize("pieces", [2, 3, 9])
def test_a_batch_in_pieces_has_the_gradient_of_the_whole(tmp_path, unbroken, pieces):
    """Weights after three epochs; a batch has four or five samples, so nine pieces are too many."""
    train(tmp_path, pieces=pieces)
    one, cut = state(unbroken)["module"], state(tmp_path)["module"]
    for name, values in one.items():
        torch.testing.assert_close(values, cut[name], rtol=0, atol=1e-6)


def test_a_loss_that_is_not_finite_names_step_samples_and_checkpoint(tmp_path):
    with pytest.raises(InputError) as stopped:
        train(tmp_path, lambda: Toy(broken_at=8), checkpoint_seconds=1e-9)
    message = str(stopped.value)
    assert f"the loss is nan at step 9 of {STEPS}" in message
    assert "step-000000008.pt. Samples of the step: sample " in message
    assert not list((tmp_path / "run/checkpoints").glob("*/step-000000009.pt"))


class BlowsUp(Toy):
    """After a step, a weight or a figure is no number; the loss of that step was one."""

    def __init__(self, at_step, part):
        super().__init__()
        self._at_step, self._part = at_step, part

    def after_step(self, step):
        super().after_step(step)
        if step.step == self._at_step and self._part != "figure":
            layer = self.module.head if self._part == "module" else self.held["teacher"]
            layer.bias.data[0] = float("inf")

    def end_epoch(self, epoch):
        figure = float("nan") if self._part == "figure" else None
        return super().end_epoch(epoch) | {"held_out": figure}


@pytest.mark.parametrize(
    ("at_step", "part", "words"),
    [
        (STEPS - 1, "module", f"1 tensors of the model, the first head.bias, are not finite at "
         f"step {STEPS} of {STEPS}. Last good checkpoint: .*step-000000012.pt"),
        (5, "teacher", "the first teacher.bias, are not finite at step 6 of 18. Last good "
         "checkpoint: none was written"),
        (0, "figure", "held_out is nan at step 6 of 18"),
    ],
)  # fmt: skip
def test_weights_and_figures_that_are_no_numbers_are_neither_kept_nor_saved(
    tmp_path, at_step, part, words
):
    with pytest.raises(InputError, match=words + ".*Lower optimizer.lr"):
        train(tmp_path, lambda: BlowsUp(at_step, part))
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(f"run/checkpoints/*/step-{at_step + 1:09d}.pt"))


def test_a_checkpoint_within_an_epoch_holds_numbers(tmp_path):
    with pytest.raises(InputError, match=r"at step 9 of 18\. .*step-000000008.pt"):
        train(tmp_path, lambda: BlowsUp(8, "module"), checkpoint_seconds=1e-9)


def test_a_term_that_is_no_number_is_null_in_the_log(tmp_path):
    log = RunLog(tmp_path, resume_at=0)
    log.step({"step": 1, "loss": 0.5, "pull": float("nan"), "scale": float("inf")})
    log.close()
    line = (tmp_path / "log.jsonl").read_text()
    assert line == '{"step": 1, "loss": 0.5, "pull": null, "scale": null}\n'


class NothingTrains(Toy):
    def trainable(self, epoch):
        return []


class Chooses(Toy):
    def samples(self, epoch):
        return np.empty(0, np.int64)


def test_an_objective_of_which_nothing_trains_is_refused(tmp_path):
    with pytest.raises(InputError, match="nothing trains in the first epoch"):
        train(tmp_path, NothingTrains)
    with pytest.raises(InputError, match="no sample was chosen for epoch 1"):
        train(tmp_path, lambda: Chooses(choose=True))


def test_another_version_or_other_inputs_start_again(tmp_path, unbroken, caplog, monkeypatch):
    caplog.set_level("INFO")
    process(tmp_path, at_step=9, signal=int(signal.SIGTERM), every_step=False)
    monkeypatch.setattr(Toy, "version", 2)
    monkeypatch.setattr(Toy, "inputs", lambda self: {"vectors": "b"})
    assert train(tmp_path).resumed_at_steps == []
    assert (
        "not used: version of the objective 1, now 2, another choice, another vectors"
        in caplog.text
    )


def test_a_small_data_set_trains_for_more_epochs_until_there_are_enough_steps(tmp_path):
    # three epochs of six steps are 18; 20 steps need a fourth
    longer = train(tmp_path / "longer", min_steps=20)
    assert (longer.epochs, longer.steps) == (4, 24)
    enough = train(tmp_path / "enough", min_steps=18)
    assert (enough.epochs, enough.steps) == (3, STEPS)
