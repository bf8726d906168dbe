"""Recipes: what a training run minimises."""

from typing import ClassVar, Protocol

from torch import Tensor

from nicheclip.config.training import ContrastiveRecipe, MultiPositiveRecipe
from nicheclip.training.losses import Pairs, contrastive_share, multi_positive_share


class Recipe(Protocol):
    """An objective over pairs of image and text features."""

    version: ClassVar[int]
    """Part of a run's fingerprint: raise it when an edit changes the result."""

    def share(self, own: Pairs, batch: Pairs, logit_scale: Tensor, offset: int) -> Tensor:
        """What this process adds to the loss of the batch.

        Args:
            own: this process's pairs: rows ``offset`` to ``offset + len(own)`` of ``batch``.
            batch: the pairs of all processes, with gradient.
            logit_scale: scalar, the inverse temperature.
            offset: where ``own`` begins.
        """
        ...


class Contrastive:
    """CLIP: the one matching text is the positive."""

    version: ClassVar[int] = 1

    def share(self, own: Pairs, batch: Pairs, logit_scale: Tensor, offset: int) -> Tensor:
        """See ``Recipe``."""
        return contrastive_share(own, batch, logit_scale, offset)


class MultiPositive:
    """FungalZSL: every text of the image's class is a positive."""

    version: ClassVar[int] = 1

    def share(self, own: Pairs, batch: Pairs, logit_scale: Tensor, offset: int) -> Tensor:
        """See ``Recipe``."""
        del offset
        return multi_positive_share(own, batch, logit_scale)


def make_recipe(config: ContrastiveRecipe | MultiPositiveRecipe) -> Recipe:
    """The recipe that ``config`` names."""
    return Contrastive() if isinstance(config, ContrastiveRecipe) else MultiPositive()
