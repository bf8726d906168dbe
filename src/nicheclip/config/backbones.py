"""Config of weights for timm's image models that others have trained."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from nicheclip.config.base import ConfigModel
from nicheclip.runtime.paths import expand_path
from nicheclip.runtime.urls import file_name

#: how the names of files with weights end; what ends otherwise is one of timm's tags
SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")


def is_address(weights: str) -> bool:
    """Whether ``weights`` is a URL."""
    return "://" in weights


def weights_file(weights: str | None) -> Path | None:
    """The file that ``weights`` names; None where it is one of timm's tags, a URL, or nothing."""
    if weights is None or is_address(weights) or not weights.endswith(SUFFIXES):
        return None
    return expand_path(weights)


def _check_address(weights: str) -> str:
    if is_address(weights):
        file_name(weights)
    return weights


Weights = Annotated[str, AfterValidator(_check_address)]


class BackboneConfig(ConfigModel):
    """An image model that others have trained, with or without labels."""

    architecture: str
    """A model of timm (`resnet50`, `vit_base_patch16_224`, ...)."""
    weights: Weights
    """A tag of timm's weights for it (`a1_in1k`, `dino`, ...), a URL, or the path of a file (.pth,
    .pt, .bin, .safetensors) with weights by timm's names; a classifier in it is left out."""
    size: Annotated[int, Field(ge=16)] = 224
    """Edge of the image in pixels."""
