"""CODER: an image is described by its cosines to the texts around it.

The texts of a class are its name, synonyms, attributes and analogies. For an image's feature f of
length 1, n(t) = f . g(t) is its nearness to a text:

    score_c(f) = mean over { n(t): t an attribute or analogy of c } and { max n(t): t a name or
                 synonym of c }, the maximum counted as one value

Second step (CODER*): where the softmax of 100 times the scores has its first two values nearer
than a threshold, the first five classes are put in a new order by texts for one class c against
another o:

    score'_c(f) = mean over the rivals o of [ mean_t n(t: c against o) - mean_t n(t: o against c) ]

Certain: both equations, as in the code of Yi et al. (arXiv 2404.17753). The code takes the
second step only for test images whose label is among the first five; that leaks labels. Here it is
taken for every near tie, so the published numbers of CODER* are not comparable. The thresholds
were published by data set and cannot be chosen without labels; 0.1 is the smallest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nicheclip.adaptation.checks import check_features, check_number
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.runtime.errors import InputError


def scores(images: Tensor, names: ClassTexts, details: ClassTexts | None = None) -> Tensor:
    """[n, C]: the score of each class for images [n, d] of length 1.

    Args:
        images: features.
        names: names and synonyms, at least one for each class.
        details: attributes and analogies; a class may have none.

    Raises:
        InputError: a class has no name, or names and details are not of the same classes.
    """
    names.check_every_class("name")
    check_features(images, "image features", names.features.shape[1])
    nearness = images @ names.features.T
    owners = names.owners.expand_as(nearness)
    lowest = nearness.new_full((len(images), names.classes), -torch.inf)
    best = lowest.scatter_reduce(1, owners, nearness, "amax")
    if details is None:
        return best
    if details.class_names != names.class_names:
        raise InputError("class texts: names and details are not of the same classes in one order.")
    check_features(details.features, "detail features", images.shape[1])
    return (images @ details.sums().T + best) / (details.counts() + 1)


@dataclass(frozen=True)
class Rivals:
    """Texts that tell a class from another one."""

    means: Tensor
    """[P, d]: the mean feature of the texts of each ordered pair of classes."""
    rows: Tensor
    """[C, C], int64: the row of ``means`` for class (first) against rival (second); -1: none."""

    @classmethod
    def of(cls, classes: int, texts: Mapping[tuple[int, int], Tensor]) -> "Rivals":
        """From the features [m, d] of the texts of each (class, rival), as rows of the classes.

        Raises:
            InputError: a class against itself, a class that does not exist, or bad features.
        """
        if not texts:
            raise InputError("texts of rivals: there are none. Rank by the scores alone.")
        width = next(iter(texts.values())).shape[-1]
        rows = torch.full((classes, classes), -1)
        for row, ((one, other), features) in enumerate(sorted(texts.items(), key=_pair)):
            if one == other or not (0 <= one < classes and 0 <= other < classes):
                raise InputError(
                    f"texts of rivals: class {one} against {other}; expected two of the "
                    f"{classes} classes."
                )
            check_features(features, f"texts of class {one} against {other}", width)
            rows[one, other] = row
        means = torch.stack([part.mean(dim=0) for _, part in sorted(texts.items(), key=_pair)])
        return cls(means, rows.to(means.device))


def rerank(
    class_scores: Tensor,
    images: Tensor,
    rivals: Rivals,
    *,
    threshold: float = 0.1,
    top: int = 5,
    logit_scale: float = 100.0,
) -> Tensor:
    """[n], int64: the class of each image after the second step, which is taken for near ties.

    Args:
        class_scores: [n, C], from ``scores``.
        images: [n, d], the same images.
        rivals: a pair without texts in both directions counts as 0.
        threshold: difference of the first two probabilities below which the step is taken.
        top: how many of the first classes it orders.
        logit_scale: from scores to logits.
    """
    check_number(top, "top", 1)
    check_features(images, "image features", rivals.means.shape[1])
    classes = class_scores.shape[1]
    first = class_scores.topk(min(top, classes), dim=1).indices
    decided = first[:, 0].clone()
    if classes == 1:
        return decided
    best = (logit_scale * class_scores).softmax(dim=1).topk(2, dim=1).values
    near = (best[:, 0] - best[:, 1] < threshold).nonzero().flatten()
    if len(near):
        contest = _contest(images[near], first[near], rivals)
        decided[near] = first[near].gather(1, _first_maximum(contest)).squeeze(1)
    return decided


def _contest(images: Tensor, candidates: Tensor, rivals: Rivals) -> Tensor:
    """[n, k]: score' of each of the candidate classes [n, k]."""
    forth = rivals.rows[candidates[:, :, None], candidates[:, None, :]]
    back = forth.transpose(1, 2)
    known = (forth >= 0) & (back >= 0)
    nearness = images @ rivals.means.T
    image = torch.arange(len(images), device=images.device)[:, None, None]
    difference = nearness[image, forth.clamp(min=0)] - nearness[image, back.clamp(min=0)]
    return (difference * known).sum(dim=2) / max(1, candidates.shape[1] - 1)


def _first_maximum(values: Tensor) -> Tensor:
    """[n, 1]: the first column with the largest value, on any device."""
    places = torch.arange(values.shape[1], 0, -1, device=values.device)
    return ((values == values.amax(dim=1, keepdim=True)) * places).argmax(dim=1, keepdim=True)


def _pair(item: tuple[tuple[int, int], Tensor]) -> tuple[int, int]:
    return item[0]
