"""Seeds derived from names, so that no random choice depends on order, process or hash seed."""

import hashlib

import numpy as np


def stable_hash(*parts: object) -> int:
    """A 64-bit integer from the text of ``parts``: the same on every machine and in every run."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def generator(*parts: object) -> np.random.Generator:
    """A NumPy generator seeded by ``parts``, for example ``(seed, "fungi", image index)``."""
    return np.random.default_rng(stable_hash(*parts))


def unit_interval(*parts: object) -> float:
    """A number in [0, 1) fixed by ``parts``."""
    return stable_hash(*parts) / 2**64
