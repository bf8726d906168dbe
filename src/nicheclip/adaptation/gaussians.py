"""Classes as Gaussians with diagonal covariance, among image features."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

#: a class with less weight than this keeps its mean
LEAST_WEIGHT = 1e-12

#: times 1/d: the least variance. Features nearer than that are the same photograph
LEAST_VARIANCE = 1e-4


@dataclass(frozen=True)
class Gaussians:
    """One Gaussian for each of C classes."""

    means: Tensor
    """[C, d]."""
    variances: Tensor
    """[1, d], shared by the classes, or [C, d]."""

    def log_densities(self, features: Tensor) -> Tensor:
        """[n, C]: the logarithm of each class's density at features [n, d]."""
        constants = (2 * math.pi * self.variances).log().sum(dim=1)
        return -0.5 * (self.distances(features) + constants)

    def distances(self, features: Tensor) -> Tensor:
        """[n, C]: squared Mahalanobis distances, sum_d (f_d - mu_d)^2 / sigma_d^2."""
        # by matrix products, about a centre: no [n, C, d], and nothing large cancels
        centre = features.mean(dim=0)
        x, means = features - centre, self.means - centre
        inverse = (1 / self.variances).expand_as(means)
        squares = (x * x) @ inverse.T + (means * means * inverse).sum(dim=1)
        return (squares - 2 * x @ (means * inverse).T).clamp(min=0)


def most_confident_means(
    features: Tensor, log_assignments: Tensor, count: int, *, unit_length: bool
) -> Tensor:
    """[C, d]: each class's weighted mean of the ``count`` images with its largest assignments.

    From logarithms [n, C], since those of a class that nothing speaks for may all round to 0.
    """
    logits, rows = log_assignments.topk(min(count, len(features)), dim=0)
    means = torch.einsum("kc,kcd->cd", logits.softmax(dim=0), features[rows])
    return normalize(means, dim=1) if unit_length else means


def weighted_means(
    features: Tensor, assignments: Tensor, before: Tensor, *, unit_length: bool = False
) -> Tensor:
    """[C, d]: each class's mean, weighted by assignments [n, C].

    Args:
        features: [n, d].
        assignments: not negative.
        before: [C, d], kept for a class whose assignments sum to nothing.
        unit_length: whether the means are divided by their lengths.
    """
    weights = assignments.sum(dim=0)[:, None]
    means = (assignments.T @ features) / weights.clamp(min=LEAST_WEIGHT)
    if unit_length:
        means = normalize(means, dim=1)
    return torch.where(weights > LEAST_WEIGHT, means, before)


def scatter(features: Tensor, assignments: Tensor, means: Tensor) -> Tensor:
    """[C, d]: sum_i z_ic (f_i - mu_c)^2, by dimension."""
    centre = features.mean(dim=0)
    x, means = features - centre, means - centre
    weights = assignments.sum(dim=0)[:, None]
    sums = assignments.T @ (x * x) - 2 * means * (assignments.T @ x) + weights * means * means
    return sums.clamp(min=0)


def shared_variances(features: Tensor, assignments: Tensor, means: Tensor) -> Tensor:
    """[1, d]: the variance about the means, of all classes together."""
    total = scatter(features, assignments, means).sum(dim=0, keepdim=True)
    return at_least_some(total / assignments.sum())


def at_least_some(variances: Tensor) -> Tensor:
    """``variances`` [..., d], none below ``LEAST_VARIANCE`` / d."""
    return variances.clamp(min=LEAST_VARIANCE / variances.shape[-1])
