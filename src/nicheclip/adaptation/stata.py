"""StatA: TransCLIP whose Gaussians are held near the texts, for batches with few classes present.

Zanella, Fuchs, De Vleeschouwer, Ben Ayed (arXiv 2501.03729). The text t_c and a covariance S' make
an anchor N'_c = N(t_c, S') of each class. To TransCLIP's objective, with a covariance S_c of each
class, comes - a alpha sum_c KL(N'_c | N_c). For fixed assignments z, with n_c = sum_i z_ic and the
weighted mean v_c, the maximum is in closed form:

    beta_c = n_c / (n_c + alpha)
    mu_c   = beta_c v_c + (1 - beta_c) t_c
    S_c    = beta_c / n_c sum_i z_ic (f_i - mu_c)^2 + (1 - beta_c) [ S' + (mu_c - t_c)^2 ]

A class without images keeps its anchor; one with many is as in TransCLIP.

Certain, from two notes on paper and code (the paper's text was not at hand): the objective's new
term, beta_c, mu_c, alpha = 1, ten iterations, and that images are counted by their largest
assignment (``hard``), which the authors found steadier. Derived here from the objective: S_c.
Reconstructed: S' is the variance about the texts, weighted by the zero-shot probabilities; the
weights and steps of the assignments are TransCLIP's; start at the anchors. ``code``: means divided
by their lengths (certain), and S_c without (mu_c - t_c)^2 (reconstructed from "shrunk to the first
covariance"). The objective never falls with ``soft`` counts, the formula ``paper`` and the step
``monotone``; hard counts are not its maximum.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nicheclip.adaptation import clip
from nicheclip.adaptation.assignments import Assigner, AssignmentOptions
from nicheclip.adaptation.checks import check_number
from nicheclip.adaptation.gaussians import (
    LEAST_WEIGHT,
    Gaussians,
    at_least_some,
    scatter,
    weighted_means,
)
from nicheclip.adaptation.transclip import Transduction


@dataclass(frozen=True)
class StatAOptions:
    """Of StatA."""

    iterations: int = 10
    anchor_weight: float = 1.0
    """alpha, in images: an anchor counts as much as so many."""
    counts: Literal["hard", "soft"] = "hard"
    """How n_c is counted."""
    formula: Literal["paper", "code"] = "paper"
    logit_scale: float = 100.0
    assignments: AssignmentOptions = field(default_factory=AssignmentOptions)

    def __post_init__(self) -> None:
        """Raise InputError if a number is out of range."""
        check_number(self.iterations, "iterations", 0)
        check_number(self.anchor_weight, "anchor weight", 0, above=True)
        check_number(self.logit_scale, "logit scale", 0, above=True)


def transduce(images: Tensor, anchors: Tensor, options: StatAOptions | None = None) -> Transduction:
    """Classify all images [n, d] together, held near class anchors [C, d], rows of length 1.

    Raises:
        InputError: features that are no numbers, of another length or of different widths.
    """
    options = options or StatAOptions()
    logits = options.logit_scale * clip.scores(images, anchors)
    assigner = Assigner(images, logits, options.assignments)
    log_z = assigner.text_log_probabilities
    held = Gaussians(anchors, anchor_variances(images, log_z.exp(), anchors))

    weight = options.assignments.likelihood_weight * options.anchor_weight

    def objective(log_z: Tensor, gaussians: Gaussians, densities: Tensor) -> float:
        penalty = weight * float(divergences(held, gaussians).double().sum())
        return assigner.objective(log_z, densities) - penalty

    gaussians, densities = held, held.log_densities(images)
    found = [objective(log_z, gaussians, densities)]
    for _ in range(options.iterations):
        log_z = assigner.assign(log_z, densities)
        gaussians = update(images, log_z.exp(), held, options)
        densities = gaussians.log_densities(images)
        found.append(objective(log_z, gaussians, densities))
    log_z = assigner.assign(log_z, densities)
    found.append(objective(log_z, gaussians, densities))
    return Transduction(log_z.exp(), gaussians, tuple(found))


def anchor_variances(images: Tensor, zero_shot: Tensor, anchors: Tensor) -> Tensor:
    """[1, d]: S' = 1/n sum_ic y_ic (f_i - t_c)^2."""
    total = scatter(images, zero_shot, anchors).sum(dim=0, keepdim=True)
    return at_least_some(total / len(images))


def update(images: Tensor, z: Tensor, held: Gaussians, options: StatAOptions) -> Gaussians:
    """The Gaussians that follow from assignments z [n, C] and anchors."""
    soft = z.sum(dim=0)[:, None]
    counts = soft
    if options.counts == "hard":
        counts = torch.bincount(z.argmax(dim=1), minlength=z.shape[1]).to(z.dtype)[:, None]
    beta = counts / (counts + options.anchor_weight)
    means = beta * weighted_means(images, z, held.means) + (1 - beta) * held.means
    if options.formula == "code":
        means = normalize(means, dim=1)
    own = scatter(images, z, means) / soft.clamp(min=LEAST_WEIGHT)
    prior = held.variances.expand_as(means)
    if options.formula == "paper":
        prior = prior + (means - held.means) ** 2
    return Gaussians(means, at_least_some(beta * own + (1 - beta) * prior))


def divergences(anchors: Gaussians, gaussians: Gaussians) -> Tensor:
    """[C]: KL(N'_c | N_c) of Gaussians with diagonal covariances."""
    ratio = anchors.variances / gaussians.variances
    shift = (gaussians.means - anchors.means) ** 2 / gaussians.variances
    return 0.5 * (ratio - 1 - ratio.log() + shift).sum(dim=1)
