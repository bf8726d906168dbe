"""Zero-shot: classes, scores and measures by hand and by scikit-learn, and the files of a cell."""

import numpy as np
import polars as pl
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, top_k_accuracy_score

from nicheclip.config.evaluation import CaptionTexts, EvaluationConfig
from nicheclip.config.text_sets import CaptionSet, TemplateSet
from nicheclip.evaluation.predictions import (
    read_group_predictions,
    read_predictions,
    write_group_predictions,
    write_predictions,
)
from nicheclip.evaluation.protocols import zero_shot as module
from nicheclip.evaluation.protocols.zero_shot import SoftmaxInBlocks
from nicheclip.evaluation.ranking import order_by_score
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CATALOG
from small_evaluation import (
    cell_file,
    embeddings_of,
    encode_all,
    image_id,
    judge_one,
    predictions_of,
    small_image_sets,
    tiny_clip,
    unit_features,
    write_captions,
    write_classes,
    write_texts,
)


def problem(n=200, classes=7, d=5, seed=0):
    rng = np.random.default_rng(seed)
    images = unit_features(rng.normal(size=(n, d)))
    embeddings = embeddings_of(list("abcdefg")[:classes], rng.normal(size=(classes, d)))
    labels = {i: "abcdefg"[k % classes] for k, i in enumerate(images.image_ids)}
    return images, labels, embeddings


def zero_shot(images, labels, classes, *, logit_scale):
    return module.zero_shot(
        images, labels, classes.class_ids, classes.embeddings, logit_scale=logit_scale
    )


def test_agrees_with_scikit_learn():
    images, labels, classes = problem()
    result = zero_shot(images, labels, classes, logit_scale=20.0)
    truth = [labels[i] for i in images.image_ids]
    cosines = images.features @ classes.embeddings.T
    best = np.asarray(classes.class_ids)[cosines.argmax(axis=1)]
    assert result.correct().mean() == pytest.approx(accuracy_score(truth, best))
    for k in (3, 5):
        expected = top_k_accuracy_score(truth, cosines, k=k, labels=classes.class_ids)
        assert result.correct(k).mean() == pytest.approx(expected)


def test_scores_are_probabilities_over_all_classes():
    images, labels, classes = problem()
    result = zero_shot(images, labels, classes, logit_scale=20.0)
    expected = np.sort(softmax(20 * images.features @ classes.embeddings.T, axis=1))[:, ::-1][:, :5]
    np.testing.assert_allclose(result.scores, expected, rtol=1e-4)


def test_two_classes_by_hand():
    softmax_of = SoftmaxInBlocks(1)
    softmax_of.add(10.0 * np.array([[0.5, 0.4]]))
    probabilities = softmax_of.probabilities(10.0 * np.array([[0.5]]))
    np.testing.assert_allclose(probabilities[0, 0], np.e / (np.e + 1))


def test_measures_of_texts_by_hand(monkeypatch):
    images = unit_features(np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]))
    labels = dict(zip(images.image_ids, ["a", "a", "b"], strict=True))
    classes = embeddings_of(["a", "b"], np.array([[1.0, 0.0], [0.8, 0.6]]))
    options = EvaluationConfig.model_validate({"dataset": "d"})
    for size in (4096, 2):  # images in one piece, or in several
        monkeypatch.setattr(module, "IMAGES", size)
        score, separation = module.text_measures(images, labels, classes, options, 0)
        # cosines with the own class: 1, 0.6 and 0.6
        assert (score.name, score.value, score.n) == ("text_score", pytest.approx(2.2 / 3), 3)
        assert score.low <= score.value <= score.high
        # the two classes' cosine is 0.8
        assert separation.name == "text_separation"
        assert separation.value == pytest.approx(0.2)


def test_order_of_images_chunks_and_scale_do_not_matter(monkeypatch):
    images, labels, classes = problem()
    whole = zero_shot(images, labels, classes, logit_scale=20.0)
    monkeypatch.setattr(module, "IMAGES", 7)
    assert zero_shot(images, labels, classes, logit_scale=20.0).classes == whole.classes
    assert zero_shot(images, labels, classes, logit_scale=1.0).best == whole.best


def test_equal_scores_favour_no_column_and_follow_from_the_image():
    ids = [image_id(i) for i in range(3000)]
    scores = np.full((3000, 3), 0.25) + np.random.default_rng(0).uniform(-2e-7, 2e-7, (3000, 3))
    first = order_by_score(scores, ids, 1)[:, 0]
    # 3 standard errors of a share of 1/3
    np.testing.assert_allclose(np.bincount(first) / 3000, 1 / 3, atol=0.026)
    np.testing.assert_array_equal(order_by_score(scores[::-1], ids[::-1], 1)[::-1, 0], first)


def test_a_tie_below_the_first_place_leaves_the_first_alone():
    scores = np.array([[0.1, 0.9, 0.1, 0.1]] * 50)
    order = order_by_score(scores, [image_id(i) for i in range(50)], 3)
    assert set(order[:, 0]) == {1} and set(order[:, 1]) == {0, 2, 3}
    assert all(len(set(row)) == 3 for row in order)


def test_predictions_file_round_trip(tmp_path):
    images, labels, classes = problem(n=5)
    result = zero_shot(images, labels, classes, logit_scale=20.0)
    write_predictions(tmp_path / "p.parquet", result)
    back = read_predictions(tmp_path / "p.parquet")
    assert (back.image_ids, back.labels, back.classes) == (
        result.image_ids,
        result.labels,
        result.classes,
    )
    np.testing.assert_allclose(back.scores, result.scores, rtol=1e-6)


def test_group_predictions_file_round_trip(tmp_path):
    groups = {
        ("taxon", "unseen"): predictions_of([("a", "a"), ("b", "c")]),
        ("sci", "all"): predictions_of([("c", "a"), ("b", "b"), ("a", "a")]),
    }
    write_group_predictions(tmp_path / "p.parquet", groups)
    back = read_group_predictions(tmp_path / "p.parquet")
    assert list(back) == list(groups)
    for key, found in back.items():
        assert (found.image_ids, found.labels) == (groups[key].image_ids, groups[key].labels)
        assert found.classes == groups[key].classes
        np.testing.assert_allclose(found.scores, groups[key].scores, rtol=1e-6)


def test_the_whole_cell_from_files(tmp_path):
    from nicheclip.models.encode import ClipEncoder
    from nicheclip.models.encode_settings import EncodeSettings
    from nicheclip.models.openclip import load, save

    small_image_sets(tmp_path)
    save(tiny_clip(tmp_path / "registry"), tmp_path / "model")
    write_classes(tmp_path / "classes.parquet")
    write_texts(tmp_path / "texts.parquet")
    long = "long " * 20
    (tmp_path / "photo.yaml").write_text(f"templates: ['a {{}}.', '{long}{{}}']\n")
    write_captions(
        tmp_path / "captions.parquet",
        [("a", "one", "accepted", "train"), ("c", "two", "accepted", "train")],
    )
    sets = [
        TemplateSet(templates="photo", text_type="com"),
        CaptionSet(captions="c", split="all"),
    ]
    encode_all(
        tmp_path,
        "test",
        sets,
        lambda f: ClipEncoder(load(f), EncodeSettings(batch_size=4, device="cpu")),
    )
    metrics = judge_one(tmp_path, "zero_shot")
    assert (metrics.n, metrics.classes) == (9, 3)
    assert metrics.find("top1").chance == pytest.approx(1 / 3)
    assert metrics.counts == {"texts": 6, "texts_cut": 3}
    predictions = read_predictions(cell_file(tmp_path, "zero_shot", "predictions.parquet"))
    assert metrics.find("top1").value == pytest.approx(predictions.correct().mean())
    assert metrics.find("top3") is None
    assert {measure.name for measure in metrics.measures} == {
        "top1", "macro", "majority", "class_accuracy", "text_score", "text_separation",
        "text_diversity", "text_separability",
    }  # fmt: skip
    readable = cell_file(tmp_path, "zero_shot", "predictions.csv").read_text().splitlines()
    right = sum(int(row.split(",")[3]) for row in readable[1:])
    assert len(readable) == 10 and right == predictions.correct().sum()
    first = cell_file(tmp_path, "zero_shot", "predictions.parquet").read_bytes()
    judge_one(tmp_path, "zero_shot")
    assert cell_file(tmp_path, "zero_shot", "predictions.parquet").read_bytes() == first
    captions = {"class_texts": CaptionTexts(kind="captions", captions="c", split="all")}
    with pytest.raises(InputError, match=r"1 of 3 classes have none: b\."):
        judge_one(tmp_path, "zero_shot", **captions)
    # images of a and c alone in training: these two are seen, and have captions
    rows = pl.read_parquet(tmp_path / "catalog.parquet").filter(pl.col("class_id") != "b")
    write_parquet(tmp_path / "seen.parquet", rows.to_arrow().cast(CATALOG))
    fewer = judge_one(tmp_path, "zero_shot", classes="seen", seen_in="squares", **captions)
    assert (fewer.n, fewer.classes) == (6, 2)
    assert fewer.counts == {"texts": 2, "texts_cut": 0, "images_of_other_classes": 3}
