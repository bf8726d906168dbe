"""Open set: accuracies of seen and unseen classes among all classes, and their harmonic mean."""

import numpy as np
import pytest

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.config.text_sets import TemplateSet, text_sets
from nicheclip.evaluation.frame import read_cells
from nicheclip.evaluation.protocols.open_set import (
    among_labels,
    harmonic_interval,
    harmonic_mean,
)
from nicheclip.evaluation.text_sets import write_class_embeddings
from nicheclip.models.features import ImageFeatures, l2_normalise, write_features
from nicheclip.reporting.evaluation_table import evaluation_table
from nicheclip.reporting.table import rows_by_key
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CATALOG
from small_evaluation import (
    SUBJECT,
    cell_file,
    embeddings_of,
    judge_one,
    predictions_of,
    write_catalog,
    write_classes,
)

OPTIONS = {"protocols": ["open_set"], "seen_in": "squares"}


@pytest.fixture
def folder(tmp_path):
    """Nine judged images of three classes; ``a`` and ``c`` are seen.

    Of ``a`` all are right, of ``c`` two of three; of ``b``, unseen, one of three.
    """
    catalog = write_catalog(tmp_path / "catalog.parquet", {"train": 6, "test": 9})
    write_classes(tmp_path / "classes.parquet")
    seen = catalog.filter(catalog["class_id"] != "b")
    write_parquet(tmp_path / "seen.parquet", seen.to_arrow().cast(CATALOG))
    rows = catalog.filter(split="test")
    answers = dict(zip(rows["image_id"], "abcaacaaa", strict=True))
    there = tmp_path / "features" / SUBJECT.variant
    vectors = np.eye(4)[["abc".index(answers[i]) for i in rows["image_id"]]]
    features = ImageFeatures(l2_normalise(np.float32(vectors)), rows["image_id"].to_list())
    write_features(there / "images.safetensors", features)
    texts = there / "texts/templates.photo.com.safetensors"
    write_class_embeddings(texts, embeddings_of(["a", "b", "c"], np.eye(4)[:3]), "key")
    return tmp_path


def test_both_groups_choose_among_all_classes(folder):
    cell = judge_one(folder, "open_set", **OPTIONS)
    assert (cell.n, cell.classes) == (9, 3)
    seen, unseen = (cell.find("macro", group=one) for one in ("seen", "unseen"))
    assert seen.value == pytest.approx((1 + 2 / 3) / 2) and unseen.value == pytest.approx(1 / 3)
    assert (seen.n, unseen.n) == (6, 3)
    assert (seen.classes, seen.chance) == (3, pytest.approx(1 / 3))
    assert cell.find("top1", group="seen").value == pytest.approx(5 / 6)
    harmonic = cell.find("harmonic_mean")
    assert harmonic.value == pytest.approx(2 / (1 / seen.value + 1 / unseen.value))
    # there is one unseen class: its resamples do not differ
    assert harmonic.low is None and unseen.method == "wilson over classes"


def test_its_rows_in_the_evaluations_table(folder):
    judge_one(folder, "open_set", **OPTIONS)
    frame = read_cells([cell_file(folder, "open_set", "metrics.json")])
    table = evaluation_table("task", frame, scale="demo")
    assert [row["measure"] for row in rows_by_key(table)] == [
        "top-1, seen, open set",
        "macro accuracy, seen, open set",
        "top-1, unseen, open set",
        "macro accuracy, unseen, open set",
        "harmonic mean of seen and unseen, open set",
    ]
    assert any(note.startswith("Open set: ") for note in table.notes)


def test_all_classes_seen_is_named(folder):
    (folder / "seen.parquet").unlink()
    with pytest.raises(InputError, match="is unseen in the train split of squares"):
        judge_one(folder, "open_set", **OPTIONS)


def test_its_config():
    with pytest.raises(ValueError, match="the protocol open_set needs seen_in"):
        EvaluationConfig(dataset="d", protocols=["open_set"])
    one = EvaluationConfig(dataset="d", protocols=["open_set"], seen_in="s")
    assert one.options("open_set")["seen_in"] == "s"
    assert text_sets("open_set", one) == [TemplateSet(templates="photo", text_type="com")]


def test_images_of_some_classes():
    found = among_labels(predictions_of([("a", "b"), ("b", "b"), ("c", "a")]), ["b", "c"])
    assert found.labels == ["b", "c"] and found.best == ["b", "a"]


def test_the_harmonic_mean_is_zero_where_one_is():
    found = harmonic_mean(np.array([0.5, 0.0, 0.8]), np.array([0.5, 0.0, 0.2]))
    assert found == pytest.approx([0.5, 0, 0.32])


def test_its_interval_holds_the_value_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth, held, trials = 2 * 0.6 * 0.3 / 0.9, 0, 300
    for trial in range(trials):
        seen, unseen = rng.beta(6, 4, 60), rng.beta(3, 7, 40)
        found = harmonic_interval(seen, unseen, resamples=300, confidence=0.9, seed=trial)
        held += found.low <= truth <= found.high
    assert 0.84 <= held / trials <= 0.95
    assert harmonic_interval(seen, np.ones(3), resamples=300, confidence=0.9, seed=0) is None
