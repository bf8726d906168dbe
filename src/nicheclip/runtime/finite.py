"""Whether tensors hold numbers."""

from collections.abc import Mapping

import torch


def not_finite(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """The names of ``tensors`` that hold an infinite number or none."""
    return [
        name
        for name, tensor in tensors.items()
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
    ]
