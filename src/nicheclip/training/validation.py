"""The loss and the accuracy on held-out images, after every epoch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nicheclip.training.losses import Pairs


@dataclass(frozen=True)
class Validation:
    """Figures of one epoch on the validation split."""

    loss: float
    """Of the recipe, in batches of the training batch size and a fixed order, weighted by their
    length."""
    accuracy: float
    """Share of images whose nearest class mean is that of their own class; a class's mean is over
    the features of its validation texts."""


def class_mean_accuracy(pairs: Pairs) -> float:
    """Zero-shot accuracy with the mean text of each class that occurs as its prototype."""
    classes, numbers = torch.unique(pairs.labels, return_inverse=True)
    sums = torch.zeros(len(classes), pairs.texts.shape[1], dtype=pairs.texts.dtype)
    sums = sums.to(pairs.texts.device).index_add(0, numbers, pairs.texts)
    prototypes = torch.nn.functional.normalize(sums, dim=1)  # a mean's direction is the sum's
    hits: Tensor = (pairs.images @ prototypes.T).argmax(dim=1) == numbers
    return float(hits.double().mean())


def joined(parts: list[Pairs]) -> Pairs:
    """All pairs of ``parts``."""
    return Pairs(
        torch.cat([p.images for p in parts]),
        torch.cat([p.texts for p in parts]),
        torch.cat([p.labels for p in parts]),
    )
