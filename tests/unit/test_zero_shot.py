import tracemalloc

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
from nicheclip.evaluation.protocols.zero_shot import SoftmaxInBlocks, nearest
from nicheclip.evaluation.ranking import TIE, BestInBlocks, _order_by_full_sort, order_by_score
from nicheclip.models.features import l2_normalise
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


def many_ties(columns, rows=400):
    """Chains of near-equal scores in, across and below the top five; whole rows of equal scores."""
    rng = np.random.default_rng(columns)
    scores = rng.random((rows, columns)).astype(np.float32)
    quarter = rows // 4
    scores[:quarter] = np.round(scores[:quarter], 1)
    steps = rng.integers(0, 4, (quarter, columns))
    scores[quarter : 2 * quarter] += 0.8 * np.float32(TIE) * steps
    scores[2 * quarter : 2 * quarter + 20] = 0.5
    half = columns // 2
    scores[-quarter:, :half] = scores[-quarter:, half : 2 * half]
    return scores


@pytest.mark.parametrize("columns", [3, 6, 7, 40, 500])
def test_the_best_columns_are_those_of_a_full_sort(columns):
    scores = many_ties(columns)
    ids = [image_id(i) for i in range(400)]
    for top in (1, 5):
        np.testing.assert_array_equal(
            order_by_score(scores, ids, top), _order_by_full_sort(scores, ids, top)
        )


@settings(max_examples=60, deadline=None)
@given(columns=st.integers(1, 60), width=st.integers(1, 60), top=st.sampled_from([1, 3, 5]))
def test_blocks_of_columns_give_the_order_of_the_whole(columns, width, top):
    scores = many_ties(columns, 120)
    ids = [image_id(i) for i in range(len(scores))]
    best = BestInBlocks(len(scores), top)
    for start in range(0, columns, width):
        best.add(scores[:, start : start + width])
    found = best.settle(ids, lambda rows: scores[rows])
    expected = order_by_score(scores, ids, top)
    np.testing.assert_array_equal(found.order, expected)
    np.testing.assert_array_equal(found.scores, np.take_along_axis(scores, expected, axis=1))


@pytest.mark.parametrize("rows_again", [1, 7, 10_000])
def test_rows_with_ties_are_looked_at_again_in_parts(monkeypatch, rows_again):
    from nicheclip.evaluation import ranking

    scores = many_ties(300)
    monkeypatch.setattr(ranking, "SCORES_AT_ONCE", 300 * rows_again)
    asked = []

    def scores_of(rows):
        asked.append(len(rows))
        return scores[rows]

    ids = [image_id(i) for i in range(400)]
    best = BestInBlocks(400, 5)
    for start in range(0, 300, 64):
        best.add(scores[:, start : start + 64])
    found = best.settle(ids, scores_of)
    np.testing.assert_array_equal(found.order, _order_by_full_sort(scores, ids, 5))
    assert max(asked) <= rows_again and 200 <= sum(asked) < 400


@settings(max_examples=40, deadline=None)
@given(
    columns=st.integers(1, 50),
    width=st.integers(1, 50),
    scale=st.sampled_from([0.01, 1.0, 100.0]),
    seed=st.integers(0, 1000),
)
def test_softmax_in_blocks_is_scipys(columns, width, scale, seed):
    logits = scale * np.random.default_rng(seed).normal(size=(9, columns))
    parts = SoftmaxInBlocks(9)
    for start in range(0, columns, width):
        parts.add(logits[:, start : start + width].copy())
    expected = softmax(logits, axis=1)
    np.testing.assert_allclose(parts.probabilities(logits), expected, rtol=1e-12)
    if width >= columns:  # in one block the very same numbers
        np.testing.assert_array_equal(parts.probabilities(logits), expected)


@pytest.mark.parametrize("classes", [7, 64, 1000])
def test_in_one_block_it_is_the_plain_computation_to_the_last_bit(classes):
    rng = np.random.default_rng(classes)
    images = l2_normalise(rng.normal(size=(300, 32)))
    vectors = l2_normalise(rng.normal(size=(classes, 32)))
    vectors[classes // 2 :] = vectors[: classes - classes // 2]  # every class twice: ties
    ids = [image_id(i) for i in range(300)]
    cosines = images @ vectors.T
    order = order_by_score(cosines, ids, 5)
    probabilities = softmax(50.0 * cosines.astype(np.float64), axis=1)
    best, found = nearest(images, ids, vectors, 50.0)
    np.testing.assert_array_equal(best.order, order)
    np.testing.assert_array_equal(found, np.take_along_axis(probabilities, order, axis=1))


def test_blocks_of_classes_change_neither_classes_nor_probabilities(monkeypatch):
    rng = np.random.default_rng(0)
    images = l2_normalise(rng.normal(size=(200, 32)))
    vectors = l2_normalise(rng.normal(size=(1000, 32)))
    vectors[900:] = vectors[:100]
    ids = [image_id(i) for i in range(200)]
    whole, probabilities = nearest(images, ids, vectors, 50.0)
    monkeypatch.setattr(module, "CLASSES", 64)
    parts, in_parts = nearest(images, ids, vectors, 50.0)
    np.testing.assert_array_equal(parts.order, whole.order)
    np.testing.assert_allclose(in_parts, probabilities, rtol=1e-4)


def test_memory_does_not_grow_with_images_times_classes(monkeypatch):
    monkeypatch.setattr(module, "CLASSES", 500)
    rng = np.random.default_rng(0)
    images = l2_normalise(rng.normal(size=(500, 8)))
    vectors = l2_normalise(rng.normal(size=(20_000, 8)))
    ids = [image_id(i) for i in range(500)]
    tracemalloc.start()
    nearest(images, ids, vectors, 50.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # all cosines in float32 alone are 40 MB, a block of logits 2 MB
    assert peak < 12e6
