import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation import colour_histogram as module
from nicheclip.evaluation.colour_histogram import (
    Histograms,
    colour_histogram,
    judge_baseline,
    judge_colour_histogram,
)
from nicheclip.evaluation.predictions import read_predictions
from nicheclip.evaluation.requests import Request
from nicheclip.evaluation.seen_classes import ClassGroups, SeenFiles
from nicheclip.evaluation.split_tables import SplitTables
from nicheclip.runtime.errors import InputError
from small_evaluation import (
    CONFIG,
    small_image_sets,
    write_catalog,
    write_classes,
    write_image_sets,
)


def png(pixels):
    encoded = io.BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(encoded, "PNG")
    return encoded.getvalue()


def judge_sets(train, judged):
    return judge_colour_histogram(Histograms(train), Histograms(judged), "abc", seed=0)


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
    images = small_image_sets(tmp_path)
    result = judge_sets(images["train"], images["test"])
    assert result.predictions.correct().mean() == 1.0
    assert result.training_images == 12 and result.class_ids == ["a", "b", "c"]
    np.testing.assert_allclose(np.sum(result.predictions.scores, axis=1), 1, rtol=1e-6)


def test_a_large_train_split_is_sampled(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_TRAINING_IMAGES", 10)
    images = small_image_sets(tmp_path)
    assert judge_sets(images["train"], images["test"]).training_images == 10


def test_a_damaged_image_is_named(tmp_path):
    images = small_image_sets(tmp_path)
    tar_path = images["train"].tars[0]
    with tarfile.open(tar_path) as tar:
        member = next(m for m in tar if m.name.endswith(".jpg"))
    with tar_path.open("r+b") as stream:
        stream.seek(member.offset_data)
        stream.write(b"\0" * member.size)
    name = member.name.removesuffix(".jpg")
    with pytest.raises(InputError, match=f"train: image {name}: expected a whole image"):
        judge_sets(images["train"], images["test"])


def test_one_class_cannot_be_learnt(tmp_path):
    catalog = write_catalog(tmp_path / "catalog.parquet", {"train": 1, "test": 3})
    write_image_sets(tmp_path, catalog, {})
    with pytest.raises(InputError, match="baseline: false"):
        judge_sets(ImageSet(tmp_path / "train"), ImageSet(tmp_path / "test"))


def test_all_evaluations_of_a_split_from_files(tmp_path, monkeypatch):
    images = small_image_sets(tmp_path)
    classes = tmp_path / "classes.parquet"
    write_classes(classes)
    monkeypatch.setattr(module, "LogisticRegression", fitted := counting(module.LogisticRegression))
    seen = CONFIG.model_copy(update={"classes": "seen", "seen_in": "squares"})
    files = {"squares": SeenFiles(tmp_path / "catalog.parquet", classes)}
    variants = frozenset(["default"])
    requests = [
        Request("one", "colour_histogram", variants, CONFIG),
        Request("two", "colour_histogram", variants, seen),
    ]
    metrics, again = judge_baseline(
        requests,
        SplitTables("squares", "test", tmp_path / "catalog.parquet", classes),
        ClassGroups(classes, files),
        train=images["train"],
        judged=images["test"],
        seed=0,
        job=tmp_path / "job",
    )
    assert metrics.find("top1").value == 1.0 and metrics.find("top1").method == "wilson"
    assert metrics.counts == {"training_images": 12}
    assert again.counts == {"training_images": 12, "images_of_other_classes": 0}
    assert fitted.count == 1  # all classes are seen: learnt once
    for evaluation in ("one", "two"):
        folder = tmp_path / "job" / "default" / evaluation / "colour_histogram"
        assert len(read_predictions(folder / "predictions.parquet").labels) == 9
        assert len((folder / "predictions.csv").read_text().splitlines()) == 10
    assert str(metrics.subject) == "baseline/colour_histogram/default"


def counting(kind):
    class Counting(kind):
        count = 0

        def fit(self, *data):
            Counting.count += 1
            return super().fit(*data)

    return Counting
