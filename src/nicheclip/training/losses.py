"""Contrastive losses over pairs of image and text features.

When several processes share a batch, each holds a slice of the anchors and, after gathering, all
candidates. Every function here then returns that process's *share*: the terms of its own anchors,
divided by the size of the whole batch. Shares of all processes add up to the loss of the batch.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from nicheclip.runtime.errors import InputError


@dataclass(frozen=True)
class Pairs:
    """Features of n images and of the n texts that they are paired with."""

    images: Tensor
    """[n, d], float32, each row of length 1."""
    texts: Tensor
    """[n, d], float32, each row of length 1."""
    labels: Tensor
    """[n], int64: the class of each pair."""

    def __len__(self) -> int:
        return len(self.labels)


class Logits(NamedTuple):
    """How similarities become logits."""

    scale: Tensor
    """Scalar, the inverse temperature."""
    bias: Tensor | None = None
    """Scalar, of models that have one (SigLIP)."""


def multi_positive_loss(
    image_features: Tensor,
    text_features: Tensor,
    logit_scale: Tensor,
    image_labels: Tensor,
    text_labels: Tensor,
) -> Tensor:
    """FungalZSL, equations 7 to 9: L_image + L_text, with every item of the same class a positive.

    In each direction: the mean over anchors of the mean over the anchor's positives of
    -log softmax of the scaled similarities. It is 2 ln n for n pairs whose features are all equal,
    and cannot fall below the sum of both directions' mean log number of positives.

    Args:
        image_features: [n, d], rows of length 1.
        text_features: [m, d], rows of length 1.
        logit_scale: scalar, the inverse temperature.
        image_labels: [n], class of each image.
        text_labels: [m], class of each text.

    Returns:
        A scalar; NaN when an item has no positive, for which the equations are not defined.
    """
    image_terms = _multi_positive_terms(
        image_features, text_features, logit_scale, image_labels, text_labels
    )
    text_terms = _multi_positive_terms(
        text_features, image_features, logit_scale, text_labels, image_labels
    )
    return image_terms.mean() + text_terms.mean()


def multi_positive_share(own: Pairs, batch: Pairs, logit_scale: Tensor) -> Tensor:
    """The share of ``own`` in the ``multi_positive_loss`` of ``batch``, of which it is a slice."""
    image_terms = _multi_positive_terms(
        own.images, batch.texts, logit_scale, own.labels, batch.labels
    )
    text_terms = _multi_positive_terms(
        own.texts, batch.images, logit_scale, own.labels, batch.labels
    )
    return (image_terms.sum() + text_terms.sum()) / len(batch)


def contrastive_share(own: Pairs, batch: Pairs, logit_scale: Tensor, offset: int) -> Tensor:
    """The share of ``own`` in CLIP's symmetric InfoNCE of ``batch``, the mean of both directions.

    It is open_clip's ``ClipLoss(local_loss=True)`` for slices that need not be of equal length.

    Args:
        own: rows ``offset`` to ``offset + len(own)`` of ``batch``.
        batch: all pairs.
        logit_scale: scalar, the inverse temperature.
        offset: where ``own`` begins.
    """
    partners = torch.arange(offset, offset + len(own), device=own.labels.device)
    total = functional.cross_entropy(
        logit_scale * own.images @ batch.texts.T, partners, reduction="sum"
    ) + functional.cross_entropy(
        logit_scale * own.texts @ batch.images.T, partners, reduction="sum"
    )
    return total / (2 * len(batch))


def sigmoid_share(own: Pairs, batch: Pairs, logits: Logits, offset: int) -> Tensor:
    """The share of ``own`` in SigLIP's loss of ``batch`` (arXiv 2303.15343, section 3.2).

    Every image with every text is a question of its own: -1/n sum_ij log sigmoid(z_ij (t x_i . y_j
    + b)), where z_ij is 1 for the pairs and -1 for all others, t the scale and b the bias.

    Args:
        own: rows ``offset`` to ``offset + len(own)`` of ``batch``.
        batch: all n pairs.
        logits: with a bias.
        offset: where ``own`` begins.
    """
    if logits.bias is None:
        raise InputError(
            "training: SigLIP's loss needs a model with a bias, and this one has none. Start from "
            "a SigLIP, or give the architecture `init_logit_bias: -10` and `init_logit_scale: 2.3`."
        )
    similarities = logits.scale * own.images @ batch.texts.T + logits.bias
    signs = -torch.ones_like(similarities)
    rows = torch.arange(len(own), device=signs.device)
    signs[rows, rows + offset] = 1
    return -functional.logsigmoid(signs * similarities).sum() / len(batch)


def _multi_positive_terms(
    anchors: Tensor,
    candidates: Tensor,
    logit_scale: Tensor,
    anchor_labels: Tensor,
    candidate_labels: Tensor,
) -> Tensor:
    """[n]: for each anchor the mean of -log softmax over its positives among the candidates."""
    log_probabilities = functional.log_softmax(logit_scale * anchors @ candidates.T, dim=1)
    positives = (anchor_labels[:, None] == candidate_labels[None, :]).to(log_probabilities.dtype)
    return -(positives * log_probabilities).sum(dim=1) / positives.sum(dim=1)
