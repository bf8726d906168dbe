"""Features that a method can work with."""

import torch
from torch import Tensor

from nicheclip.runtime.errors import InputError

#: how far a row's length may be from 1; half precision is off by less
LENGTH_TOLERANCE = 1e-2


def check_features(features: Tensor, what: str, width: int | None = None) -> None:
    """Raise InputError unless ``features`` are finite floats [n, d] of length 1, with n > 0.

    Args:
        features: what is looked at.
        what: its name in the message.
        width: the d that it must have; any where None.
    """
    if features.ndim != 2 or features.dtype not in (torch.float32, torch.float64):
        raise InputError(
            f"{what}: a tensor {list(features.shape)} of {features.dtype}; expected [n, d] of "
            "float32 or float64. Convert it first."
        )
    if not len(features):
        raise InputError(f"{what}: there are none. Give at least one.")
    if width is not None and features.shape[1] != width:
        raise InputError(
            f"{what}: {features.shape[1]} dimensions, expected {width}. Encode images and texts "
            "with the same model."
        )
    bad = (~torch.isfinite(features).all(dim=1)).nonzero()
    if len(bad):
        raise InputError(
            f"{what}: {len(bad)} of {len(features)} rows, the first {int(bad[0])}, hold NaN or "
            "infinite numbers. Encode them again; in half precision the model may overflow."
        )
    lengths = features.norm(dim=1)
    bad = ((lengths - 1).abs() > LENGTH_TOLERANCE).nonzero()
    if len(bad):
        row = int(bad[0])
        raise InputError(
            f"{what}: {len(bad)} of {len(features)} rows, the first {row} with length "
            f"{float(lengths[row]):.4g}, are not of length 1. Divide each row by its length."
        )


def check_probabilities(probabilities: Tensor, what: str, images: int | None = None) -> None:
    """Raise InputError unless ``probabilities`` [n, C] are finite, not negative, rows of sum 1.

    Args:
        probabilities: what is looked at.
        what: its name in the message.
        images: the n that it must have; any where None.
    """
    if probabilities.ndim != 2 or not probabilities.numel():
        raise InputError(f"{what}: a tensor {list(probabilities.shape)}; expected [n, C].")
    if images is not None and len(probabilities) != images:
        raise InputError(
            f"{what}: {len(probabilities)} rows for {images} images. Give one row for each image."
        )
    sums = probabilities.sum(dim=1)
    wrong = ~torch.isfinite(sums) | (probabilities < 0).any(dim=1) | ((sums - 1).abs() > 1e-3)
    bad = wrong.nonzero()
    if len(bad):
        raise InputError(
            f"{what}: {len(bad)} of {len(probabilities)} rows, the first {int(bad[0])}, are not "
            "probabilities of sum 1. Take the softmax of the logits."
        )


def check_number(value: float, name: str, low: float, *, above: bool = False) -> None:
    """Raise InputError unless ``value`` is at least ``low``, or above it."""
    if not (value > low if above else value >= low):
        raise InputError(f"{name}: {value}; expected {'more than' if above else 'at least'} {low}.")
