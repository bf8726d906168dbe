"""Tasks whose images come in batches: how they are drawn, and what is measured."""

import numpy as np
import pytest
from pydantic import ValidationError

from nicheclip.config.tasks import FewClasses, Stream, TaskConfig
from nicheclip.evaluation.adapted import batch_measures
from nicheclip.evaluation.task_batches import draw_batches
from nicheclip.models.class_scores import ClassScores, join_batches, read_scores, write_scores

LABELS = np.repeat(np.arange(6, dtype=np.int32), 20)


def few(**changes):
    settings = {"count": 40, "images": 16, "classes": (1, 3)} | changes
    return FewClasses(kind="few_classes", **settings)


def test_a_batch_has_images_of_a_few_classes_and_none_twice():
    batches = draw_batches(LABELS, few())
    present = [len(set(LABELS[rows])) for rows in batches]
    assert len(batches) == 40 and set(present) == {1, 2, 3}
    assert all(len(rows) == 16 == len(set(rows)) and sorted(rows) == list(rows) for rows in batches)
    assert len({tuple(set(LABELS[rows])) for rows in batches}) > 10  # not always the same classes


def test_few_images_or_classes_give_what_there_is():
    [batch] = draw_batches(LABELS[:20], few(count=1, images=64, classes=(5, 9)))
    assert batch.tolist() == list(range(20))


def test_a_stream_has_each_image_once_and_those_of_a_class_together():
    def classes_present(concentration):
        stream = Stream(kind="stream", images=20, concentration=concentration)
        batches = draw_batches(LABELS, stream)
        assert sorted(row for rows in batches for row in rows) == list(range(120))
        assert [len(rows) for rows in batches] == [20] * 6
        return np.mean([len(set(LABELS[rows])) for rows in batches])

    assert classes_present(0.01) < 3.5 < classes_present(100.0)


def test_the_seed_draws():
    def drawn(seed):
        return [rows.tolist() for rows in draw_batches(LABELS, few(seed=seed))]

    assert drawn(1) == drawn(1) != drawn(2)


def test_mean_and_worst_tenth_of_batches():
    """Eleven batches of two images: nine right, one half right, one wrong: two are the worst."""
    batches = np.repeat(np.arange(11), 2).tolist()
    credit = np.ones(22)
    credit[[0, 1, 5]] = 0
    mean, worst = batch_measures(credit, batches)
    assert (mean.name, mean.n) == ("batch_top1", 11) and mean.value == pytest.approx(9.5 / 11)
    assert (worst.name, worst.n) == ("batch_top1_worst_tenth", 2) and worst.value == 0.25
    assert batch_measures(credit, None) == []


def test_scores_of_batches_come_back(tmp_path):
    parts = [
        ClassScores(["a", "b"], ["x", "y"], np.array([[0.5, 0.5], [0.25, 0.75]], np.float32)),
        ClassScores(["b"], ["x", "y"], np.array([[1, 0]], np.float32)),
    ]
    write_scores(tmp_path / "scores", join_batches(parts))
    found = read_scores(tmp_path / "scores")
    assert found.image_ids == ["a", "b", "b"] and found.batches == [0, 0, 1]
    assert found.probabilities.tolist() == [[0.5, 0.5], [0.25, 0.75], [1, 0]]
    write_scores(tmp_path / "scores", parts[0])
    assert read_scores(tmp_path / "scores").batches is None


def test_batches_are_fitted_themselves():
    batches = {"kind": "stream"}
    task = TaskConfig.model_validate({"dataset": "x", "fit": "test", "batches": batches})
    assert task.batches == Stream(kind="stream")
    with pytest.raises(ValidationError, match="the same split for both"):
        TaskConfig.model_validate({"dataset": "x", "batches": batches})
    with pytest.raises(ValidationError, match=r"expected \[least, largest\], not \[3, 2\]"):
        few(classes=(3, 2))
