import math

import pytest
import torch
from torch.nn.functional import normalize

from nicheclip.adaptation import wca
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.runtime.errors import InputError
from small_features import shuffled, texts_of, unit


def problem(n=4, crops=3, counts=(2, 3, 1), d=6):
    images, prompts = unit(n, d, seed=1), unit(len(counts), d, seed=2)
    return images, unit(n, crops, d, seed=3), texts_of(counts, d), prompts


def softmax(values):
    exponents = [math.exp(value) for value in values]
    return [value / sum(exponents) for value in exponents]


def dot(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def literal(images, crops, texts, prompts, formula):
    """Equations 7 to 10 in loops; with ``code`` the sums divided by their lengths."""
    s_x, s_t = (1, 1) if formula == "paper" else (math.exp(4), math.exp(2))
    rows = []
    for x in range(len(images)):
        row = []
        w = softmax([s_x * dot(images[x], p) for p in crops[x]])
        for c in range(len(prompts)):
            own = [texts.features[t] for t in range(len(texts.owners)) if texts.owners[t] == c]
            v = softmax([s_t * dot(prompts[c], d) for d in own])
            total = sum(
                w[i] * v[j] * dot(crops[x][i], own[j]) for i in range(len(w)) for j in range(len(v))
            )
            if formula == "code":
                image = sum(w[i] * crops[x][i] for i in range(len(w)))
                class_vector = sum(v[j] * own[j] for j in range(len(v)))
                total /= math.sqrt(dot(image, image) * dot(class_vector, class_vector))
            row.append(total)
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("formula", ["paper", "code"])
def test_scores_are_the_published_equations(formula):
    given = problem()
    found = wca.scores(*given, wca.FORMULAS[formula])
    torch.testing.assert_close(found, literal(*given, formula), rtol=0, atol=1e-12)


def test_the_code_is_the_default():
    torch.testing.assert_close(wca.scores(*problem()), literal(*problem(), "code"))


def test_two_crops_by_hand():
    """Cosines to the image are 1 and 0.6: the weights of the paper are 1 / (1 + e^-0.4), ..."""
    image, crops = torch.tensor([[1.0, 0.0]]), torch.tensor([[[1.0, 0.0], [0.6, 0.8]]])
    first = 1 / (1 + math.exp(-0.4))
    torch.testing.assert_close(
        wca.crop_weights(image, crops, 1.0), torch.tensor([[first, 1 - first]])
    )
    sharp = wca.crop_weights(image, crops, math.exp(4))
    assert sharp[0, 0].item() == pytest.approx(1 / (1 + math.exp(-0.4 * math.exp(4))))


def test_one_crop_that_is_the_image_and_one_description_is_zero_shot():
    images, texts = unit(5, 6, seed=1), texts_of([1, 1, 1])
    for weighting in wca.FORMULAS.values():
        found = wca.scores(images, images[:, None], texts, unit(3, 6, seed=2), weighting)
        torch.testing.assert_close(found, images @ texts.features.T)


def test_order_of_images_crops_and_texts_does_not_matter():
    images, crops, texts, prompts = problem(n=6, crops=5)
    scores, order = wca.scores(images, crops, texts, prompts), shuffled(6)
    torch.testing.assert_close(
        wca.scores(images[order], crops[order], texts, prompts), scores[order]
    )
    torch.testing.assert_close(wca.scores(images, crops[:, shuffled(5)], texts, prompts), scores)
    order = shuffled(6)
    again = ClassTexts(texts.class_names, texts.features[order], texts.owners[order])
    torch.testing.assert_close(wca.scores(images, crops, again, prompts), scores)


def test_normalised_sums_change_the_order_of_classes():
    """Class a: two descriptions at right angles, the image between them; b: one, 40 degrees off."""
    between = normalize(torch.tensor([[1.0, 1.0]], dtype=torch.float64), dim=1)
    angle = math.radians(45 + 40)
    b = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    texts = ClassTexts.of(["a", "b"], [torch.eye(2, dtype=torch.float64), b])
    prompts = torch.cat([between, b])
    paper = wca.scores(between, between[:, None], texts, prompts, wca.FORMULAS["paper"])
    code = wca.scores(between, between[:, None], texts, prompts)
    torch.testing.assert_close(
        paper[0], torch.tensor([math.sqrt(0.5), math.cos(math.radians(40))], dtype=torch.float64)
    )
    assert paper.argmax().item() == 1 and code.argmax().item() == 0


def test_bad_crops_and_prompts_are_refused():
    images, crops, texts, prompts = problem()
    with pytest.raises(InputError, match=r"crop features: a tensor \[3, 3, 6\] for 4 images"):
        wca.scores(images, crops[:3], texts, prompts)
    with pytest.raises(InputError, match="crop features: there are none"):
        wca.scores(images, crops[:, :0], texts, prompts)
    with pytest.raises(InputError, match="2 rows for 3 classes"):
        wca.scores(images, crops, texts, prompts[:2])
    crops[2, 1] = torch.nan
    with pytest.raises(InputError, match="crop features: 1 of 12 rows, the first 7, hold NaN"):
        wca.scores(images, crops, texts, prompts)
