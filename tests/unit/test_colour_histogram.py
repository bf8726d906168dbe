import io

import numpy as np
import pytest
from PIL import Image

from nicheclip.data.shard_reader import ShardSet
from nicheclip.evaluation import colour_histogram as module
from nicheclip.evaluation.colour_histogram import colour_histogram, judge_colour_histogram
from nicheclip.evaluation.image_cells import evaluate_colour_histogram
from nicheclip.evaluation.predictions import read_predictions
from nicheclip.runtime.errors import InputError
from small_evaluation import CELL, CONFIG, small_shards, write_catalog, write_classes, write_shards


def png(pixels):
    encoded = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(encoded, "PNG")
    return encoded.getvalue()


def test_bins_by_hand():
    # 32 values to a bin: 31 -> 0, 32 -> 1, 255 -> 7
    histogram = colour_histogram(png([[[0, 0, 31], [0, 0, 31], [32, 0, 0], [255, 255, 255]]]))
    assert histogram.shape == (512,)
    assert np.flatnonzero(histogram).tolist() == [0, 64, 511]
    np.testing.assert_allclose(histogram[[0, 64, 511]] ** 2, [0.5, 0.25, 0.25], rtol=1e-6)


def test_grey_and_transparent_images_count_as_rgb():
    grey = colour_histogram(png([[40, 200]]))
    assert np.flatnonzero(grey).tolist() == [73, 6 * 73]
    assert colour_histogram(png(np.full((2, 2, 4), 255))).sum() == pytest.approx(1)


def test_coloured_squares_are_told_apart(tmp_path):
    shards = small_shards(tmp_path)
    result = judge_colour_histogram(shards["train"], shards["test"], "abc", seed=0)
    assert result.predictions.correct().mean() == 1.0
    assert result.training_images == 12 and result.class_ids == ["a", "b", "c"]
    np.testing.assert_allclose(np.sum(result.predictions.scores, axis=1), 1, rtol=1e-6)


def test_a_large_train_split_is_sampled(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_TRAINING_IMAGES", 10)
    shards = small_shards(tmp_path)
    assert (
        judge_colour_histogram(shards["train"], shards["test"], "abc", seed=0).training_images == 10
    )


def test_one_class_cannot_be_learnt(tmp_path):
    catalog = write_catalog(tmp_path / "catalog.parquet", {"train": 1, "test": 3})
    write_shards(tmp_path, catalog, {})
    with pytest.raises(InputError, match="baseline: false"):
        judge_colour_histogram(
            ShardSet(tmp_path / "train"), ShardSet(tmp_path / "test"), "abc", seed=0
        )


def test_the_whole_cell_from_files(tmp_path):
    small_shards(tmp_path)
    write_classes(tmp_path / "classes.parquet")
    metrics = evaluate_colour_histogram(
        CELL,
        CONFIG,
        train=tmp_path / "train",
        judged=tmp_path / "test",
        classes=tmp_path / "classes.parquet",
        class_ids="abc",
        seed=0,
        predictions=tmp_path / "predictions.parquet",
        metrics=tmp_path / "metrics.json",
    )
    assert metrics.top1.value == 1.0 and metrics.top1.interval.method == "wilson"
    assert metrics.counts == {"training_images": 12}
    assert len(read_predictions(tmp_path / "predictions.parquet").labels) == 9
