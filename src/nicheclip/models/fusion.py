"""Fusion: an aligned model's image feature beside that of the CLIP whose space it shares.

``fusion.json`` in a model folder names the CLIP's folder and its weight w. The image feature is

    w c / |c| + (1 - w) a / |a|

with the CLIP's own feature c and the aligned one a. open_clip knows no such file: it loads the
aligned model alone.
"""

import os
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn.functional import normalize

from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import read_json, sha256_file, write_json
from nicheclip.subjects import FUSION_FILE, WEIGHTS_FILE

AGAIN = "Align again."


class Fusion(BaseModel):
    """The content of ``fusion.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    """Folder of the CLIP, relative to this one; a whole model."""
    base_weights: str
    """sha256 of its weights."""
    weight: float
    """Of the CLIP's own feature."""


class FusedModel(nn.Module):
    """An open_clip model that sees images with two towers."""

    mean: Tensor
    std: Tensor

    def __init__(self, aligned: Any, base: Any, weight: float) -> None:
        super().__init__()
        self.aligned, self.base, self.weight = aligned, base, weight
        # images come prepared for the aligned tower
        ours, theirs = aligned.visual, base.visual
        mean, std = (torch.tensor(one)[:, None, None] for one in (ours.image_mean, ours.image_std))
        centre, spread = torch.tensor(theirs.image_mean), torch.tensor(theirs.image_std)
        self.register_buffer("std", std / spread[:, None, None])
        self.register_buffer("mean", (mean - centre[:, None, None]) / spread[:, None, None])

    @property
    def visual(self) -> Any:
        """Says how images are prepared."""
        return self.aligned.visual

    @property
    def logit_scale(self) -> Any:
        """Of the text tower's model."""
        return self.aligned.logit_scale

    def encode_image(self, images: Tensor) -> Tensor:
        """[n, d]."""
        own = normalize(self.base.encode_image(images * self.std + self.mean), dim=1)
        aligned = normalize(self.aligned.encode_image(images), dim=1)
        fused: Tensor = self.weight * own + (1 - self.weight) * aligned
        return fused

    def encode_text(self, tokens: Tensor) -> Tensor:
        """[n, d]."""
        features: Tensor = self.aligned.encode_text(tokens)
        return features


def write_fusion(folder: Path, base: Path, weight: float) -> Path:
    """Let the model in ``folder`` see with the one in ``base`` as well."""
    fusion = Fusion(
        base=Path(os.path.relpath(base.resolve(), folder.resolve())).as_posix(),
        base_weights=sha256_file(base / WEIGHTS_FILE),
        weight=weight,
    )
    write_json(folder / FUSION_FILE, fusion.model_dump(mode="json"))
    return folder / FUSION_FILE


def read_fusion(folder: Path) -> tuple[Fusion, Path] | None:
    """What the model in ``folder`` is fused with, and its folder; None where it is not.

    Raises:
        InputError: the file is damaged, or the other model has moved or changed.
    """
    file = folder / FUSION_FILE
    if not file.is_file():
        return None
    with reading(file, "the record of a fusion", AGAIN):
        fusion = Fusion.model_validate(read_json(file))
    base = Path(os.path.normpath(folder.resolve() / fusion.base))
    weights = base / WEIGHTS_FILE
    if not weights.is_file() or sha256_file(weights) != fusion.base_weights:
        raise InputError(f"{file}: the model in {base} is not there, or has changed since. {AGAIN}")
    return fusion, base
