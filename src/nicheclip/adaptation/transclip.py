"""TransCLIP-ZS: all images are classified together, by a mixture of Gaussians tied to the texts.

Zanella, Gerin, Ben Ayed (arXiv 2406.01837). Each class c has a Gaussian with mean mu_c and the
diagonal covariance of all classes, p_ic its density at image i, y_i = softmax(s f_i . T) the
zero-shot probabilities. Maximised over the assignments z, means and covariance, block by block:

    J = sum_i [ a z_i . log p_i + l z_i . log y_i - z_i . log z_i ] + b/2 sum_ij S_ij z_i . z_j

    z      the steps of ``assignments.py``
    mu_c   = sum_i z_ic f_i / sum_i z_ic
    sig^2  = 1/n sum_ic z_ic (f_i - mu_c)^2, by dimension

Start: z = y, mu_c the z-weighted mean of the 8 images most confident of c, sig^2 = 1/d. Ten
iterations of z (5 steps), mu, sig; then z once more.

Certain, from the project's notes on paper and code: the three terms, the order of the blocks, the
step in z with a = 1/50, b = 1/6, l = 1 and 3 neighbours, the start, the numbers of iterations.
Reconstructed, as the paper's text was not at hand: J as a whole, with these weights; mu and sig are
its maxima. The published code divides the means by their lengths, which is no maximum and may lower
J: ``unit_means``. It also uses the first template alone for T and takes the number of classes from
the test labels; neither is done here.
"""

from dataclasses import dataclass, field

from torch import Tensor

from nicheclip.adaptation import clip
from nicheclip.adaptation.assignments import Assigner, AssignmentOptions, assign_alone
from nicheclip.adaptation.checks import check_number
from nicheclip.adaptation.gaussians import (
    Gaussians,
    most_confident_means,
    shared_variances,
    weighted_means,
)


@dataclass(frozen=True)
class TransClipOptions:
    """Of TransCLIP-ZS."""

    iterations: int = 10
    confident_images: int = 8
    """Of each class, for the first means."""
    unit_means: bool = False
    """Whether means are divided by their lengths, as in the published code."""
    logit_scale: float = 100.0
    """s."""
    assignments: AssignmentOptions = field(default_factory=AssignmentOptions)

    def __post_init__(self) -> None:
        """Raise InputError if a number is out of range."""
        check_number(self.iterations, "iterations", 0)
        check_number(self.confident_images, "confident images", 1)
        check_number(self.logit_scale, "logit scale", 0, above=True)


@dataclass(frozen=True)
class Transduction:
    """Images that were classified together."""

    assignments: Tensor
    """[n, C], rows of sum 1."""
    gaussians: Gaussians
    """The classes among the images."""
    objective: tuple[float, ...]
    """At the start, after each iteration, and after the last assignment; to be maximised."""

    def classify(
        self,
        images: Tensor,
        anchors: Tensor,
        *,
        logit_scale: float = 100.0,
        options: AssignmentOptions | None = None,
    ) -> Tensor:
        """[m, C]: probabilities of other images, one by one, by these classes and the texts.

        Ours, for images that come later: they have no neighbours. No paper has it.
        """
        logits = logit_scale * clip.scores(images, anchors)
        densities = self.gaussians.log_densities(images)
        return assign_alone(logits, densities, options or AssignmentOptions())


def transduce(
    images: Tensor, anchors: Tensor, options: TransClipOptions | None = None
) -> Transduction:
    """Classify all images [n, d] together, starting from class anchors [C, d], rows of length 1.

    Raises:
        InputError: features that are no numbers, of another length or of different widths.
    """
    options = options or TransClipOptions()
    logits = options.logit_scale * clip.scores(images, anchors)
    assigner = Assigner(images, logits, options.assignments)
    log_z = assigner.text_log_probabilities
    means = most_confident_means(
        images, log_z, options.confident_images, unit_length=options.unit_means
    )
    gaussians = Gaussians(means, images.new_full((1, images.shape[1]), 1 / images.shape[1]))
    densities = gaussians.log_densities(images)
    objective = [assigner.objective(log_z, densities)]
    for _ in range(options.iterations):
        log_z = assigner.assign(log_z, densities)
        gaussians = maximise(images, log_z.exp(), gaussians, unit_means=options.unit_means)
        densities = gaussians.log_densities(images)
        objective.append(assigner.objective(log_z, densities))
    log_z = assigner.assign(log_z, densities)
    objective.append(assigner.objective(log_z, densities))
    return Transduction(log_z.exp(), gaussians, tuple(objective))


def maximise(images: Tensor, z: Tensor, before: Gaussians, *, unit_means: bool) -> Gaussians:
    """The Gaussians that maximise sum_i z_i . log p_i, but for ``unit_means``."""
    means = weighted_means(images, z, before.means, unit_length=unit_means)
    return Gaussians(means, shared_variances(images, z, means))
