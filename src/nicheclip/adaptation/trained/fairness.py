"""The fairness loss of MUST and FAIR: predictions are drawn to classes of equal size.

    L_fair = -1/C sum_c log P_c

``batch``: P is the mean prediction over the batch. ``moving_average``: in step t of an epoch

    P_t = (P_{t-1} + mean over the batch) / 2,   P_0 = the first batch's mean,

with a gradient through the batch alone, and the loss is divided by the 1/2 that this gradient has.

Certain: the loss, and that FAIR's P is a moving average. Reconstructed from the code of its
authors' next method: the half, the start anew in every epoch, the division.
"""

from typing import Literal

from torch import Tensor

MOMENTUM = 0.5

Kind = Literal["moving_average", "batch", "none"]


class Fairness:
    """The loss with its moving average, which is plain state of an objective."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.average: Tensor | None = None
        """[C], without gradient; None before the first step of an epoch."""

    def begin_epoch(self) -> None:
        """Forget the epoch before."""
        self.average = None

    def loss(self, probabilities: Tensor) -> Tensor:
        """Scalar, from the predictions [n, C] of the whole batch; moves the average on."""
        mean = probabilities.mean(dim=0)
        if self._kind == "none":
            return mean.new_zeros(())
        if self._kind == "batch":
            return -mean.clamp_min(_SMALLEST).log().mean()
        if self.average is not None:
            mean = MOMENTUM * self.average.to(mean) + (1 - MOMENTUM) * mean
        self.average = mean.detach()
        return -mean.clamp_min(_SMALLEST).log().mean() / (1 - MOMENTUM)


#: a class that no image shows any sign of would have the logarithm of 0
_SMALLEST = 1e-12
