"""Softmax regression by AdamW (Loshchilov and Hutter, arXiv 1711.05101), for linear probes.

A probe of a few epochs stops before its minimum: its accuracy depends on the rate, the batch size
and the start as well. It is here to be laid beside numbers that were made so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nicheclip.config.probes import AdamwProbe
from nicheclip.models.features import Array
from nicheclip.runtime.errors import InputError

#: decay of the running means of the gradient and of its square, and what keeps the division finite
BETAS, EPSILON = (0.9, 0.999), 1e-8

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SoftmaxClassifier:
    """A linear map from features to the logits of c classes."""

    classes_: npt.NDArray[np.str_]
    """[c], sorted."""
    weights: Array
    """[c, d + 1], float32; the last column is the bias."""

    def predict_proba(self, features: Array) -> Array:
        """Probabilities [n, c] of features [n, d]."""
        return _softmax(_with_ones(features) @ self.weights.T)


def fit_softmax(
    features: Array, labels: Sequence[str], options: AdamwProbe, draw: np.random.Generator
) -> SoftmaxClassifier:
    """A classifier from n training images.

    Args:
        features: [n, d], each of length 1.
        labels: their n classes.
        options: the schedule.
        draw: of the start and of the order in each epoch.

    Raises:
        InputError: the weights have left the range of numbers.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    width = features.shape[1]
    start = draw.uniform(-1, 1, (len(classes), width + 1)) / np.sqrt(width)
    batches = list(shuffled_batches(len(codes), options, draw))
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        weights = descend(start.astype(np.float32), features, codes, batches, options)
    if not np.isfinite(weights).all():
        raise InputError(
            f"linear_probe: probe diverges with lr {options.lr:g} and weight_decay "
            f"{options.weight_decay:g}. Give smaller ones."
        )
    return SoftmaxClassifier(classes, weights)


def shuffled_batches(count: int, options: AdamwProbe, draw: np.random.Generator) -> Iterator[Codes]:
    """Rows of each batch of all epochs; the last batch of an epoch may be smaller."""
    for _ in range(options.epochs):
        order = draw.permutation(count)
        for first in range(0, count, options.batch_size):
            yield order[first : first + options.batch_size]


def descend(
    start: Array, features: Array, codes: Codes, batches: Sequence[Codes], options: AdamwProbe
) -> Array:
    """The weights [c, d + 1] after a step of AdamW for each batch.

    Args:
        start: [c, d + 1], the last column is the bias.
        features: [n, d].
        codes: [n], the class of each row.
        batches: rows of each step.
        options: rate and decay; the rate of step t of T is lr (1 + cos(pi t / T)) / 2.
    """
    weights, inputs = start.copy(), _with_ones(features)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    for step, rows in enumerate(batches):
        rate = options.lr * (1 + np.cos(np.pi * step / len(batches))) / 2
        errors = _softmax(inputs[rows] @ weights.T)
        errors[np.arange(len(rows)), codes[rows]] -= 1
        gradient = errors.T @ inputs[rows] / len(rows)
        mean += (1 - BETAS[0]) * (gradient - mean)
        square += (1 - BETAS[1]) * (gradient**2 - square)
        corrected = mean / (1 - BETAS[0] ** (step + 1))
        scale = np.sqrt(square / (1 - BETAS[1] ** (step + 1))) + EPSILON
        weights -= np.float32(rate) * (corrected / scale + options.weight_decay * weights)
    return weights


def _with_ones(features: Array) -> Array:
    return np.concatenate([features, np.ones((len(features), 1), np.float32)], axis=1)


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares
