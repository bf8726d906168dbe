"""Soft assignments of images to classes: what texts, class densities and neighbours say together.

For image i, z_i are probabilities over the classes; y_i those of the texts, p_i the densities of
the classes at the image, S the affinity of the images. The part of the objective that depends on
the assignments, to be maximised, is

    sum_i [ a z_i . log p_i + l z_i . log y_i - z_i . log z_i ] + b/2 sum_ij S_ij z_i . z_j

with the weights a (likelihood), l (text), b (affinity). The last term couples the images. Replaced
by its tangent at the assignments before, z', it leaves for all images at once

    z_i ~ y_i^l exp( a log p_i + b sum_j S_ij z'_j )                     (the published step)

The tangent is a lower bound where S is positive semidefinite. An affinity of nearest neighbours is
not: an image that is near to very many others may swing, and the objective fall. The step
``monotone`` therefore subtracts c_i KL(z_i | z'_i), which damps such an image alone:

    z_i ~ [ y_i^l exp( a log p_i + b sum_j S_ij z'_j ) z'_i^c_i ]^(1 / (1 + c_i))
    c_i = max(0, b D_i / 4 - 1/2),  D_i = sum_j |S_ij|

Why it is enough: for u = z - z', S + diag(D) is diagonally dominant, so the tangent is wrong by
b/2 sum_i D_i |u_i|^2 at most. The step gains (1 + c_i) KL(z'_i | z_i) + c_i KL(z_i | z'_i) for each
image, and KL >= |u_i|^2 (Pinsker, and sum u = 0), so at least (1 + 2 c_i) |u_i|^2 in sum. With the
published weights (b = 1/6) only images with D_i > 12 are damped.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nicheclip.adaptation.checks import check_number
from nicheclip.adaptation.neighbours import affinity, row_sums

Step = Literal["monotone", "published"]


@dataclass(frozen=True)
class AssignmentOptions:
    """How assignments follow from texts, class densities and neighbours."""

    neighbours: int = 3
    """Of each image."""
    text_weight: float = 1.0
    """l."""
    likelihood_weight: float = 1 / 50
    """a."""
    affinity_weight: float | None = None
    """b; None: 1 / (2 * neighbours), the published 1/6 for three."""
    steps: int = 5
    """In each iteration, with the densities fixed."""
    step: Step = "monotone"
    """``published`` may lower the objective."""

    def __post_init__(self) -> None:
        """Raise InputError if a number is out of range."""
        check_number(self.neighbours, "neighbours", 0)
        check_number(self.text_weight, "text weight", 0)
        check_number(self.likelihood_weight, "likelihood weight", 0)
        check_number(self.steps, "steps", 1)
        if self.affinity_weight is not None:
            check_number(self.affinity_weight, "affinity weight", 0)


class Assigner:
    """The images with their texts' probabilities and neighbours; gives and judges assignments."""

    def __init__(self, images: Tensor, text_logits: Tensor, options: AssignmentOptions) -> None:
        self._options = options
        self.text_log_probabilities = text_logits.log_softmax(dim=1)
        self._affinity = affinity(images, options.neighbours)
        weight = options.affinity_weight
        self._weight = 1 / (2 * max(1, options.neighbours)) if weight is None else weight
        damping = self._weight * row_sums(self._affinity) / 4 - 0.5
        self._damping = damping.clamp(min=0)[:, None] * (options.step == "monotone")

    def assign(self, log_assignments: Tensor, log_densities: Tensor) -> Tensor:
        """[n, C]: the logarithms of the assignments after ``steps`` steps from those before."""
        options = self._options
        fixed = _without_neighbours(self.text_log_probabilities, log_densities, options)
        for _ in range(options.steps):
            near = torch.sparse.mm(self._affinity, log_assignments.exp())
            logits = fixed + self._weight * near + self._damping * log_assignments
            log_assignments = (logits / (1 + self._damping)).log_softmax(dim=1)
        return log_assignments

    def objective(self, log_assignments: Tensor, log_densities: Tensor) -> float:
        """The objective of the module's first equation."""
        options, z = self._options, log_assignments.exp()
        near = torch.sparse.mm(self._affinity, z)
        terms = (
            options.likelihood_weight * log_densities
            + options.text_weight * self.text_log_probabilities
            - log_assignments
            + 0.5 * self._weight * near
        )
        return float((z * terms).double().sum())


def assign_alone(text_logits: Tensor, log_densities: Tensor, options: AssignmentOptions) -> Tensor:
    """[n, C]: assignments of images that have no neighbours, z_i ~ y_i^l exp(a log p_i)."""
    texts = text_logits.log_softmax(dim=1)
    return _without_neighbours(texts, log_densities, options).softmax(dim=1)


def _without_neighbours(
    text_log_probabilities: Tensor, log_densities: Tensor, options: AssignmentOptions
) -> Tensor:
    return options.text_weight * text_log_probabilities + options.likelihood_weight * log_densities
