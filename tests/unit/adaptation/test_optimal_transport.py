import math

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn.functional import normalize

from literal_transport import Literal, literal_sinkhorn
from nicheclip.adaptation import clip
from nicheclip.adaptation import optimal_transport as module
from nicheclip.adaptation.optimal_transport import TransportOptions, classify, fuse, sinkhorn
from nicheclip.runtime.errors import InputError
from small_features import clusters, real_data, shuffled, unit, unit_rows


def probabilities(n, classes, seed=0, sharpness=2.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, classes, generator=generator, dtype=torch.float64)
    return (sharpness * logits).softmax(dim=1)


def zero_shot(images, anchors, scale=10.0):
    return clip.probabilities(clip.scores(images, anchors), scale)


def problem(n=24, classes=3):
    """Two CLIPs and two vision models of different widths on the same images."""
    images, anchors, labels = clusters(n, classes, 5, gap=1.0)
    other, _, _ = clusters(n, classes, 7, noise=0.2, seed=11)
    texts = [zero_shot(images, anchors), probabilities(n, classes, sharpness=0.5)]
    return [images, other], texts, labels


@pytest.mark.parametrize("formula", ["paper", "code"])
def test_plan_weights_gaussians_and_objective_are_the_published_equations(formula):
    vision, texts, _ = problem()
    expected = Literal(vision, texts, formula)
    for _ in range(4):
        expected.iterate()
    found = fuse(vision, texts, TransportOptions(iterations=4, formula=formula))
    for one, other in (
        (found.assignments / 24, expected.plan),
        (found.vision_weights, expected.alpha),
        (found.text_weights, expected.beta),
        (found.gaussians[1].means, np.array(expected.gaussians[1][0])),
        (found.gaussians[0].variances[0], expected.gaussians[0][1]),
    ):
        other = torch.as_tensor(np.asarray(other, dtype=np.float64))
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    assert found.objective == pytest.approx(expected.objective, abs=1e-9)


def test_sinkhorn_is_the_loop_and_reaches_both_marginals():
    scores = probabilities(9, 4).log()
    mass = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    found = sinkhorn(scores, mass, 0.5, 7)
    expected = literal_sinkhorn(scores.tolist(), mass.tolist(), 0.5, 7)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    converged = sinkhorn(scores, mass, 0.5, 500)
    torch.testing.assert_close(converged.sum(dim=0), mass)
    torch.testing.assert_close(converged.sum(dim=1), torch.full((9,), 1 / 9).double())


def test_two_images_and_two_classes_by_hand():
    """Symmetric scores: the plan is the softmax of each row, with half the mass."""
    scores = torch.tensor([[0.3, 0.1], [0.1, 0.3]], dtype=torch.float64)
    half = torch.full((2,), 0.5, dtype=torch.float64)
    first = 0.5 / (1 + math.exp(-0.2 / 0.1))
    expected = torch.tensor([[first, 0.5 - first], [0.5 - first, first]], dtype=torch.float64)
    torch.testing.assert_close(sinkhorn(scores, half, 0.1, 3), expected)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("entropy_weight", [0.05, 0.5])
def test_without_vision_models_the_objective_never_decreases(seed, entropy_weight):
    texts = [probabilities(30, 5, seed=100 * seed + v, sharpness=1.0 + v) for v in range(3)]
    options = TransportOptions(iterations=20, entropy_weight=entropy_weight, sinkhorn_steps=1000)
    objective = np.asarray(fuse([], texts, options).objective)
    assert np.diff(objective).min() >= -1e-9
    assert objective[-1] > objective[0]


def test_a_model_that_disagrees_counts_less():
    images, anchors, _ = clusters(200, 4, 16, noise=0.5, gap=1.0)
    good, noise = zero_shot(images, anchors), probabilities(200, 4)
    for formula in ("paper", "code"):
        weights = fuse([images], [good, noise], TransportOptions(formula=formula)).text_weights
        assert weights[0] > 1.5 * weights[1]


@pytest.mark.parametrize("formula", ["paper", "code"])
def test_a_vision_model_that_sees_the_classes_mends_the_texts(formula):
    images, anchors, labels = clusters(200, 4, 16, noise=2.0, gap=0.5)
    vision = normalize(unit(4, 64, seed=8)[labels] + 0.8 * unit(200, 64, seed=9), dim=1)
    texts = zero_shot(images, anchors, 5.0)
    before = (texts.argmax(dim=1) == labels).double().mean()
    options = TransportOptions(formula=formula)
    found = fuse([vision], [texts], options)
    after = (found.assignments.argmax(dim=1) == labels).double().mean()
    assert before < 0.8 and after > 0.9
    # half of the images one by one, by what was learned from the other half
    half = fuse([vision[:100]], [texts[:100]], options)
    scores = classify(half, [vision[100:]], [texts[100:]], options)
    assert (scores.argmax(dim=1) == labels[100:]).double().mean() > 0.9


def test_classes_that_are_absent_need_the_mass_of_the_texts():
    """All images are of two of four classes: uniform masses force half of them elsewhere."""
    images, anchors, labels = clusters(200, 4, 16, noise=0.3, gap=0.6)
    images, labels = images[labels < 2], labels[labels < 2]
    texts = zero_shot(images, anchors, 30.0)

    def right(mass):
        found = fuse([images], [texts], TransportOptions(class_mass=mass))
        return (found.assignments.argmax(dim=1) == labels).double().mean()

    assert right("uniform") < 0.7 and right("zero_shot") > 0.9


def test_order_of_images_and_of_classes_does_not_matter():
    vision, texts, _ = problem()
    whole, order = fuse(vision, texts).assignments, shuffled(24)
    moved = fuse([v[order] for v in vision], [q[order] for q in texts]).assignments
    torch.testing.assert_close(moved, whole[order])
    turned = fuse(vision, [q[:, [2, 0, 1]] for q in texts]).assignments
    torch.testing.assert_close(turned, whole[:, [2, 0, 1]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("formula", ["paper", "code"])
@pytest.mark.parametrize(("n", "classes"), [(1, 1), (1, 5), (3, 7), (30, 1)])
def test_few_images_and_few_classes(n, classes, formula, dtype):
    vision, texts = unit(n, 6, dtype=dtype), probabilities(n, classes).to(dtype)
    found = fuse([vision], [texts], TransportOptions(formula=formula))
    assert found.assignments.dtype == dtype
    torch.testing.assert_close(found.assignments.sum(dim=1), torch.ones(n, dtype=dtype))
    assert torch.isfinite(torch.tensor(found.objective)).all()


def test_texts_that_exclude_a_class_for_all_images():
    texts = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    for mass in ("uniform", "zero_shot"):
        found = fuse([unit(3, 6)], [texts], TransportOptions(class_mass=mass))
        assert torch.isfinite(found.assignments).all()


def test_bad_models_are_refused():
    vision, texts, _ = problem()
    with pytest.raises(InputError, match="Without texts no class has a name"):
        fuse(vision, [])
    with pytest.raises(InputError, match="CLIP 2: 4 classes, those of CLIP 1 are 3"):
        fuse(vision, [texts[0], probabilities(24, 4)])
    with pytest.raises(InputError, match="CLIP 2: 23 rows for 24 images"):
        fuse(vision, [texts[0], texts[1][:23]])
    with pytest.raises(InputError, match="vision model 2: 23 rows"):
        fuse([vision[0], vision[1][:23]], texts)
    with pytest.raises(InputError, match="it was made from 2 and 2"):
        classify(fuse(vision, texts), vision[:1], texts)
    vision[1][4, 0] = torch.nan
    with pytest.raises(InputError, match="vision model 2: 1 of 24 rows, the first 4, hold NaN"):
        fuse(vision, texts)


def test_real_features_beside_weak_texts():
    """BioCLIP 2 features as the vision model; one image of each class stands for weak texts."""
    folder = real_data("e-bioclip2-1030")
    table = pl.read_parquet(folder / "data" / "example_1k.parquet")
    names = table["class"].fill_null("").to_numpy()
    features = unit_rows(np.asarray(table["emb"].to_list(), dtype=np.float32))
    rows = [np.flatnonzero(names == name) for name in sorted(set(names)) if name]
    rows = [part for part in rows if len(part) >= 20]
    anchors = torch.stack([features[part[0]] for part in rows])
    images = features[np.concatenate([part[1:] for part in rows])]
    found = fuse([images], [zero_shot(images, anchors, 20.0)])
    assert torch.isfinite(found.assignments).all()
    torch.testing.assert_close(found.assignments.sum(dim=1), torch.ones(len(images)))
    assert module.agreements(found.assignments / len(images), found.assignments[None]) <= 1.0 + 1e-6
