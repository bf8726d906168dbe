"""Small tensors of features for the methods that adapt without labels."""

import os
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from nicheclip.adaptation.class_texts import ClassTexts


def unit(*shape, seed=0, dtype=torch.float64):
    """Random directions."""
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=dtype), dim=-1)


def clusters(n=60, classes=4, d=8, *, noise=0.35, gap=0.6, seed=0, dtype=torch.float64):
    """Images around class centres, texts beside the centres, and the class of each image."""
    centres = unit(classes, d, seed=seed)
    labels = torch.arange(n) % classes
    images = normalize(centres[labels] + noise * unit(n, d, seed=seed + 1), dim=1)
    anchors = normalize(centres + gap * unit(classes, d, seed=seed + 2), dim=1)
    return images.to(dtype), anchors.to(dtype), labels


def texts_of(counts, d=6, seed=0):
    """Random texts, as many for each class as ``counts`` says."""
    names = [f"class {row}" for row in range(len(counts))]
    parts = unit(sum(counts), d, seed=seed).split(list(counts))
    return ClassTexts.of(names, parts)


def shuffled(n, seed=5):
    """A random order of n rows."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def real_data(name):
    """A folder of real inputs; without it the test is skipped."""
    folder = Path(os.environ.get("NICHECLIP_REAL_DATA", "/nonexistent")) / name
    if not folder.is_dir():
        pytest.skip(f"NICHECLIP_REAL_DATA with {name} is not there")
    return folder


def unit_rows(array):
    """A numpy array of any float type as float32 rows of length 1."""
    return normalize(torch.as_tensor(array).float(), dim=1)
