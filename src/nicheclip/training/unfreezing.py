"""Progressive unfreezing: which parameters of a CLIP train in which epoch."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from nicheclip.config.training import UnfreezingConfig
from nicheclip.models.openclip import open_clip
from nicheclip.runtime.errors import InputError

TEMPERATURE = "logit_scale"
#: of a loss that has one; it shifts all logits alike, so a softmax does not see it
BIAS = "logit_bias"


@dataclass(frozen=True)
class Tower:
    """The parts of an image or text encoder: names of parameters, or prefixes of them."""

    blocks: tuple[tuple[str, ...], ...]
    """From the last to the first."""
    projection: tuple[str, ...] = ()
    """What follows the blocks: final norm, pooling, projection."""
    embeddings: tuple[str, ...] = ()
    """What precedes the blocks."""


def towers(model: torch.nn.Module, resnet: Literal["stages", "frozen"]) -> list[Tower]:
    """The image and the text tower of an open_clip model.

    Args:
        model: ``open_clip.CLIP`` or ``CustomTextCLIP``.
        resnet: see ``UnfreezingConfig``; a frozen ResNet is a tower without parts.

    Raises:
        InputError: a tower of a kind whose blocks are not known here.
    """
    return [_image_tower(model, resnet), _text_tower(model)]


def _image_tower(model: torch.nn.Module, resnet: Literal["stages", "frozen"]) -> Tower:
    visual: Any = model.visual
    if isinstance(visual, open_clip.transformer.VisionTransformer):
        return Tower(
            blocks=_transformer_blocks("visual.transformer", visual.transformer),
            projection=(
                "visual.attn_pool",
                "visual.attn_pool_contrastive",
                "visual.ln_post",
                "visual.proj",
            ),
            embeddings=(
                "visual.conv1",
                "visual.class_embedding",
                "visual.positional_embedding",
                "visual.ln_pre",
            ),
        )
    if isinstance(visual, open_clip.modified_resnet.ModifiedResNet):
        if resnet == "frozen":
            return Tower(blocks=())
        stem = [f"visual.{part}{i}" for part in ("conv", "bn") for i in (1, 2, 3)]
        return Tower(
            blocks=(("visual.attnpool",), *((f"visual.layer{i}",) for i in (4, 3, 2, 1))),
            projection=("visual.attnpool.c_proj",),
            embeddings=tuple(stem),
        )
    if isinstance(visual, open_clip.timm_model.TimmModel):
        return _timm_tower(visual)
    raise _unsupported("image", visual)


def _timm_tower(visual: Any) -> Tower:
    """The tower by timm's own groups of layers, which it has for every architecture.

    The first group is what precedes the blocks. Of the others, what lies in a container that
    several groups share (``blocks``, ``stages``) is a block; the rest, a final norm or convolution,
    counts to the projection.
    """
    from timm.models import group_parameters  # after open_clip: see models.openclip

    matcher = visual.trunk.group_matcher(coarse=False)
    groups = list(group_parameters(visual.trunk, matcher, reverse=False).values())
    containers = Counter(c for group in groups[1:] for c in {n.split(".")[0] for n in group})
    shared = {name for name, count in containers.items() if count > 1}
    blocks, rest = [], []
    for group in groups[1:]:
        inside = [name for name in group if name.split(".")[0] in shared]
        rest += [name for name in group if name not in inside]
        if inside:
            blocks.append(_within("visual.trunk", inside))
    return Tower(
        blocks=tuple(reversed(blocks)),
        projection=("visual.head", *_within("visual.trunk", rest)),
        embeddings=_within("visual.trunk", groups[0]),
    )


def _within(prefix: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in names)


def _text_tower(model: torch.nn.Module) -> Tower:
    text: Any = getattr(model, "text", model)
    prefix = "" if text is model else "text."
    transformer = getattr(text, "transformer", None)
    if not isinstance(transformer, open_clip.transformer.Transformer):
        raise _unsupported("text", text)
    return Tower(
        blocks=_transformer_blocks(f"{prefix}transformer", transformer),
        projection=(f"{prefix}ln_final", f"{prefix}text_projection"),
        embeddings=(
            f"{prefix}token_embedding",
            f"{prefix}positional_embedding",
            f"{prefix}cls_emb",
        ),
    )


def _transformer_blocks(name: str, transformer: Any) -> tuple[tuple[str, ...], ...]:
    return tuple((f"{name}.resblocks.{i}",) for i in reversed(range(len(transformer.resblocks))))


def _unsupported(side: str, tower: torch.nn.Module) -> InputError:
    return InputError(
        f"training: progressive unfreezing does not know the blocks of this {side} tower "
        f"({type(tower).__name__}). It knows open_clip's own ViT, ModifiedResNet and text "
        "transformer, and timm's image towers: choose such an architecture, or set unfreezing to "
        "null to train everything."
    )


class Unfreezing:
    """What of a model thaws in which epoch.

    In epoch e (from 0) each tower trains its last ``first_blocks + e // epochs_per_block`` blocks.
    Embeddings, where asked for, count as one more block after the first one. The temperature always
    trains. Without a config everything trains from the start.
    """

    def __init__(
        self, model: torch.nn.Module, config: UnfreezingConfig | None, *, bias: bool = False
    ) -> None:
        """Look at the model; its ``bias`` trains with the temperature if the loss has one."""
        self._config = config
        self._towers = [] if config is None else towers(model, config.resnet)
        self._names = [name for name, _ in model.named_parameters() if bias or name != BIAS]

    def thawed(self, epoch: int) -> list[str]:
        """The names of the parameters that begin to train in ``epoch``."""
        before = set(self._trainable(epoch - 1)) if epoch else set()
        return [name for name in self._trainable(epoch) if name not in before]

    def _trainable(self, epoch: int) -> list[str]:
        due = self._due(epoch)
        return [name for name in self._names if _belongs(name, due)]

    def _due(self, epoch: int) -> list[str]:
        """Prefixes of everything that trains in ``epoch``; "" is the prefix of all."""
        if self._config is None:
            return [""]
        count = self._config.first_blocks + epoch // self._config.epochs_per_block
        due = [TEMPERATURE, BIAS]
        for tower in self._towers:
            due += [name for block in tower.blocks[:count] for name in block]
            if self._config.projections:
                due += tower.projection
            if self._config.embeddings and count > len(tower.blocks):
                due += tower.embeddings
        return due


def _belongs(name: str, prefixes: Iterable[str]) -> bool:
    return any(not p or name == p or name.startswith(f"{p}.") for p in prefixes)
