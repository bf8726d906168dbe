"""Where the features of a subject's variants on a split lie, below the folder of their manifest."""

from pathlib import Path


def image_file(folder: Path, variant: str) -> Path:
    """Features of the split's images."""
    return folder / variant / "images.safetensors"


def text_file(folder: Path, variant: str, text_set: str) -> Path:
    """Features of a text set."""
    return folder / variant / "texts" / f"{text_set}.safetensors"
