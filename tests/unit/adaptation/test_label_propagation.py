"""ReCLIP's pseudo-labels against dense, literal algebra."""

import math

import pytest
import torch

from nicheclip.adaptation.trained.label_propagation import (
    PropagationOptions,
    normalised_affinity,
    propagate,
    shared_by,
    solve,
    text_projection,
)
from nicheclip.runtime.errors import InputError
from small_features import unit

EXACT = PropagationOptions(neighbours=4, iterations=500, tolerance=1e-13)


def literal_projection(texts):
    """U' U'^T by the eigenvectors of T^T T, largest first, without the first."""
    values, vectors = torch.linalg.eigh(texts.T @ texts)
    order = sorted(range(len(values)), key=lambda i: -float(values[i]))[1 : len(texts)]
    total = torch.zeros_like(vectors)
    for i in order:
        total = total + torch.outer(vectors[:, i], vectors[:, i])
    return total


def literal_affinity(points, k):
    m = len(points)
    a = torch.zeros(m, m, dtype=torch.float64)
    for i in range(m):
        near = [(float(points[i] @ points[j]), j) for j in range(m) if j != i]
        for cosine, j in sorted(near, reverse=True)[:k]:
            a[i, j] = (cosine + 1) / 2
    w = (a + a.T) / 2
    degree = [sum(float(w[i, j]) for j in range(m)) for i in range(m)]
    for i in range(m):
        for j in range(m):
            w[i, j] = w[i, j] / math.sqrt(degree[i] * degree[j])
    return w


def literal_scores(texts, images, options):
    """[C + n, C] by a dense solve."""
    projection = literal_projection(texts)
    points = torch.cat([texts, images]) @ projection
    points = torch.stack([point / math.sqrt(float(point @ point)) for point in points])
    s = literal_affinity(points, options.neighbours)
    identity = torch.eye(len(points), dtype=torch.float64)
    return torch.linalg.solve(identity - options.spread * s, identity[:, : len(texts)])


def test_the_projection_leaves_out_what_texts_share():
    texts = unit(4, 9, seed=1)
    found = text_projection(texts, 768)
    torch.testing.assert_close(found, literal_projection(texts), rtol=0, atol=1e-10)
    assert torch.linalg.matrix_rank(found) == 3
    torch.testing.assert_close(found @ found, found)


def test_what_texts_share_may_stay_and_is_told():
    """Three texts c + e_i with c.c = 3: a Gram matrix of 4 on the diagonal and 3 beside it has
    the eigenvalues 10, 1, 1. With all vectors, the texts themselves stay as they are."""
    texts = torch.tensor([[3.0, 0, 0, 0]]).sqrt() + torch.eye(4)[1:]
    assert shared_by(texts) == pytest.approx(10 / 12, abs=1e-6)
    assert shared_by(torch.eye(4)[1:]) == pytest.approx(1 / 3)
    kept = text_projection(texts, 768, left_out=0)
    torch.testing.assert_close(texts @ kept, texts)
    assert torch.linalg.matrix_rank(text_projection(texts, 768)) == 2
    assert text_projection(texts[:1], 768, left_out=0).shape == (4, 4)


def test_fewer_dimensions_keep_the_largest():
    texts = unit(6, 9, seed=1)
    assert torch.linalg.matrix_rank(text_projection(texts, 3)) == 2


def test_affinity_is_the_literal_one():
    points = unit(17, 6, seed=2)
    found = normalised_affinity(points, 4).to_dense()
    torch.testing.assert_close(found, literal_affinity(points, 4), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_propagation_equals_a_dense_solve(seed):
    texts, images = unit(4, 8, seed=seed), unit(30, 8, seed=seed + 10)
    points = torch.cat([texts, images]) @ text_projection(texts, 768)
    points = points / points.norm(dim=1, keepdim=True)
    start = torch.eye(len(points), 4, dtype=torch.float64)
    found = solve(normalised_affinity(points, 4), start, EXACT)
    expected = literal_scores(texts, images, EXACT)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-8)
    assert propagate(texts, images, EXACT).tolist() == expected.argmax(dim=1).tolist()


def literal_gradients(matrix, right, iterations, tolerance):
    """Conjugate gradients of Hestenes and Stiefel for one right side."""
    z, r = torch.zeros_like(right), right.clone()
    p, first = r.clone(), math.sqrt(float(r @ r))
    for _ in range(iterations):
        if math.sqrt(float(r @ r)) <= tolerance * first:
            break
        alpha = (r @ r) / (p @ (matrix @ p))
        z, after = z + alpha * p, r - alpha * (matrix @ p)
        beta = (after @ after) / (r @ r)
        r, p = after, after + beta * p
    return z


def test_twenty_steps_are_those_of_conjugate_gradients_class_by_class():
    points, classes = unit(40, 6, seed=5), 3
    options = PropagationOptions(neighbours=3)
    s = normalised_affinity(points, 3)
    matrix = torch.eye(40, dtype=torch.float64) - 0.99 * s.to_dense()
    start = torch.eye(40, classes, dtype=torch.float64)
    columns = [literal_gradients(matrix, start[:, c], 20, 1e-6) for c in range(classes)]
    found = solve(s, start, options)
    torch.testing.assert_close(found, torch.stack(columns, dim=1), rtol=0, atol=1e-9)


def test_labels_follow_chains_of_neighbours():
    """On an arc, the labels of the ends spread to the images between them."""
    angles = torch.cat([torch.arange(0, 60, 5), torch.arange(120, 185, 5)]).double()
    points = torch.stack([torch.cos(angles.deg2rad()), torch.sin(angles.deg2rad())], dim=1)
    start = torch.zeros(len(points), 2, dtype=torch.float64)
    start[0, 0], start[-1, 1] = 1, 1
    options = PropagationOptions(neighbours=2, iterations=200, tolerance=1e-12)
    labels = solve(normalised_affinity(points, 2), start, options).argmax(dim=1)
    assert labels.tolist() == [0] * 12 + [1] * 13


def test_points_that_no_text_reaches_get_the_nearest_text():
    """Texts at 0, 120 and 240 degrees, each with an image beside it; two images at 40 degrees are
    near to each other alone."""

    def at(*degrees):
        angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
        points = torch.stack([angles.cos(), angles.sin(), torch.full_like(angles, 2)], dim=1)
        return points / points.norm(dim=1, keepdim=True)

    options = PropagationOptions(neighbours=1)
    for degrees, label in ((40, 0), (80, 1), (199, 2)):
        images = at(1, 121, 241, degrees, degrees + 1)
        assert propagate(at(0, 120, 240), images, options).tolist() == [0, 1, 2] * 2 + [label] * 2


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="one class"):
        propagate(unit(1, 6), unit(5, 6), PropagationOptions())
    with pytest.raises(InputError, match="hold NaN"):
        propagate(unit(2, 6), unit(5, 6) * torch.nan, PropagationOptions())
    with pytest.raises(InputError, match="spread: 1"):
        PropagationOptions(spread=1.0)
    with pytest.raises(InputError, match="neighbours: 0"):
        PropagationOptions(neighbours=0)


def test_fewer_points_than_neighbours():
    labels = propagate(unit(3, 6, seed=1), unit(4, 6, seed=2), PropagationOptions(neighbours=20))
    assert len(labels) == 7 and labels[:3].max() <= 2
