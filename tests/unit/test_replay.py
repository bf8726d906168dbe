"""A second data set mixed into training: how much, which images, and that it repeats."""

import numpy as np
import pytest
import torch

from nicheclip.engine.sampling import Sampling
from nicheclip.models.openclip import load
from nicheclip.runtime.files import sha256_file
from nicheclip.training.data import TrainingData
from nicheclip.training.objectives.multi_positive import MultiPositive
from nicheclip.training.replay import Slots
from nicheclip.training.run import DataSetFiles, TrainingRun, train
from small_training import data_of, start_model, texts_of, training_config, write_squares

REPLAY = {"dataset": "general", "share": 0.25, "texts": {"types": {"com": 1}}}


@pytest.mark.parametrize(
    ("sizes", "share", "counts"),
    [
        ((12, 12), 0.25, [4, 4]),  # a quarter of 32
        ((5, 5, 5), 0.1, [1, 0, 1]),  # 1.67 slots in all, spread over the shards
        ((3,), 0.5, [3]),
    ],
)
def test_shards_get_slots_by_the_share(sizes, share, counts):
    slots = Slots(sizes, share)
    assert slots.counts == counts
    assert slots.mixed_sizes == [a + b for a, b in zip(sizes, counts, strict=True)]


def test_every_sample_is_an_image_or_a_slot_once():
    """Shards of 4 images and 1 slot, then 6 and 2: places 4, 11 and 12 are slots."""
    slots = Slots((4, 6), 0.23)
    assert slots.mixed_sizes == [5, 8]
    own, filled = slots.split(np.arange(13))
    assert own.tolist() == list(range(10)) and filled.tolist() == [0, 1, 2]
    own, filled = slots.split(np.array([12, 5, 4, 0]))
    assert (own.tolist(), filled.tolist()) == ([4, 0], [2, 0])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_squares(folder / "squares", train=24, val=6)
    write_squares(folder / "general", train=9, val=0)
    start_model(folder)
    return folder


def objective(world):
    own, other = data_of(world / "squares"), data_of(world / "general")
    data = TrainingData(own.images, own.class_texts, own.captions, replay=other)
    config = training_config(replay=REPLAY)
    return MultiPositive(config, start=world / "start", data=data, seed=0)


def test_a_batch_holds_both_and_their_classes_differ(world):
    """24 images and 8 slots: an epoch's batches have 32 samples, 8 of them with other classes."""
    one = objective(world)
    assert sum(one.shard_sizes) == 32
    sampling = Sampling(tuple(one.shard_sizes), 8, 0)
    batches = [one.reader.read(plan) for plan in sampling.plans(0, sampling.batches)]
    labels = torch.cat([batch["labels"] for batch in batches])
    assert all(len(batch["images"]) == len(batch["tokens"]) == 8 for batch in batches)
    assert (labels < 3).sum() == 24 and ((labels >= 3) & (labels < 6)).sum() == 8
    names = one.sample_names(range(32))
    assert len(names) == 25 and names[-1] == "8 of the set that is replayed"


def test_other_images_come_in_another_epoch(world):
    reader = objective(world).reader
    drawn = [[reader.chosen(epoch, slot) for slot in range(50)] for epoch in (0, 1)]
    assert drawn[0] != drawn[1]
    assert set(drawn[0]) | set(drawn[1]) == set(range(9))


def test_a_run_repeats_and_differs_from_one_without(world, tmp_path):
    squares, general = world / "squares", texts_of(world / "general")
    for name, replay in (("one", REPLAY), ("two", REPLAY), ("without", None)):
        run = TrainingRun(
            config=training_config(replay=replay, epochs=1),
            start=world / "start",
            seed=0,
            output=tmp_path / name,
            replay=DataSetFiles(images=world / "general", **general) if replay else None,
            **texts_of(squares),
        )
        report = train(run, images=squares, run_folder=tmp_path / f"run-{name}")
        assert report.samples_seen == (32 if replay else 24)
    weights = "open_clip_model.safetensors"
    assert sha256_file(tmp_path / "one" / weights) == sha256_file(tmp_path / "two" / weights)
    states = [load(tmp_path / name).model.state_dict() for name in ("one", "without")]
    assert not states[0]["visual.proj"].equal(states[1]["visual.proj"])


def test_a_rules_files_say_where_the_set_is():
    files = ["r/acquire/g/train/images.arrow", "r/acquire/g/train/labels.arrow", "r/t/g/c.arrow"]
    assert DataSetFiles.of([]) is None
    found = DataSetFiles.of([*files, "r/texts/g/train.arrow"])
    assert [str(found.images), str(found.captions)] == ["r/acquire/g", "r/texts/g"]
    assert DataSetFiles.of(files).captions is None
