"""CLIP: the one matching text is the positive."""

from typing import ClassVar

from torch import Tensor

from nicheclip.training.losses import Logits, Pairs, contrastive_share
from nicheclip.training.objectives.pairs import PairObjective


class Contrastive(PairObjective):
    """CLIP's symmetric InfoNCE."""

    version: ClassVar[int] = 1

    def share(self, own: Pairs, batch: Pairs, logits: Logits, offset: int) -> Tensor:
        """See ``PairObjective``."""
        return contrastive_share(own, batch, logits.scale, offset)


OBJECTIVE = Contrastive
