"""SigLIP: every image with every text of the batch is a pair or none."""

from typing import ClassVar

from torch import Tensor

from nicheclip.training.losses import Logits, Pairs, sigmoid_share
from nicheclip.training.objectives.pairs import PairObjective


class SigLip(PairObjective):
    """SigLIP's sigmoid loss, with the model's own bias."""

    version: ClassVar[int] = 1
    has_bias: ClassVar[bool] = True

    def share(self, own: Pairs, batch: Pairs, logits: Logits, offset: int) -> Tensor:
        """See ``PairObjective``."""
        return sigmoid_share(own, batch, logits, offset)


OBJECTIVE = SigLip
