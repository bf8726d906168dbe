"""Floating-point operations of timm's image models, counted by torch without any numbers."""

from dataclasses import dataclass
from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from nicheclip.models.backbones import timm_model


@dataclass(frozen=True)
class BackboneOperations:
    """Of one image model."""

    forward: float
    """Of one image."""
    features: int
    """Dimensions of its feature."""


@cache
def backbone_operations(architecture: str, size: int) -> BackboneOperations:
    """Of timm's ``architecture`` with images of ``size`` pixels.

    Counted are matrix products and convolutions, a multiplication and an addition as two.

    Raises:
        InputError: timm has no such model.
    """
    with torch.device("meta"):
        model = timm_model(architecture).eval()
        image = torch.zeros(1, 3, size, size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        features = model(image)
    return BackboneOperations(float(counter.get_total_flops()), features.shape[1])
