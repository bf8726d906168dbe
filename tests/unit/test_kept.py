"""Which weights are the result: the last, their moving average, the best; where kernels lie."""

import dataclasses
import signal

import pytest
import torch
from torch import nn

from nicheclip.engine.engine import run
from nicheclip.engine.kept import KeptWeights
from nicheclip.engine.updates import Updates
from nicheclip.models.openclip import load
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, sha256_file
from nicheclip.training.run import TrainingRun, train
from small_training import start_model, texts_of, training_config, write_squares
from toy_objective import Toy, settings


class Judged(Toy):
    """The accuracies of its epochs are given; it remembers the body's weights at each."""

    accuracies = (0.5, 0.75, 0.75)

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.seen = []

    def end_epoch(self, epoch):
        self.seen.append(self.module.body.weight.detach().clone())
        return {"val_accuracy": self.accuracies[epoch.epoch]}


def result(folder, objective, checkpoint_seconds=600.0, **changes):
    chosen = dataclasses.replace(settings(checkpoint_seconds), **changes)
    run(chosen, lambda: objective, run_folder=folder / "run", output=folder / "out")
    return torch.load(folder / "out/toy.pt", weights_only=True)["module"]["body.weight"]


def test_the_best_epoch_is_kept_and_the_first_of_equal_ones(tmp_path):
    objective = Judged()
    assert result(tmp_path, objective, keep="best").equal(objective.seen[1])
    assert not objective.seen[1].equal(objective.seen[2])
    assert read_json(tmp_path / "out/train.json")["kept_epoch"] == 2


def test_the_last_epoch_is_kept_unless_asked_otherwise(tmp_path):
    objective = Judged()
    assert result(tmp_path, objective).equal(objective.seen[2])
    assert read_json(tmp_path / "out/train.json")["kept_epoch"] == 3


def test_zero_shot_says_which_is_the_best_where_it_is_measured(tmp_path):
    class Other(Judged):
        def end_epoch(self, epoch):
            figures = super().end_epoch(epoch)
            return figures | {"zero_shot_accuracy": (0.5, 0.25, 0.75)[epoch.epoch]}

    objective = Other()
    assert result(tmp_path, objective, keep="best").equal(objective.seen[2])


def test_the_best_needs_a_figure(tmp_path):
    with pytest.raises(InputError, match=r"keep: best needs val_accuracy .*split\.val"):
        result(tmp_path, Toy(), keep="best")


def test_the_average_is_that_of_a_literal_loop(tmp_path):
    """It begins at the start model and follows every step; epochs are validated with it."""
    objective = Judged()
    start = objective.module.body.weight.detach().double().clone()
    found = result(tmp_path, objective, ema=0.8)
    average, after_epochs = start, []
    for number, weight in enumerate(objective._bodies, start=1):
        average = 0.8 * average + 0.2 * weight.double()
        if number % 6 == 0:
            after_epochs.append(average)
    torch.testing.assert_close(found.double(), average, rtol=0, atol=1e-6)
    for seen, expected in zip(objective.seen, after_epochs, strict=True):
        torch.testing.assert_close(seen.double(), expected, rtol=0, atol=1e-6)


def test_training_does_not_see_the_average(tmp_path):
    one, two = Judged(), Judged()
    result(tmp_path / "one", one, ema=0.8)
    result(tmp_path / "two", two)
    assert all(a.equal(b) for a, b in zip(one._bodies, two._bodies, strict=True))


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_kill_changes_neither_the_average_nor_the_best_nor_the_last_epochs(tmp_path, keep):
    class Stops(Judged):
        def after_step(self, step):
            super().after_step(step)
            if step.step == 14 and self.stops:
                signal.raise_signal(signal.SIGTERM)

    options = {"ema": 0.8, "keep": keep, "keep_epochs": 2}
    Stops.stops = False
    result(tmp_path / "one", Stops(), **options)
    Stops.stops = True
    with pytest.raises(SystemExit):
        result(tmp_path / "two", Stops(), **options)
    assert not (tmp_path / "two/out").exists()
    Stops.stops = False
    result(tmp_path / "two", Stops(), **options)
    assert read_json(tmp_path / "two/out/train.json")["resumed_at_steps"] == [15]
    one, two = (torch.load(tmp_path / n / "out/toy.pt", weights_only=True) for n in ("one", "two"))
    for name, values in one["module"].items():
        assert values.equal(two["module"][name])
    kept = [epoch_weights(tmp_path / name) for name in ("one", "two")]
    assert list(kept[0]) == list(kept[1]) == [2, 3]
    assert all(values.equal(kept[1][epoch]) for epoch, values in kept[0].items())


def epoch_weights(folder):
    """The body's weights of each epoch that is kept, by its number."""
    files = sorted((folder / "out/epochs").glob("*/toy.pt"))
    state = {int(f.parent.name): torch.load(f, weights_only=True)["module"] for f in files}
    return {number: module["body.weight"] for number, module in state.items()}


@pytest.mark.parametrize("changes", [{}, {"ema": 0.8}, {"keep": "best"}])
def test_the_last_epochs_are_kept_beside_the_result(tmp_path, changes):
    """Of three the last two; with a moving average it is that which is kept."""
    objective = Judged()
    found = result(tmp_path, objective, keep_epochs=2, **changes)
    kept = epoch_weights(tmp_path)
    assert list(kept) == [2, 3]
    assert kept[2].equal(objective.seen[1]) and kept[3].equal(objective.seen[2])
    assert not kept[2].equal(kept[3])
    assert found.equal(kept[2] if changes == {"keep": "best"} else kept[3])


def test_no_more_epochs_are_kept_than_there_are_and_none_unless_asked(tmp_path):
    """Those of an earlier run go with its result."""
    result(tmp_path, Judged(), keep_epochs=9)
    assert list(epoch_weights(tmp_path)) == [1, 2, 3]
    result(tmp_path, Judged(), keep_epochs=1)
    assert list(epoch_weights(tmp_path)) == [3]
    result(tmp_path, Judged())
    assert not (tmp_path / "out/epochs").exists()


def test_keeping_epochs_leaves_the_result_as_it_is(tmp_path):
    one, two = (
        result(tmp_path / name, Judged(), keep_epochs=kept) for name, kept in (("a", 0), ("b", 3))
    )
    assert one.equal(two)
    files = [sha256_file(tmp_path / name / "out/toy.pt") for name in "ab"]
    assert files[0] == files[1]


def test_the_key_is_no_part_of_a_run_that_does_not_use_it():
    assert "keep_epochs" not in training_config().determines()
    assert training_config(keep_epochs=3).determines()["keep_epochs"] == 3


def test_counters_of_batch_norms_are_copied():
    module = nn.BatchNorm1d(2)
    kept = KeptWeights(module, decay=0.5, keep="last")
    module.train()(torch.ones(3, 2) * 4)
    with torch.no_grad():
        module.weight.fill_(3.0)
    kept.after_step()
    with kept.in_use():
        assert module.weight.tolist() == [2.0, 2.0]  # halfway from 1 to 3
        assert module.num_batches_tracked.item() == 1
        assert module.running_mean.tolist() == pytest.approx([0.4, 0.4])
    assert module.weight.tolist() == [3.0, 3.0]


def test_channels_last_trains_to_the_same_and_saves_plainly(tmp_path, monkeypatch):
    squares = write_squares(tmp_path / "squares", train=12, val=6)
    start = start_model(tmp_path, "tiny-resnet")
    places = []
    original = Updates.let_train

    def look(updates, epoch):
        convolutions = [m for m in updates._objective.module.modules() if isinstance(m, nn.Conv2d)]
        large = [c.weight for c in convolutions if c.weight.shape[2] > 1]
        places.append(all(w.is_contiguous(memory_format=torch.channels_last) for w in large))
        original(updates, epoch)

    monkeypatch.setattr(Updates, "let_train", look)
    for name, last in (("one", False), ("two", True)):
        config = training_config(
            epochs=1, channels_last=last, optimizer={"lr": 1e-3, "eps": 1e-3, "weight_decay": 0.1}
        )
        one = TrainingRun(
            config=config, start=start, seed=0, output=tmp_path / name, **texts_of(squares)
        )
        train(one, images=squares, run_folder=tmp_path / f"run-{name}")
    assert places == [False, True]
    tensors = [load(tmp_path / name).model.state_dict() for name in ("one", "two")]
    for name, values in tensors[0].items():
        torch.testing.assert_close(values, tensors[1][name], rtol=1e-3, atol=1e-4)
    weights = "open_clip_model.safetensors"
    sizes = [(tmp_path / name / weights).stat().st_size for name in ("one", "two")]
    assert sizes[0] == sizes[1]
    assert sha256_file(tmp_path / "one/open_clip_config.json") == sha256_file(
        tmp_path / "two/open_clip_config.json"
    )
