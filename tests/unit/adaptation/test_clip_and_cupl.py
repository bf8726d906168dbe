import math

import numpy as np
import pytest
import torch

from nicheclip.adaptation import clip, cupl
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.runtime.errors import InputError
from small_features import real_data, shuffled, texts_of, unit, unit_rows


def test_anchors_are_the_published_equation():
    texts = texts_of([3, 1, 2])
    expected = []
    for c in range(3):
        own = [texts.features[t] for t in range(6) if texts.owners[t] == c]
        mean = sum(own) / len(own)
        expected.append(mean / math.sqrt(sum(float(x) ** 2 for x in mean)))
    torch.testing.assert_close(clip.class_anchors(texts), torch.stack(expected), rtol=0, atol=1e-12)


def test_two_templates_by_hand():
    """Texts at right angles: the anchor halves the angle."""
    texts = ClassTexts.of(["a", "b"], [torch.eye(3)[:2], torch.eye(3)[2:]])
    half = math.sqrt(0.5)
    torch.testing.assert_close(
        clip.class_anchors(texts), torch.tensor([[half, half, 0], [0, 0, 1]])
    )
    image = torch.tensor([[0.6, 0.0, 0.8]])
    scores = clip.scores(image, clip.class_anchors(texts))
    torch.testing.assert_close(scores, torch.tensor([[0.6 * half, 0.8]]))
    ratio = math.exp(10 * (0.8 - 0.6 * half))
    torch.testing.assert_close(
        clip.probabilities(scores, 10.0), torch.tensor([[1 / (1 + ratio), ratio / (1 + ratio)]])
    )


def test_the_mean_of_cosines_is_equation_5_and_another_order():
    texts, images = texts_of([3, 1, 2]), unit(7, 6, seed=3)
    found = cupl.scores(images, texts, "mean_of_cosines")
    for i in range(7):
        for c in range(3):
            own = [float(images[i] @ texts.features[t]) for t in range(6) if texts.owners[t] == c]
            assert found[i, c].item() == pytest.approx(sum(own) / len(own), abs=1e-12)
    torch.testing.assert_close(
        cupl.scores(images, texts), clip.scores(images, clip.class_anchors(texts))
    )


def test_descriptions_that_disagree_lose_by_the_mean_of_cosines_alone():
    """Class a: 60 degrees to both sides of the image. Class b: 45 degrees from it, once."""
    a = torch.tensor([[0.5, math.sqrt(0.75)], [0.5, -math.sqrt(0.75)]])
    b = torch.tensor([[math.sqrt(0.5), math.sqrt(0.5)]])
    texts, image = ClassTexts.of(["a", "b"], [a, b]), torch.tensor([[1.0, 0.0]])
    torch.testing.assert_close(cupl.scores(image, texts), torch.tensor([[1.0, math.sqrt(0.5)]]))
    torch.testing.assert_close(
        cupl.scores(image, texts, "mean_of_cosines"), torch.tensor([[0.5, math.sqrt(0.5)]])
    )


def test_order_of_images_and_of_texts_does_not_matter():
    texts, images = texts_of([3, 1, 2]), unit(9, 6, seed=3)
    order, scores = shuffled(9), cupl.scores(images, texts)
    torch.testing.assert_close(cupl.scores(images[order], texts), scores[order])
    order = shuffled(6)
    again = ClassTexts(texts.class_names, texts.features[order], texts.owners[order])
    torch.testing.assert_close(cupl.scores(images, again), scores)


def test_one_class_and_one_image():
    texts = texts_of([2])
    scores = cupl.scores(unit(1, 6), texts)
    assert clip.probabilities(scores, 100.0).tolist() == [[1.0]]


def test_images_of_another_width_are_refused():
    with pytest.raises(InputError, match="5 dimensions, expected 6"):
        cupl.scores(unit(2, 5), texts_of([1, 1]))
    with pytest.raises(InputError, match="logit scale: 0"):
        clip.probabilities(torch.zeros(1, 2), 0.0)


def test_golden_clip_features_give_the_published_probabilities():
    folder = real_data("e-npclip-golden") / "data"
    image = unit_rows(np.load(folder / "image_features.npy").reshape(1, -1))
    anchors = unit_rows(np.load(folder / "text_features.npy"))
    texts = ClassTexts.of(["diagram", "dog", "cat"], anchors[:, None].unbind())
    found = clip.probabilities(clip.scores(image, clip.class_anchors(texts)), 100.0)
    torch.testing.assert_close(
        found, torch.tensor([[0.99279, 0.00421, 0.00300]]), rtol=0, atol=2e-5
    )


def test_real_names_are_their_own_nearest_class():
    """1,203 names of LVIS: each text is nearest to the anchor of its own class."""
    folder = real_data("e-detic-clip-text") / "datasets" / "metadata"
    features = unit_rows(np.load(folder / "lvis_v1_clip_a+cname.npy"))
    names = [f"class {row}" for row in range(len(features))]
    anchors = clip.class_anchors(ClassTexts.of(names, features[:, None].unbind()))
    nearest = clip.scores(features, anchors).argmax(dim=1)
    assert (nearest == torch.arange(len(features))).float().mean() > 0.99
