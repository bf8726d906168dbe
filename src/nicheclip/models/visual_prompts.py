"""Tokens beside the patches of a vision transformer: what LaFTer trains of an image tower.

Between the class token and the patches of every image stand P more tokens, the same for all images
and without a position; they enter after the norm in front of the first block (shallow prompts: Jia
et al. arXiv 2203.12119). They are a tensor of that norm, ``visual.ln_pre.prompts``, so that a delta
(``models.deltas``) holds them and ``models.openclip.load`` gives the tower back with them.
open_clip itself does not know them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nicheclip.runtime.errors import InputError

if TYPE_CHECKING:
    from nicheclip.models.openclip import Clip

#: their name in a model's tensors
PROMPTS = "visual.ln_pre.prompts"


class PromptedNorm(nn.LayerNorm):
    """The norm in front of the first block, which then inserts the prompts."""

    def __init__(self, norm: nn.LayerNorm, prompts: Tensor) -> None:
        super().__init__(norm.normalized_shape, eps=norm.eps)
        self.weight, self.bias = norm.weight, norm.bias
        self.prompts = nn.Parameter(prompts)
        self.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 1 + P + patches, width] from [n, 1 + patches, width]."""
        normed = super().forward(x).to(x.dtype)
        prompts = self.prompts.to(x.dtype).expand(len(x), -1, -1)
        return torch.cat([normed[:, :1], prompts, normed[:, 1:]], dim=1)


def add_prompts(model: Any, prompts: Tensor) -> None:
    """Let the image tower of ``model`` insert ``prompts`` [P, width].

    Raises:
        InputError: the tower is no vision transformer whose feature is that of its class token, or
            has prompts already.
    """
    check_no_prompts(model)
    norm = getattr(model.visual, "ln_pre", None)
    if not isinstance(norm, nn.LayerNorm) or getattr(model.visual, "pool_type", None) != "tok":
        raise InputError(
            "visual prompts: the image tower has no norm before its first block, or its feature is "
            "not the class token's. They need a vision transformer as CLIP has it (ViT-B-32, ...)."
        )
    model.visual.ln_pre = PromptedNorm(norm, prompts)


def check_no_prompts(model: Any) -> None:
    """Raise InputError if the image tower of ``model`` has prompts."""
    if isinstance(getattr(model.visual, "ln_pre", None), PromptedNorm):
        raise InputError(
            "visual prompts: the start model's image tower has prompts beside the patches "
            "(LaFTer). Start from the model that it was adapted from."
        )


@contextmanager
def prompted(clip: "Clip", prompts: Tensor) -> Iterator["Clip"]:
    """Within, the image tower of ``clip`` inserts ``prompts`` [P, width]."""
    norm = clip.model.visual.ln_pre
    add_prompts(clip.model, prompts)
    try:
        yield clip
    finally:
        clip.model.visual.ln_pre = norm
