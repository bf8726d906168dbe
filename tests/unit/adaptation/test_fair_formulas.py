"""FAIR's formulas against slow, literal transcriptions: loops over numbers, in float64."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from nicheclip.adaptation.trained.alignment import alignment_scores, label_weights, relevance
from nicheclip.adaptation.trained.fairness import Fairness
from small_features import unit

IMAGES, CROPS, CLASSES, WIDTH = 5, 6, 4, 8


def cosine(one, other):
    one, other = one.tolist(), other.tolist()
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one)) / math.sqrt(sum(b * b for b in other))


def softmax(values):
    total = sum(math.exp(v) for v in values)
    return [math.exp(v) / total for v in values]


@pytest.fixture(scope="module")
def random():
    """[CLS] tokens and features of images and crops, anchors."""
    generator = torch.Generator().manual_seed(3)

    def tensor(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    image_cls = tensor(IMAGES, 12)
    crop_cls = image_cls[:, None] + tensor(IMAGES, CROPS, 12)
    return {
        "image_cls": image_cls,
        "crop_cls": crop_cls,
        "crops": normalize(tensor(IMAGES, CROPS, WIDTH), dim=-1),
        "anchors": normalize(tensor(CLASSES, WIDTH), dim=-1),
    }


def literal_scores(one, image, top):
    """LAS of one image divided by the sum of |w|: equations 11 to 14."""
    w = [cosine(one["image_cls"][image], crop) for crop in one["crop_cls"][image]]
    chosen = sorted(range(CROPS), key=lambda i: -w[i])[:top]
    las = [
        sum(w[i] * cosine(one["crops"][image, i], anchor) for i in chosen)
        for anchor in one["anchors"]
    ]
    return [value / sum(abs(w[i]) for i in chosen) for value in las]


@pytest.mark.parametrize("top", [1, 2, 5, 6, None])
def test_the_learned_alignment_score(random, top):
    weights = relevance(random["image_cls"], random["crop_cls"])
    found = alignment_scores(weights, random["crops"], random["anchors"], top)
    for image in range(IMAGES):
        expected = literal_scores(random, image, top or CROPS)
        assert found[image].tolist() == pytest.approx(expected, abs=1e-6)


def test_crops_alike_to_the_image_count_alone(random):
    """Two crops are the image itself, the others its opposite: with k = 2 the others are out."""
    image = unit(1, 12)
    cls = torch.stack([image[0], -image[0], image[0], -image[0]])[None]
    anchors = torch.eye(4, dtype=torch.float64)
    weights = relevance(image, cls)
    assert weights[0].tolist() == pytest.approx([1, -1, 1, -1])
    scores = alignment_scores(weights, anchors[None], anchors, 2)
    assert scores[0].tolist() == pytest.approx([0.5, 0, 0.5, 0])
    # all four: the opposite crops count negatively
    scores = alignment_scores(weights, anchors[None], anchors, None)
    assert scores[0].tolist() == pytest.approx([0.25, -0.25, 0.25, -0.25])


def literal_weight(scores, anchors, formula, by_anchors, scale):
    order = sorted(range(CLASSES), key=lambda c: -scores[c])
    c1, c2 = order[0], order[1]
    near = cosine(anchors[c1], anchors[c2])
    q = softmax([scale * s for s in scores])
    if formula == "margin":
        return (q[c1] - q[c2]) * ((1 - near) if by_anchors else 1)
    if formula == "ratio":
        value = 1 - scores[c2] / scores[c1] * (near if by_anchors else 1)
        return min(max(value, 0), 1)
    return (1 - q[c2] / q[c1]) * ((1 - near) if by_anchors else 1)


@pytest.mark.parametrize("by_anchors", [True, False])
@pytest.mark.parametrize("formula", ["margin", "ratio", "relative_ratio"])
def test_the_candidates_for_the_weight(random, formula, by_anchors):
    generator = torch.Generator().manual_seed(8)
    scores = 0.2 + 0.1 * torch.rand(IMAGES, CLASSES, generator=generator, dtype=torch.float64)
    anchors = normalize(random["anchors"] + 1, dim=1)
    found = label_weights(scores, anchors, formula, by_anchors=by_anchors, logit_scale=50.0)
    expected = [literal_weight(one.tolist(), anchors, formula, by_anchors, 50.0) for one in scores]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)
    assert len({round(v, 6) for v in expected}) == IMAGES


@pytest.mark.parametrize("formula", ["margin", "ratio", "relative_ratio"])
def test_labels_of_two_near_classes_weigh_less(formula):
    """The first two classes are at 60 degrees in the first set of anchors, at 90 in the second."""
    near = torch.tensor([[1, 0], [0.5, math.sqrt(0.75)], [-1, 0]], dtype=torch.float64)
    far = torch.tensor([[1, 0], [0, 1], [-1, 0]], dtype=torch.float64)
    sure, unsure = [0.30, 0.20, 0.1], [0.30, 0.29, 0.1]

    def weight(scores, anchors):
        scores = torch.tensor([scores], dtype=torch.float64)
        return float(label_weights(scores, anchors, formula, by_anchors=True, logit_scale=50.0))

    assert weight(unsure, near) < weight(sure, near) < weight(sure, far)
    assert weight(unsure, near) < weight(unsure, far)


def test_without_a_weight_all_labels_count_alike():
    scores, anchors = unit(5, 4), unit(4, 8)
    weights = label_weights(scores, anchors, "none", by_anchors=True, logit_scale=50.0)
    assert weights.tolist() == [1] * 5


def test_fairness_by_a_moving_average():
    """Values by loops; the gradient is that of the batch's mean alone, times two for the half."""
    steps = [unit(6, CLASSES, seed=s).mul(3).softmax(dim=1) for s in range(4)]
    fairness, average = Fairness("moving_average"), None
    fairness.begin_epoch()
    for step, rows in enumerate(steps):
        probabilities = rows.clone().requires_grad_()
        mean = [sum(row[c] for row in rows.tolist()) / 6 for c in range(CLASSES)]
        half = 1 if step == 0 else 0.5
        before = average or [0] * CLASSES
        average = [(1 - half) * b + half * m for b, m in zip(before, mean, strict=True)]
        loss = fairness.loss(probabilities)
        expected = -sum(math.log(p) for p in average) / CLASSES / 0.5
        assert loss.item() == pytest.approx(expected, abs=1e-6)
        loss.backward()
        slopes = [-half / 0.5 / (6 * CLASSES * p) for p in average]
        for row in probabilities.grad:
            assert row.tolist() == pytest.approx(slopes, abs=1e-6)
    fairness.begin_epoch()
    again = -sum(math.log(steps[0][:, c].mean()) for c in range(CLASSES)) / CLASSES / 0.5
    assert float(fairness.loss(steps[0])) == pytest.approx(again, abs=1e-6)


def test_fairness_of_a_batch_is_least_for_equal_classes():
    equal = torch.eye(4, dtype=torch.float64)
    skewed = torch.tensor([[0.97, 0.01, 0.01, 0.01]] * 4, dtype=torch.float64)
    assert float(Fairness("batch").loss(equal)) == pytest.approx(math.log(4))
    assert float(Fairness("batch").loss(skewed)) > math.log(4) + 1
    assert float(Fairness("none").loss(skewed)) == 0
    assert math.isfinite(float(Fairness("batch").loss(torch.tensor([[1.0, 0.0]]))))
