"""WCA: weighted alignment of an image's crops with a class's descriptions.

For an image x with crops p_1 ... p_N and a class c with the prompt t_c ("a photo of a c.") and
descriptions d_1 ... d_M; f and g give features of length 1:

    w_i = softmax_i(s_x * f(x) . f(p_i))          v_j = softmax_j(s_t * g(t_c) . g(d_j))
    score_c(x) = sum_i sum_j w_i v_j f(p_i) . g(d_j) = (sum_i w_i f(p_i)) . (sum_j v_j g(d_j))

``paper``: s_x = s_t = 1 (FAIR's equations 7 to 10, as the project's notes restore them; the text
has lost its formulas). ``code``: s_x = e^4, s_t = e^2, and both sums
are divided by their lengths before they are multiplied, which changes the order of the classes.
The paper's weights are close to uniform, because cosines of crops differ by a few hundredths; the
published numbers come from the code, so it is the default.

Certain: the code's formula. The crops are the caller's: random squares of 0.5 to 0.9 of the shorter
side; in the code 100 for each image, of which each run draws 60 with replacement.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nicheclip.adaptation.checks import check_features
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.runtime.errors import InputError


@dataclass(frozen=True)
class Weighting:
    """How crops and descriptions are weighted."""

    image_scale: float
    """s_x, between cosine and the logit of a crop's weight."""
    text_scale: float
    """s_t, between cosine and the logit of a description's weight."""
    normalise_sums: bool
    """Whether the weighted sums are divided by their lengths."""


#: the two published ways
FORMULAS: dict[Literal["paper", "code"], Weighting] = {
    "paper": Weighting(image_scale=1.0, text_scale=1.0, normalise_sums=False),
    "code": Weighting(image_scale=math.exp(4), text_scale=math.exp(2), normalise_sums=True),
}

#: what the published numbers come from
AS_IN_CODE = FORMULAS["code"]


def crop_weights(images: Tensor, crops: Tensor, scale: float) -> Tensor:
    """[n, N], rows of sum 1: w, from images [n, d] and crops [n, N, d]."""
    return (scale * torch.einsum("nd,ncd->nc", images, crops)).softmax(dim=1)


def image_vectors(images: Tensor, crops: Tensor, weighting: Weighting = AS_IN_CODE) -> Tensor:
    """[n, d]: the weighted sum of each image's crops.

    Args:
        images: [n, d], features of the whole images, of length 1.
        crops: [n, N, d], features of the crops, of length 1.
        weighting: how.

    Raises:
        InputError: no crops, or features that are not what they should be.
    """
    check_features(images, "image features")
    if crops.ndim != 3 or crops.shape[0] != len(images):
        raise InputError(
            f"crop features: a tensor {list(crops.shape)} for {len(images)} images; expected "
            "[n, crops, d]."
        )
    check_features(crops.flatten(end_dim=1), "crop features", images.shape[1])
    weights = crop_weights(images, crops, weighting.image_scale)
    return _sum(torch.einsum("nc,ncd->nd", weights, crops), weighting)


def class_vectors(
    descriptions: ClassTexts, prompts: Tensor, weighting: Weighting = AS_IN_CODE
) -> Tensor:
    """[C, d]: the weighted sum of each class's descriptions.

    Args:
        descriptions: of each class at least one.
        prompts: [C, d], features of "a photo of a c." for each class, of length 1.
        weighting: how.

    Raises:
        InputError: a class has no description, or features that are not what they should be.
    """
    descriptions.check_every_class("description")
    check_features(prompts, "prompt features", descriptions.features.shape[1])
    if len(prompts) != descriptions.classes:
        raise InputError(
            f"prompt features: {len(prompts)} rows for {descriptions.classes} classes; expected "
            "one prompt for each class."
        )
    cosines = (prompts[descriptions.owners] * descriptions.features).sum(dim=1)
    # a cosine is at most 1: no exponent above 0
    factors = (weighting.text_scale * (cosines - 1)).exp()
    totals = factors.new_zeros(descriptions.classes).index_add(0, descriptions.owners, factors)
    weights = factors / totals[descriptions.owners]
    return _sum(descriptions.sums(weights), weighting)


def scores(
    images: Tensor,
    crops: Tensor,
    descriptions: ClassTexts,
    prompts: Tensor,
    weighting: Weighting = AS_IN_CODE,
) -> Tensor:
    """[n, C]: the score of each class for images [n, d] with crops [n, N, d].

    Raises:
        InputError: as ``image_vectors`` and ``class_vectors``.
    """
    classes = class_vectors(descriptions, prompts, weighting)
    return image_vectors(images, crops, weighting) @ classes.T


def _sum(vectors: Tensor, weighting: Weighting) -> Tensor:
    return normalize(vectors, dim=1) if weighting.normalise_sums else vectors
