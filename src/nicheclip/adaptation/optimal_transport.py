"""SOTA: optimal transport joins CLIPs and vision models without texts, without training.

Hu, Xu, Duan, Tai, Li (arXiv 2506.13723, CVPR 2026). A CLIP gives probabilities Q_v [n, C]. A vision
model (DINO) gives features; Gaussians of the classes among them give probabilities P_v. Sought is
one transport plan T [n, C] of images to classes, each image with mass 1/n, each class with q_c:

    max over T, Gaussians of  sum_v <T, P_v>^2 + sum_v <T, Q_v>^2 + e H(T),  H(T) = - sum T log T

The squares weigh the models: their tangent at T' is 2 <T', P_v> <T, P_v>, so a model counts by how
much it agrees with the plan. Block by block, ten times:

    P_v    = softmax_c( -a/2 * Mahalanobis distance to class c )
    T      = Sinkhorn( sum_v alpha_v P_v + sum_v beta_v Q_v, e )     alpha_v = 2 <T', P_v>, ...
    Gaussians: means and shared variances weighted by T

Certain (from notes on the paper, whose appendix was not at hand, and the authors' code): the
objective, the tangent's weights, e = 0.01, 15 Sinkhorn steps, ten iterations, q_c = 1/C, a = 1/50,
the first means (8 most confident images of the mean Q_v, variance 1/d). ``code``: alpha_v is the
share of images for which P_v and T have the same largest class, the shares of the vision models
sum to 1 and those of the CLIPs too, and means are divided by their lengths. Reconstructed: with
``paper`` the means are not divided. A step in T never lowers the objective when Sinkhorn has
converged and the Gaussians stay; nobody shows that for the step in the Gaussians. With ``paper`` a
model that is surer of itself counts more, right or wrong; with ``code`` it does not.

Uniform q_c suits balanced data; where classes are missing it forces images into them. ``class_mass
= "zero_shot"``, ours, takes the mean of the Q_v instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nicheclip.adaptation.checks import check_features, check_number, check_probabilities
from nicheclip.adaptation.gaussians import (
    Gaussians,
    most_confident_means,
    shared_variances,
    weighted_means,
)
from nicheclip.runtime.errors import InputError


@dataclass(frozen=True)
class TransportOptions:
    """Of the fusion."""

    iterations: int = 10
    formula: Literal["paper", "code"] = "paper"
    """How models are weighted."""
    class_mass: Literal["uniform", "zero_shot"] = "uniform"
    """q_c."""
    entropy_weight: float = 0.01
    """e."""
    sinkhorn_steps: int = 15
    likelihood_weight: float = 1 / 50
    """a."""
    confident_images: int = 8

    def __post_init__(self) -> None:
        """Raise InputError if a number is out of range."""
        check_number(self.iterations, "iterations", 1)
        check_number(self.entropy_weight, "entropy weight", 0, above=True)
        check_number(self.sinkhorn_steps, "Sinkhorn steps", 1)
        check_number(self.likelihood_weight, "likelihood weight", 0)
        check_number(self.confident_images, "confident images", 1)


@dataclass(frozen=True)
class Fusion:
    """Images that were classified together by several models."""

    assignments: Tensor
    """[n, C], rows of sum 1: n times the plan."""
    gaussians: tuple[Gaussians, ...]
    """The classes among the features of each vision model."""
    vision_weights: Tensor
    """[V], alpha."""
    text_weights: Tensor
    """[U], beta."""
    objective: tuple[float, ...]
    """After each iteration, before the Gaussians change; to be maximised."""


def fuse(
    vision: Sequence[Tensor], zero_shot: Sequence[Tensor], options: TransportOptions | None = None
) -> Fusion:
    """Classify images by vision models and CLIPs together.

    Args:
        vision: features [n, d_v] of length 1, of each vision model; may be none.
        zero_shot: probabilities [n, C] of each CLIP, at least one.
        options: of the method.

    Raises:
        InputError: no CLIP, or models with different images or classes, or bad numbers.
    """
    options = options or TransportOptions()
    texts = _stacked(zero_shot)
    _check_vision(vision, texts)
    start = texts.mean(dim=0)
    mass = start.mean(dim=0)
    if options.class_mass == "uniform":
        mass = torch.full_like(mass, 1 / len(mass))
    gaussians = tuple(_first_gaussians(features, start, options) for features in vision)
    seen = _posteriors(vision, gaussians, texts, options)
    weights = _first_weights(start, seen, texts, options)
    objective = []
    for _ in range(options.iterations):
        joined = _joined(weights[0], seen) + _joined(weights[1], texts)
        plan = sinkhorn(joined, mass, options.entropy_weight, options.sinkhorn_steps)
        objective.append(objective_of(plan, seen, texts, options.entropy_weight))
        if options.formula == "code":  # from the probabilities before the Gaussians change
            weights = _shares(plan, seen), _shares(plan, texts)
        gaussians = tuple(
            _maximise(features, plan, before, options)
            for features, before in zip(vision, gaussians, strict=True)
        )
        seen = _posteriors(vision, gaussians, texts, options)
        if options.formula == "paper":
            weights = 2 * agreements(plan, seen), 2 * agreements(plan, texts)
    return Fusion(plan * len(plan), gaussians, *weights, tuple(objective))


def classify(
    fusion: Fusion,
    vision: Sequence[Tensor],
    zero_shot: Sequence[Tensor],
    options: TransportOptions | None = None,
) -> Tensor:
    """[m, C]: scores of other images by the Gaussians and weights of ``fusion``, one by one."""
    texts = _stacked(zero_shot)
    _check_vision(vision, texts)
    if (len(vision), len(texts)) != (len(fusion.gaussians), len(fusion.text_weights)):
        raise InputError(
            f"fusion: {len(vision)} vision models and {len(texts)} CLIPs; it was made from "
            f"{len(fusion.gaussians)} and {len(fusion.text_weights)}. Give the same models."
        )
    seen = _posteriors(vision, fusion.gaussians, texts, options or TransportOptions())
    return _joined(fusion.vision_weights, seen) + _joined(fusion.text_weights, texts)


def sinkhorn(scores: Tensor, class_mass: Tensor, entropy_weight: float, steps: int) -> Tensor:
    """[n, C]: the plan T of largest <T, scores> + e H(T), of rows 1/n and columns ``class_mass``.

    Each step scales the columns, then the rows; rows are exact, columns in the limit.
    """
    log_plan = scores / entropy_weight
    rows = -torch.tensor(float(len(scores)), dtype=scores.dtype, device=scores.device).log()
    columns = class_mass.clamp(min=torch.finfo(scores.dtype).tiny).log()
    for _ in range(steps):
        log_plan = log_plan + (columns - log_plan.logsumexp(dim=0))
        log_plan = log_plan + (rows - log_plan.logsumexp(dim=1, keepdim=True))
    return log_plan.exp()


def objective_of(plan: Tensor, seen: Tensor, texts: Tensor, entropy_weight: float) -> float:
    """The objective, of a plan [n, C] and probabilities P [V, n, C] and Q [U, n, C]."""
    squares = (agreements(plan, seen) ** 2).sum() + (agreements(plan, texts) ** 2).sum()
    return float(squares - entropy_weight * torch.xlogy(plan, plan).sum())


def agreements(plan: Tensor, probabilities: Tensor) -> Tensor:
    """[V]: <T, P_v>, of a plan [n, C] and probabilities [V, n, C]."""
    return torch.einsum("nc,vnc->v", plan, probabilities)


def _shares(plan: Tensor, probabilities: Tensor) -> Tensor:
    """[V], of sum 1: in proportion to the images on whose largest class P_v and T agree."""
    agree = probabilities.argmax(dim=2) == plan.argmax(dim=1)
    counts = agree.sum(dim=1).to(plan.dtype).clamp(min=1e-8)
    return counts / counts.sum()


def _first_weights(
    start: Tensor, seen: Tensor, texts: Tensor, options: TransportOptions
) -> tuple[Tensor, Tensor]:
    if options.formula == "paper":
        plan = start / len(start)
        return 2 * agreements(plan, seen), 2 * agreements(plan, texts)
    return start.new_full((len(seen),), 1 / max(1, len(seen))), start.new_full(
        (len(texts),), 1 / len(texts)
    )


def _joined(weights: Tensor, probabilities: Tensor) -> Tensor:
    """[n, C]: the weighted sum of probabilities [V, n, C]."""
    return torch.einsum("v,vnc->nc", weights, probabilities)


def _posteriors(
    vision: Sequence[Tensor],
    gaussians: Sequence[Gaussians],
    texts: Tensor,
    options: TransportOptions,
) -> Tensor:
    """[V, n, C]: P_v of each vision model."""
    found = [
        (-options.likelihood_weight / 2 * classes.distances(features)).softmax(dim=1)
        for features, classes in zip(vision, gaussians, strict=True)
    ]
    return torch.stack(found) if found else texts[:0]


def _first_gaussians(features: Tensor, start: Tensor, options: TransportOptions) -> Gaussians:
    logits = start.clamp(min=torch.finfo(start.dtype).tiny).log()
    means = most_confident_means(
        features, logits, options.confident_images, unit_length=options.formula == "code"
    )
    return Gaussians(means, features.new_full((1, features.shape[1]), 1 / features.shape[1]))


def _maximise(
    features: Tensor, plan: Tensor, before: Gaussians, options: TransportOptions
) -> Gaussians:
    z = plan * len(plan)
    means = weighted_means(features, z, before.means, unit_length=options.formula == "code")
    return Gaussians(means, shared_variances(features, z, means))


def _stacked(zero_shot: Sequence[Tensor]) -> Tensor:
    if not zero_shot:
        raise InputError("fusion: no CLIP's probabilities. Without texts no class has a name.")
    for number, part in enumerate(zero_shot, start=1):
        what = f"probabilities of CLIP {number}"
        check_probabilities(part, what, len(zero_shot[0]))
        if part.shape != zero_shot[0].shape:
            raise InputError(
                f"{what}: {part.shape[1]} classes, those of CLIP 1 are {zero_shot[0].shape[1]}. "
                "Use the same classes."
            )
    return torch.stack(list(zero_shot))


def _check_vision(vision: Sequence[Tensor], texts: Tensor) -> None:
    for number, features in enumerate(vision, start=1):
        what = f"features of vision model {number}"
        check_features(features, what)
        if len(features) != texts.shape[1] or features.dtype != texts.dtype:
            raise InputError(
                f"{what}: {len(features)} rows of {features.dtype}; the CLIPs gave probabilities "
                f"of {texts.shape[1]} images of {texts.dtype}. Give the same images and type."
            )
