"""DINO's head and loss, as equations 1 to 4 and algorithm 1 of Caron et al. have them
(arXiv 2104.14294).

With a student s and a teacher t, whose outputs have K dimensions, temperatures T_s and T_t and the
centre c:

    p_t(g) = softmax((t(g) - c) / T_t)                       for each of the two global crops g
    p_s(v) = softmax(s(v) / T_s)                             for each crop v
    loss   = mean over images and over pairs v != g of  - p_t(g) . ln p_s(v)
    c     <- m c + (1 - m) mean of t(g) over the batch       after each step
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

#: standard deviation of a random weight of the head
INITIAL = 0.02


class DinoHead(nn.Module):
    """Three layers to a bottleneck of length 1, and a last layer of rows of length 1."""

    def __init__(self, features: int, hidden: int, bottleneck: int, outputs: int) -> None:
        super().__init__()
        widths = (features, hidden, hidden, bottleneck)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            linear = nn.Linear(before, after)
            nn.init.trunc_normal_(linear.weight, std=INITIAL)
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.GELU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.last = nn.Parameter(torch.empty(outputs, bottleneck))
        nn.init.trunc_normal_(self.last, std=INITIAL)

    def forward(self, features: Tensor) -> Tensor:
        """[n, features] to [n, outputs]: cosines of the bottleneck with the last layer's rows."""
        found = functional.normalize(self.layers(features), dim=1)
        return functional.linear(found, functional.normalize(self.last, dim=1))


class Centre(nn.Module):
    """The moving mean of the teacher's outputs [K]."""

    mean: Tensor

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(outputs))

    def move(self, batch_mean: Tensor, momentum: float) -> None:
        """Towards the mean of a batch."""
        self.mean.mul_(momentum).add_(batch_mean.to(self.mean), alpha=1 - momentum)


def teacher_targets(teacher: Tensor, centre: Tensor, temperature: float) -> Tensor:
    """[n, 2, K]: what the student is to answer, from the teacher's outputs for global crops."""
    return torch.softmax((teacher - centre) / temperature, dim=-1)


def dino_sum(student: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """The sum over images of the mean over pairs of two different crops of their cross-entropy.

    Args:
        student: [n, v, K], outputs for all crops, the global ones first and in the same order.
        targets: [n, 2, K].
        temperature: of the student.
    """
    logs = torch.log_softmax(student / temperature, dim=-1)
    crossed = -torch.einsum("ngk,nvk->gv", targets, logs)
    globals_, views = crossed.shape
    same = crossed.diagonal().sum()
    return (crossed.sum() - same) / (globals_ * (views - 1))


def teacher_temperature(first: float, last: float, epochs: int, epoch: int) -> float:
    """Of ``epoch`` (from 0): from ``first`` to ``last``, which the epoch ``epochs`` - 1 has."""
    if epoch >= epochs:
        return last
    return first + (last - first) * epoch / max(epochs - 1, 1)


def entropy(probabilities: Tensor) -> Tensor:
    """Of each row, in nats: 0 ln 0 is 0."""
    found: Tensor = torch.special.entr(probabilities).sum(dim=-1)
    return found
