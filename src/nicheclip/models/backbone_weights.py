"""Weights of timm's image models that others have trained, from URLs and files.

A tag of timm's own is loaded by timm, from the hub.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from nicheclip.config.backbones import weights_file
from nicheclip.data.download import download
from nicheclip.models.deltas import check_finite
from nicheclip.runtime.errors import InputError, reading
from nicheclip.subjects import BACKBONE_DOWNLOADS

REMEDY = "Give a file with weights by timm's names, or name their architecture."


def take_weights(model: Any, architecture: str, weights: str) -> None:
    """Put ``weights`` into ``model``, timm's ``architecture`` without its classifier.

    Args:
        model: a module.
        architecture: for errors.
        weights: the URL or path of a file.

    Raises:
        InputError: they cannot be had, or are of another model.
    """
    path = weights_file(weights) or download(weights, Path(BACKBONE_DOWNLOADS))
    with reading(path, f"weights of {architecture}", REMEDY):
        tensors = _tensors(path)
        check_finite(path, tensors)
    wanted = model.state_dict()
    heads = _classifier(model)
    found = {k: v for k, v in tensors.items() if k in wanted or not k.startswith(heads)}
    wrong = sorted(wanted.keys() ^ found.keys())
    wrong += [k for k in wanted.keys() & found.keys() if found[k].shape != wanted[k].shape]
    if wrong:
        raise InputError(
            f"{path}: {len(wrong)} weights are not those of {architecture}, the first is "
            f"{wrong[0]}. {REMEDY}"
        )
    model.load_state_dict(found)


def _tensors(path: Path) -> dict[str, Tensor]:
    """By name; also of a file that keeps them under ``state_dict``."""
    if path.suffix == ".safetensors":
        return load_file(path)
    found = torch.load(path, map_location="cpu", weights_only=True)
    tensors: dict[str, Tensor] = found.get("state_dict", found)
    return tensors


def _classifier(model: Any) -> tuple[str, ...]:
    """How the names of the classifier's weights begin."""
    named = model.default_cfg.get("classifier") or ()
    return tuple(f"{one}." for one in ((named,) if isinstance(named, str) else named))
