import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from nicheclip.adaptation import clip, neighbours, stata, transclip
from nicheclip.adaptation.assignments import Assigner, AssignmentOptions
from nicheclip.adaptation.gaussians import Gaussians, scatter
from nicheclip.adaptation.neighbours import affinity, row_sums
from nicheclip.adaptation.transclip import TransClipOptions, transduce
from nicheclip.runtime.errors import InputError
from small_features import clusters, real_data, shuffled, unit, unit_rows


def dense_affinity(x, k):
    """W + W^T in loops: the cosine to each of the k nearest other images."""
    w = [[0.0] * len(x) for _ in x]
    for i in range(len(x)):
        cosines = {j: float(x[i] @ x[j]) for j in range(len(x)) if j != i}
        for j in sorted(cosines, key=cosines.get, reverse=True)[:k]:
            w[i][j] = cosines[j]
    return [[w[i][j] + w[j][i] for j in range(len(x))] for i in range(len(x))]


def softmax(values):
    exponents = [math.exp(value - max(values)) for value in values]
    return [value / sum(exponents) for value in exponents]


def log_density(x, mean, variances):
    return -0.5 * sum(
        math.log(2 * math.pi * s) + (f - m) ** 2 / s
        for f, m, s in zip(x, mean, variances, strict=True)
    )


class Literal:
    """The published equations image by image, class by class, dimension by dimension."""

    def __init__(self, x, t, *, a=1 / 50, b=1 / 6, k=3, unit_means=False, scale=10.0):
        self.x, self.a, self.b, self.unit = x.numpy(), a, b, unit_means
        self.n, self.d, self.classes = len(x), x.shape[1], len(t)
        self.s = dense_affinity(self.x, k)
        self.y = [softmax([scale * float(f @ c) for c in t.numpy()]) for f in self.x]
        self.z = [list(row) for row in self.y]
        self.means = [self.first_mean(c) for c in range(self.classes)]
        self.variances = [1 / self.d] * self.d

    def first_mean(self, c):
        best = sorted(range(self.n), key=lambda i: -self.z[i][c])[:8]
        return self.length(
            sum(self.z[i][c] * self.x[i] for i in best), [self.z[i][c] for i in best]
        )

    def length(self, total, weights):
        return total / (math.sqrt(total @ total) if self.unit else sum(weights))

    def assign(self, steps=5):
        for _ in range(steps):
            before = [list(row) for row in self.z]
            for i in range(self.n):
                values = []
                for c in range(self.classes):
                    near = sum(self.s[i][j] * before[j][c] for j in range(self.n))
                    p = log_density(self.x[i], self.means[c], self.variances)
                    values.append(math.log(self.y[i][c]) + self.a * p + self.b * near)
                self.z[i] = softmax(values)

    def maximise(self):
        for c in range(self.classes):
            weights = [self.z[i][c] for i in range(self.n)]
            total = sum(self.z[i][c] * self.x[i] for i in range(self.n))
            self.means[c] = self.length(total, weights)
        self.variances = [
            sum(
                self.z[i][c] * (self.x[i][dim] - self.means[c][dim]) ** 2
                for i in range(self.n)
                for c in range(self.classes)
            )
            / self.n
            for dim in range(self.d)
        ]

    def objective(self):
        total = 0.0
        for i in range(self.n):
            for c in range(self.classes):
                z = self.z[i][c]
                p = log_density(self.x[i], self.means[c], self.variances)
                total += z * (self.a * p + math.log(self.y[i][c]) - math.log(z))
                total += sum(self.b / 2 * self.s[i][j] * z * self.z[j][c] for j in range(self.n))
        return total


@pytest.mark.parametrize("unit_means", [False, True])
def test_assignments_means_and_objective_are_the_published_equations(unit_means):
    images, anchors, _ = clusters(24, 3, 5, gap=1.5)
    assert row_sums(affinity(images, 3)).max() < 12  # no image is damped
    expected = Literal(images, anchors, unit_means=unit_means)
    objective = [expected.objective()]
    for _ in range(4):
        expected.assign()
        expected.maximise()
        objective.append(expected.objective())
    expected.assign()
    objective.append(expected.objective())
    options = TransClipOptions(iterations=4, unit_means=unit_means, logit_scale=10.0)
    found = transduce(images, anchors, options)
    close = {"rtol": 0, "atol": 1e-9}
    torch.testing.assert_close(
        found.assignments, torch.tensor(expected.z, dtype=torch.float64), **close
    )
    torch.testing.assert_close(
        found.gaussians.means, torch.tensor(np.array(expected.means)), **close
    )
    torch.testing.assert_close(
        found.gaussians.variances[0], torch.tensor(expected.variances, dtype=torch.float64), **close
    )
    assert found.objective == pytest.approx(objective, abs=1e-8)
    moved = (found.assignments - torch.tensor(expected.y)).abs().max()
    assert moved > 0.1  # else the test would see nothing but the texts


def test_two_images_by_hand():
    """Mutual neighbours with cosine 0.6: S = [[0, 1.2], [1.2, 0]]; densities and texts given."""
    images = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    torch.testing.assert_close(
        affinity(images, 3).to_dense(),
        torch.tensor([[0.0, 1.2], [1.2, 0.0]], dtype=torch.float64),
    )
    options = AssignmentOptions(steps=1, affinity_weight=0.5, likelihood_weight=0.1)
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]], dtype=torch.float64)
    densities = torch.tensor([[2.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    assigner = Assigner(images, logits, options)
    z = assigner.assign(assigner.text_log_probabilities, densities).exp()
    # image 0: texts 1/2, 1/2; density 0.1 * 2 for class 0; neighbour 0.5 * 1.2 * (1/4, 3/4)
    odds = math.exp(0.2 + 0.6 * 0.25 - 0.6 * 0.75)
    assert z[0, 0].item() == pytest.approx(odds / (1 + odds), abs=1e-12)
    # image 1: texts 1/4, 3/4; neighbour 0.5 * 1.2 * (1/2, 1/2), which changes nothing
    assert z[1, 0].item() == pytest.approx(0.25, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 40),
    classes=st.integers(1, 6),
    count=st.integers(0, 6),
    affinity_weight=st.sampled_from([None, 1.0, 20.0]),
    likelihood_weight=st.sampled_from([0.0, 1 / 50, 1.0]),
)
def test_the_objective_never_decreases(seed, n, classes, count, affinity_weight, likelihood_weight):
    images, anchors, _ = clusters(n, classes, 6, gap=2.0, seed=seed)
    assignments = AssignmentOptions(
        neighbours=count, affinity_weight=affinity_weight, likelihood_weight=likelihood_weight
    )
    found = transduce(images, anchors, TransClipOptions(assignments=assignments)).objective
    assert len(found) == 12
    assert np.diff(found).min() >= -1e-9 * max(1, *map(abs, found))


def hub(n=30):
    """An image in the middle that is near to all others, which lie far from each other."""
    directions = torch.eye(n, dtype=torch.float64)
    middle = normalize(directions.sum(dim=0, keepdim=True), dim=1)
    return torch.cat([middle, normalize(directions + 0.3 * middle, dim=1)])


@pytest.mark.parametrize("step", ["monotone", "published"])
def test_an_image_that_is_near_to_many_is_damped(step):
    """Without it, hub and others swing to and fro between two classes."""
    images = hub()
    options = AssignmentOptions(neighbours=1, affinity_weight=20.0, steps=1, step=step)
    logits = torch.zeros(31, 2, dtype=torch.float64)
    logits[0, 0] = logits[1:, 1] = 1.0
    assigner = Assigner(images, logits, options)
    densities, log_z = torch.zeros(31, 2, dtype=torch.float64), assigner.text_log_probabilities
    found = [assigner.objective(log_z, densities)]
    for _ in range(10):
        log_z = assigner.assign(log_z, densities)
        found.append(assigner.objective(log_z, densities))
    falls = np.diff(found).min() < -1e-3
    assert falls == (step == "published")


def test_where_no_image_is_near_to_many_the_damped_step_is_the_published_one():
    images, anchors, _ = clusters(60, 4)
    assert row_sums(affinity(images, 3)).max() < 12
    published = TransClipOptions(assignments=AssignmentOptions(step="published"))
    torch.testing.assert_close(
        transduce(images, anchors).assignments, transduce(images, anchors, published).assignments
    )


def test_means_of_length_1_may_lower_the_objective():
    """So the published code has no guarantee; the option says so."""
    images, anchors, _ = clusters(24, 3, 5, gap=1.5)
    falls = np.diff(transduce(images, anchors, TransClipOptions(unit_means=True)).objective)
    assert falls.min() < 0


def test_order_of_images_and_of_classes_does_not_matter():
    images, anchors, _ = clusters()
    whole, order = transduce(images, anchors).assignments, shuffled(60)
    torch.testing.assert_close(transduce(images[order], anchors).assignments, whole[order])
    turned = transduce(images, anchors[[2, 0, 3, 1]]).assignments
    torch.testing.assert_close(turned, whole[:, [2, 0, 3, 1]])


def test_images_are_classified_better_together():
    """Texts beside the clusters: zero-shot errs, the mixture finds the clusters."""
    images, anchors, labels = clusters(200, 4, 16, noise=0.5, gap=1.0)
    zero_shot = (clip.scores(images, anchors).argmax(dim=1) == labels).double().mean()
    found = transduce(images, anchors, TransClipOptions(logit_scale=10.0))
    together = (found.assignments.argmax(dim=1) == labels).double().mean()
    assert zero_shot < 0.96 and together > 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "classes"), [(1, 1), (1, 5), (2, 3), (3, 7), (30, 1)])
def test_few_images_and_few_classes(n, classes, dtype):
    images, anchors = unit(n, 6, dtype=dtype), unit(classes, 6, seed=1, dtype=dtype)
    found = transduce(images, anchors)
    assert found.assignments.dtype == dtype and found.assignments.shape == (n, classes)
    torch.testing.assert_close(found.assignments.sum(dim=1), torch.ones(n, dtype=dtype))
    assert torch.isfinite(torch.tensor(found.objective)).all()


def test_one_image_stays_where_the_texts_put_it():
    images, anchors = unit(1, 6), unit(4, 6, seed=1)
    expected = clip.probabilities(clip.scores(images, anchors), 100.0)
    torch.testing.assert_close(transduce(images, anchors).assignments, expected)


@pytest.mark.parametrize("method", [transclip.transduce, stata.transduce])
def test_one_real_image_among_the_real_names_of_1203_classes(method):
    """Alone, it keeps the class that the texts give it."""
    image = np.load(real_data("e-npclip-golden") / "data" / "image_features.npy").reshape(1, -1)
    folder = real_data("e-detic-clip-text") / "datasets" / "metadata"
    anchors = unit_rows(np.load(folder / "lvis_v1_clip_a+cname.npy"))
    found = method(unit_rows(image), anchors)
    expected = clip.probabilities(clip.scores(unit_rows(image), anchors), 100.0)
    assert found.assignments.argmax() == expected.argmax()
    assert torch.isfinite(found.assignments).all()


def test_images_that_come_later_are_classified_one_by_one():
    images, anchors, labels = clusters(200, 4, 16, noise=0.5, gap=1.0)
    alone = AssignmentOptions(neighbours=0)
    options = TransClipOptions(logit_scale=10.0, assignments=alone)
    found = transduce(images[:100], anchors, options)
    again = found.classify(images[:100], anchors, logit_scale=10.0, options=alone)
    torch.testing.assert_close(again, found.assignments)
    later = found.classify(images[100:], anchors, logit_scale=10.0)
    assert (later.argmax(dim=1) == labels[100:]).double().mean() > 0.98


def test_images_that_are_all_equal_and_a_class_that_never_appears():
    images = unit(1, 6).repeat(20, 1)
    found = transduce(images, torch.cat([images[:1], -images[:1]]))
    assert (found.assignments[:, 0] > 0.999).all()
    assert torch.isfinite(found.gaussians.means).all()
    assert (found.gaussians.variances > 0).all()


def test_float32_gives_the_classes_of_float64():
    images, anchors, _ = clusters(200, 4, 16, noise=0.5, gap=1.0)
    options = TransClipOptions(logit_scale=10.0)
    whole = transduce(images, anchors, options)
    half = transduce(images.float(), anchors.float(), options)
    torch.testing.assert_close(half.assignments.double(), whole.assignments, rtol=0, atol=1e-3)


def test_bad_features_and_options_are_refused():
    images, anchors, _ = clusters()
    with pytest.raises(InputError, match="class anchors: 7 dimensions, expected 8"):
        transduce(images, unit(4, 7))
    images[4, 0] = torch.nan
    with pytest.raises(InputError, match="image features: 1 of 60 rows, the first 4, hold NaN"):
        transduce(images, anchors)
    with pytest.raises(InputError, match="neighbours: -1"):
        AssignmentOptions(neighbours=-1)
    with pytest.raises(InputError, match="confident images: 0"):
        TransClipOptions(confident_images=0)


def test_neighbours_in_blocks_are_those_of_all_pairs(monkeypatch):
    images = unit(50, 6)
    whole = torch.tensor(dense_affinity(images.numpy(), 4), dtype=torch.float64)
    for at_once in (1, 170, 10**6):
        monkeypatch.setattr(neighbours, "COSINES_AT_ONCE", at_once)
        found = affinity(images, 4)
        torch.testing.assert_close(found.to_dense(), whole)
        assert found.is_sparse and found._nnz() <= 2 * 50 * 4
    torch.testing.assert_close(row_sums(found), whole.abs().sum(dim=1))


def test_distances_and_scatter_are_their_definitions():
    x, means, z = unit(9, 5), unit(3, 5, seed=1), unit(9, 3, seed=2).abs()
    variances = unit(3, 5, seed=3).abs() + 0.1
    gaussians = Gaussians(means, variances)
    squares = (x[:, None] - means) ** 2
    torch.testing.assert_close(gaussians.distances(x), (squares / variances).sum(dim=2))
    torch.testing.assert_close(scatter(x, z, means), torch.einsum("nc,ncd->cd", z, squares))
    normal = torch.distributions.Normal(means, variances.sqrt())
    torch.testing.assert_close(gaussians.log_densities(x), normal.log_prob(x[:, None]).sum(dim=2))


def test_real_features_have_images_that_are_near_to_many():
    """BioCLIP 2 features; the mean of five images of each class stands for its texts."""
    folder = real_data("e-bioclip2-1030")
    table = pl.read_parquet(folder / "data" / "example_1k.parquet")
    names = table["class"].fill_null("").to_numpy()
    features = unit_rows(np.asarray(table["emb"].to_list(), dtype=np.float32))
    rows = [np.flatnonzero(names == name) for name in sorted(set(names)) if name]
    rows = [part for part in rows if len(part) >= 20]
    anchors = normalize(torch.stack([features[part[:5]].mean(dim=0) for part in rows]), dim=1)
    images = features[np.concatenate([part[5:] for part in rows])]
    assert (len(rows), len(images)) == (7, 765)
    assert row_sums(affinity(images, 3)).max() > 12  # the damped step has work to do
    for scale in (10.0, 100.0):
        found = transduce(images, anchors, TransClipOptions(logit_scale=scale))
        objective = np.asarray(found.objective)
        assert np.diff(objective).min() >= -1e-6 * np.abs(objective).max()
        assert torch.isfinite(found.assignments).all()
