"""The visual tower of a CLIP, with its [CLS] token."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from nicheclip.models.openclip import Clip, open_clip
from nicheclip.models.views import Normalise, ViewSettings
from nicheclip.runtime.errors import InputError

#: views that go through together on a CPU without gradient: more of them leave its caches
CPU_VIEWS = 64


@dataclass(frozen=True)
class Encoded:
    """Images as the tower sees them."""

    features: Tensor
    """[n, d], float32, rows of length 1."""
    cls: Tensor
    """[n, width], float32: the [CLS] token after the last norm, before the projection."""


class VisualTower(nn.Module):
    """The tower with the step from views uint8 to what it takes.

    Raises:
        InputError: it is no vision transformer with a [CLS] token.
    """

    def __init__(self, clip: Clip) -> None:
        super().__init__()
        check_has_cls(clip)
        self.visual = clip.model.visual
        self.normalise = Normalise(ViewSettings.of(clip))

    def forward(self, views: Tensor, prompts: Tensor | None = None) -> Encoded:
        """Encode views.

        Args:
            views: uint8 [n, 3, h, w].
            prompts: [m, width], tokens that are put after [CLS], before the first block.
        """
        if views.device.type == "cpu" and not torch.is_grad_enabled():
            parts = [self._encode(part, prompts) for part in views.split(CPU_VIEWS)]
            return Encoded(*(torch.cat(rows) for rows in zip(*parts, strict=True)))
        return Encoded(*self._encode(views, prompts))

    def _encode(self, views: Tensor, prompts: Tensor | None) -> tuple[Tensor, Tensor]:
        visual: Any = self.visual
        tokens = visual._embeds(self.normalise(views))
        if prompts is not None:
            added = prompts.to(tokens.dtype).expand(len(tokens), -1, -1)
            tokens = torch.cat([tokens[:, :1], added, tokens[:, 1:]], dim=1)
        cls = visual.ln_post(_first_token(visual.transformer, tokens))
        features = cls if visual.proj is None else cls @ visual.proj
        return normalize(features.float(), dim=-1), cls.float()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Without gradient and without dropout."""
        before = self.training
        self.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.train(before)


def _first_token(transformer: Any, tokens: Tensor) -> Tensor:
    """[n, width]: the first of ``tokens`` [n, t, width] after all blocks.

    Nothing follows the last block, so only its first token is computed.
    """
    *blocks, last = transformer.resblocks
    known = type(last) is open_clip.transformer.ResidualAttentionBlock
    if not known or not transformer.batch_first or transformer.grad_checkpointing:
        whole: Tensor = transformer(tokens)
        return whole[:, 0]
    for block in blocks:
        tokens = block(tokens)
    inner, first = last.ln_1(tokens), tokens[:, :1]
    first = first + last.ls_1(last.attention(inner[:, :1], inner, inner))
    found: Tensor = first + last.ls_2(last.mlp(last.ln_2(first)))
    return found[:, 0]


def check_has_cls(clip: Clip) -> None:
    """Raise InputError unless the visual tower is a vision transformer that pools by [CLS]."""
    visual = clip.model.visual
    transformer = isinstance(visual, open_clip.transformer.VisionTransformer)
    if not transformer or visual.pool_type != "tok" or visual.attn_pool is not None:
        kind = type(visual).__name__
        raise InputError(
            f"adaptation: the start model's visual tower ({kind}) has no [CLS] token before its "
            "projection; expected a vision transformer that pools by [CLS], as ViT-B/32. Choose "
            "such a model, or a method without training (`clip`, `cupl`, `transclip`)."
        )


def layer_norms(module: nn.Module) -> list[str]:
    """Names of the parameters of all layer norms in ``module``."""
    return [
        f"{name}.{parameter}" if name else parameter
        for name, part in module.named_modules()
        if isinstance(part, nn.LayerNorm)
        for parameter, _ in part.named_parameters(recurse=False)
    ]
