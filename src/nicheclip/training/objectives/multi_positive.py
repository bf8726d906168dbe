"""FungalZSL: every text of the image's class is a positive."""

from typing import ClassVar

from torch import Tensor

from nicheclip.training.losses import Logits, Pairs, multi_positive_share
from nicheclip.training.objectives.pairs import PairObjective


class MultiPositive(PairObjective):
    """FungalZSL, equations 7 to 9."""

    version: ClassVar[int] = 1

    def share(self, own: Pairs, batch: Pairs, logits: Logits, offset: int) -> Tensor:
        """See ``PairObjective``."""
        del offset
        return multi_positive_share(own, batch, logits.scale)


OBJECTIVE = MultiPositive
