import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nicheclip.adaptation import clip, stata, transclip
from nicheclip.adaptation.assignments import AssignmentOptions
from nicheclip.adaptation.gaussians import Gaussians
from nicheclip.adaptation.neighbours import affinity, row_sums
from nicheclip.adaptation.stata import StatAOptions, transduce
from nicheclip.runtime.errors import InputError
from small_features import clusters, shuffled, unit


def softmax(values):
    exponents = [math.exp(value - max(values)) for value in values]
    return [value / sum(exponents) for value in exponents]


class Literal:
    """The equations in loops, with S' about the texts and a start at the anchors."""

    def __init__(self, x, t, *, counts, formula, alpha, scale, k=3, a=1 / 50, b=1 / 6):
        self.x, self.t, self.alpha, self.a, self.b = x.numpy(), t.numpy(), alpha, a, b
        self.counts, self.formula = counts, formula
        self.images, self.classes, self.dims = range(len(x)), range(len(t)), range(x.shape[1])
        self.s = affinity(x, k).to_dense().numpy()
        self.y = [softmax([scale * float(f @ c) for c in self.t]) for f in self.x]
        self.z = [list(row) for row in self.y]
        self.anchor = [
            sum(
                self.y[i][c] * (self.x[i][d] - self.t[c][d]) ** 2
                for i in self.images
                for c in self.classes
            )
            / len(x)
            for d in self.dims
        ]
        self.means = [self.t[c] for c in self.classes]
        self.variances = [list(self.anchor) for _ in self.classes]

    def log_density(self, i, c):
        return -0.5 * sum(
            math.log(2 * math.pi * self.variances[c][d])
            + (self.x[i][d] - self.means[c][d]) ** 2 / self.variances[c][d]
            for d in self.dims
        )

    def assign(self):
        for _ in range(5):
            before = [list(row) for row in self.z]
            for i in self.images:
                near = [sum(self.s[i][j] * before[j][c] for j in self.images) for c in self.classes]
                self.z[i] = softmax(
                    [
                        math.log(self.y[i][c]) + self.a * self.log_density(i, c) + self.b * near[c]
                        for c in self.classes
                    ]
                )

    def maximise(self):
        for c in self.classes:
            soft = sum(self.z[i][c] for i in self.images)
            hard = sum(max(self.classes, key=lambda r, i=i: self.z[i][r]) == c for i in self.images)
            n = hard if self.counts == "hard" else soft
            beta = n / (n + self.alpha)
            own = sum(self.z[i][c] * self.x[i] for i in self.images) / soft
            mean = beta * own + (1 - beta) * self.t[c]
            if self.formula == "code":
                mean = mean / math.sqrt(mean @ mean)
            self.means[c] = mean
            for d in self.dims:
                spread = (
                    sum(self.z[i][c] * (self.x[i][d] - mean[d]) ** 2 for i in self.images) / soft
                )
                prior = self.anchor[d]
                if self.formula == "paper":
                    prior += (mean[d] - self.t[c][d]) ** 2
                self.variances[c][d] = beta * spread + (1 - beta) * prior

    def objective(self):
        total = 0.0
        for i in self.images:
            for c in self.classes:
                z = self.z[i][c]
                total += z * (self.a * self.log_density(i, c) + math.log(self.y[i][c]))
                total -= z * math.log(z)
                total += self.b / 2 * sum(self.s[i][j] * z * self.z[j][c] for j in self.images)
        for c in self.classes:
            for d in self.dims:
                own, anchor = self.variances[c][d], self.anchor[d]
                shift = (self.means[c][d] - self.t[c][d]) ** 2
                divergence = 0.5 * (anchor / own + shift / own - 1 + math.log(own / anchor))
                total -= self.a * self.alpha * divergence
        return total


@pytest.mark.parametrize(
    ("counts", "formula", "alpha"),
    [("hard", "paper", 1.0), ("soft", "paper", 3.0), ("hard", "code", 1.0)],
)
def test_assignments_gaussians_and_objective_are_the_equations(counts, formula, alpha):
    images, anchors, _ = clusters(20, 3, 5, gap=1.5)
    assert row_sums(affinity(images, 3)).max() < 12  # no image is damped
    expected = Literal(images, anchors, counts=counts, formula=formula, alpha=alpha, scale=10.0)
    objective = [expected.objective()]
    for _ in range(3):
        expected.assign()
        expected.maximise()
        objective.append(expected.objective())
    expected.assign()
    objective.append(expected.objective())
    options = StatAOptions(
        iterations=3, counts=counts, formula=formula, anchor_weight=alpha, logit_scale=10.0
    )
    found = transduce(images, anchors, options)
    for one, other in (
        (found.assignments, expected.z),
        (found.gaussians.means, np.array(expected.means)),
        (found.gaussians.variances, expected.variances),
    ):
        other = torch.as_tensor(np.asarray(other, dtype=np.float64))
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    assert found.objective == pytest.approx(objective, abs=1e-8)


def test_one_class_by_hand():
    """Two images at right angles, the anchor between them; alpha 2, so beta is 1/2."""
    images = torch.eye(2, dtype=torch.float64)
    anchor = torch.full((1, 2), math.sqrt(0.5), dtype=torch.float64)
    held = Gaussians(anchor, torch.tensor([[0.3, 0.5]], dtype=torch.float64))
    z = torch.ones(2, 1, dtype=torch.float64)
    found = stata.update(images, z, held, StatAOptions(anchor_weight=2.0))
    mean = (0.5 + math.sqrt(0.5)) / 2
    own = ((1 - mean) ** 2 + mean**2) / 2
    shift = (mean - math.sqrt(0.5)) ** 2
    torch.testing.assert_close(found.means, torch.full((1, 2), mean, dtype=torch.float64))
    expected = [(own + 0.3 + shift) / 2, (own + 0.5 + shift) / 2]
    torch.testing.assert_close(found.variances, torch.tensor([expected], dtype=torch.float64))


def test_divergences_are_torchs():
    one = Gaussians(unit(3, 5), unit(1, 5, seed=1).abs() + 0.1)
    other = Gaussians(unit(3, 5, seed=2), unit(3, 5, seed=3).abs() + 0.1)
    normal = [
        torch.distributions.Normal(g.means, g.variances.sqrt().expand(3, 5)) for g in (one, other)
    ]
    expected = torch.distributions.kl_divergence(*normal).sum(dim=1)
    torch.testing.assert_close(stata.divergences(one, other), expected)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 40),
    classes=st.integers(1, 6),
    affinity_weight=st.sampled_from([None, 5.0]),
    anchor_weight=st.sampled_from([0.1, 1.0, 20.0]),
)
def test_with_soft_counts_the_objective_never_decreases(
    seed, n, classes, affinity_weight, anchor_weight
):
    images, anchors, _ = clusters(n, classes, 6, gap=2.0, seed=seed)
    options = StatAOptions(
        counts="soft",
        anchor_weight=anchor_weight,
        logit_scale=10.0,
        assignments=AssignmentOptions(affinity_weight=affinity_weight),
    )
    found = transduce(images, anchors, options).objective
    assert len(found) == 12
    assert np.diff(found).min() >= -1e-9 * max(1, *map(abs, found))


def test_a_class_without_images_keeps_its_anchor():
    images, anchors, _ = clusters(40, 2, 8)
    anchors = torch.cat([anchors, -anchors[:1]])
    found = transduce(images, anchors)
    assert (found.assignments.argmax(dim=1) < 2).all()
    torch.testing.assert_close(found.gaussians.means[2], anchors[2])
    expected = stata.anchor_variances(
        images, clip.probabilities(clip.scores(images, anchors), 100.0), anchors
    )
    torch.testing.assert_close(found.gaussians.variances[2], expected[0])


def test_with_few_classes_present_transclip_is_worse_than_zero_shot_and_stata_better():
    """64 images of 2 of 30 classes, as in the paper's table; the texts are far from the images."""
    images, anchors, labels = clusters(960, 30, 128, noise=2.0, gap=1.5)
    images, labels = images[labels < 2], labels[labels < 2]

    def errors(assignments):
        return (assignments.argmax(dim=1) != labels).sum().item()

    held = transduce(images, anchors, StatAOptions(logit_scale=10.0))
    free = transclip.transduce(images, anchors, transclip.TransClipOptions(logit_scale=10.0))
    zero_shot = errors(clip.scores(images, anchors))
    assert errors(held.assignments) < zero_shot < errors(free.assignments)


def test_order_of_images_and_of_classes_does_not_matter():
    images, anchors, _ = clusters()
    whole, order = transduce(images, anchors).assignments, shuffled(60)
    torch.testing.assert_close(transduce(images[order], anchors).assignments, whole[order])
    turned = transduce(images, anchors[[2, 0, 3, 1]]).assignments
    torch.testing.assert_close(turned, whole[:, [2, 0, 3, 1]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("formula", ["paper", "code"])
@pytest.mark.parametrize(("n", "classes"), [(1, 1), (1, 5), (3, 7), (30, 1)])
def test_few_images_and_few_classes(n, classes, formula, dtype):
    images, anchors = unit(n, 6, dtype=dtype), unit(classes, 6, seed=1, dtype=dtype)
    found = transduce(images, anchors, StatAOptions(formula=formula))
    assert found.assignments.dtype == dtype
    torch.testing.assert_close(found.assignments.sum(dim=1), torch.ones(n, dtype=dtype))
    assert torch.isfinite(torch.tensor(found.objective)).all()


def test_bad_features_and_options_are_refused():
    images, anchors, _ = clusters()
    images[4, 0] = torch.nan
    with pytest.raises(InputError, match="image features: 1 of 60 rows, the first 4, hold NaN"):
        transduce(images, anchors)
    with pytest.raises(InputError, match="anchor weight: 0; expected more than 0"):
        StatAOptions(anchor_weight=0)
