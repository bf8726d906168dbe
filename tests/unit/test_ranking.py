"""The best columns of a score matrix: as a full sort has them, in any blocks, in little memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from nicheclip.evaluation.protocols import zero_shot as module
from nicheclip.evaluation.protocols.zero_shot import SoftmaxInBlocks, nearest
from nicheclip.evaluation.ranking import TIE, BestInBlocks, _order_by_full_sort, order_by_score
from nicheclip.models.features import l2_normalise
from small_evaluation import image_id


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
