"""Progressive unfreezing: which parameters of a CLIP train in which epoch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from nicheclip.config.training import UnfreezingConfig
from nicheclip.models.openclip import open_clip
from nicheclip.runtime.errors import InputError

TEMPERATURE = "logit_scale"
#: shifts all logits alike, which no softmax sees
WITHOUT_EFFECT = "logit_bias"


@dataclass(frozen=True)
class Tower:
    """The parts of an image or text encoder, by the prefixes of their parameters' names."""

    blocks: tuple[str, ...]
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
            blocks=("visual.attnpool", *(f"visual.layer{i}" for i in (4, 3, 2, 1))),
            projection=("visual.attnpool.c_proj",),
            embeddings=tuple(stem),
        )
    raise _unsupported("image", visual)


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


def _transformer_blocks(name: str, transformer: Any) -> tuple[str, ...]:
    return tuple(f"{name}.resblocks.{i}" for i in reversed(range(len(transformer.resblocks))))


def _unsupported(side: str, tower: torch.nn.Module) -> InputError:
    return InputError(
        f"training: progressive unfreezing does not know the blocks of this {side} tower "
        f"({type(tower).__name__}). It knows open_clip's own ViT, ModifiedResNet and text "
        "transformer: choose such an architecture, or set unfreezing to null to train everything."
    )


class Unfreezer:
    """Freezes a model and thaws it epoch by epoch.

    In epoch e (from 0) each tower trains its last ``first_blocks + e // epochs_per_block`` blocks.
    Embeddings, where asked for, count as one more block after the first one. The temperature always
    trains. Without a config everything trains from the start.
    """

    def __init__(self, model: torch.nn.Module, config: UnfreezingConfig | None) -> None:
        self._model = model
        self._config = config
        self._towers = [] if config is None else towers(model, config.resnet)
        for parameter in model.parameters():
            parameter.requires_grad_(False)

    def apply(self, epoch: int) -> list[str]:
        """Thaw what is due in ``epoch``; returns the names of newly trainable parameters.

        To come to the same state as an unbroken run, call it for every epoch in turn.
        """
        due = self._due(epoch)
        thawed = []
        for name, parameter in self._model.named_parameters():
            if not parameter.requires_grad and _belongs(name, due) and name != WITHOUT_EFFECT:
                parameter.requires_grad_(True)
                thawed.append(name)
        return thawed

    def _due(self, epoch: int) -> list[str]:
        """Prefixes of everything that trains in ``epoch``; "" is the prefix of all."""
        if self._config is None:
            return [""]
        count = self._config.first_blocks + epoch // self._config.epochs_per_block
        due = [TEMPERATURE]
        for tower in self._towers:
            due += tower.blocks[:count]
            if self._config.projections:
                due += tower.projection
            if self._config.embeddings and count > len(tower.blocks):
                due += tower.embeddings
        return due


def _belongs(name: str, prefixes: Iterable[str]) -> bool:
    return any(not p or name == p or name.startswith(f"{p}.") for p in prefixes)


def training_mode(model: torch.nn.Module) -> None:
    """Set ``model`` to training mode, but frozen batch norms to evaluation mode: otherwise their
    running statistics drift although their weights stand still.
    """
    model.train()
    for module in model.modules():
        if isinstance(module, _BatchNorm) and not any(
            parameter.requires_grad for parameter in module.parameters()
        ):
            module.eval()
