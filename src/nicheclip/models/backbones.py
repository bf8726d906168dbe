"""Image models of timm without a classifier: create, load, save, encode.

A backbone folder holds

``backbone.json``         ``Facts``: timm's name of the architecture, and how images are prepared
``backbone.safetensors``  the weights, by timm's names

It is what self-supervised training makes and what ``nicheclip.training.align`` reads. It is no
CLIP, since it knows no text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file
from torch import Tensor

from nicheclip.config.backbones import is_address, weights_file
from nicheclip.config.explain import suggestion
from nicheclip.models.backbone_weights import take_weights
from nicheclip.models.deltas import check_finite, write_weights
from nicheclip.models.openclip import NETWORK
from nicheclip.models.openclip import open_clip as open_clip  # declares torchvision's operators
from nicheclip.models.views import ViewSettings
from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import read_json, write_json
from nicheclip.subjects import BACKBONE_CONFIG, BACKBONE_FILES, BACKBONE_WEIGHTS

#: of the images that timm's models are trained on
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

AGAIN = "Delete the folder and train the backbone again."


class Facts(BaseModel):
    """The content of ``backbone.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    """Of timm."""
    size: int
    """Edge of the image in pixels."""
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD
    features: int
    """Dimensions of a feature."""


@dataclass(frozen=True)
class Backbone:
    """A model with how images are prepared for it."""

    model: Any
    """A torch module: images [n, 3, s, s] to features [n, d]."""
    facts: Facts

    @property
    def views(self) -> ViewSettings:
        """What it expects of its images."""
        return ViewSettings((self.facts.size, self.facts.size), self.facts.mean, self.facts.std)


def create_backbone(
    architecture: str, *, size: int, seed: int, weights: str | None = None
) -> Backbone:
    """timm's ``architecture`` with random weights from ``seed``, or with those of others.

    Args:
        architecture: of timm.
        size: edge of the image in pixels.
        seed: of random weights.
        weights: a tag of timm, a URL, the path of a file, or None.

    Raises:
        InputError: timm has no such model, it takes no images of ``size`` pixels, or the weights
            cannot be had.
    """
    tag = weights if weights and not (is_address(weights) or weights_file(weights)) else None
    torch.manual_seed(seed)
    model = timm_model(architecture, tag)
    if weights and not tag:
        take_weights(model, architecture, weights)
    with torch.no_grad(), _images(architecture, size):
        features = model.eval()(torch.zeros(2, 3, size, size))
    if features.ndim != 2:
        raise InputError(
            f"pretraining: {architecture} gives features {list(features.shape)}; expected one "
            "vector an image. Choose another backbone."
        )
    colours = {key: model.pretrained_cfg[key] for key in ("mean", "std") if tag}
    facts = Facts(architecture=architecture, size=size, features=features.shape[1], **colours)
    return Backbone(model, facts)


def check_crops(backbone: Backbone, size: int) -> None:
    """Raise InputError if ``backbone`` takes no crops of ``size`` pixels."""
    with torch.no_grad(), _images(backbone.facts.architecture, size):
        backbone.model.eval()(torch.zeros(2, 3, size, size))


def _images(architecture: str, size: int) -> Any:
    return reading(
        f"pretraining: {architecture} with images of {size} pixels",
        "a model that takes them",
        "Choose another size (a transformer takes multiples of its patches), or another backbone.",
    )


def timm_model(architecture: str, tag: str | None = None) -> Any:
    """timm's ``architecture`` without a classifier, with random weights or those of ``tag``.

    Raises:
        InputError: timm has no such model, or the weights cannot be had.
    """
    import timm  # a dependency of open_clip, which is imported first

    names = timm.list_models()
    if architecture not in names:
        raise InputError(
            f"pretraining: timm has no model {architecture!r}{suggestion(architecture, names)}. "
            "Names: python -c 'import timm; print(timm.list_models())'"
        )
    # positions of a transformer follow the size of its image: crops are smaller
    options: dict[str, Any] = {"dynamic_img_size": True} if "vit" in architecture.split("_") else {}
    if tag is None:
        return timm.create_model(architecture, pretrained=False, num_classes=0, **options)
    if problem := unknown_tag(architecture, tag):
        raise InputError(f"pretraining: {problem}")
    with reading(f"weights {tag!r} of {architecture}", "timm's weights", NETWORK):
        return timm.create_model(f"{architecture}.{tag}", pretrained=True, num_classes=0, **options)


def unknown_tag(architecture: str, tag: str) -> str | None:
    """What to say if timm has no weights ``tag`` of ``architecture``; None if it has."""
    import timm

    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
    if tag in tags:
        return None
    return (
        f"{tag!r} is neither a file (.pth, .pt, .bin, .safetensors) nor one of timm's weights of "
        f"{architecture} ({', '.join(tags) or 'it has none'})."
    )


def save_backbone(backbone: Backbone, folder: Path) -> list[Path]:
    """Write ``backbone`` to ``folder``; returns the files. Same weights, same bytes.

    Raises:
        InputError: a weight is no finite number.
    """
    tensors = backbone.model.state_dict().items()
    write_weights(folder / BACKBONE_WEIGHTS, {k: v.detach().cpu().contiguous() for k, v in tensors})
    write_json(folder / BACKBONE_CONFIG, backbone.facts.model_dump(mode="json"))
    return [folder / name for name in BACKBONE_FILES]


def load_backbone(folder: Path) -> Backbone:
    """The backbone in ``folder``, on the CPU, in evaluation mode.

    Raises:
        InputError: there is none, or it is damaged.
    """
    for name in BACKBONE_FILES:
        if not (folder / name).is_file():
            raise InputError(f"{folder}: no {name}; expected a backbone. {AGAIN}")
    with reading(folder / BACKBONE_CONFIG, "the facts of a backbone", AGAIN):
        facts = Facts.model_validate(read_json(folder / BACKBONE_CONFIG))
    model = timm_model(facts.architecture)
    with reading(folder / BACKBONE_WEIGHTS, f"weights of {facts.architecture}", AGAIN):
        tensors = load_file(folder / BACKBONE_WEIGHTS)
        check_finite(folder / BACKBONE_WEIGHTS, tensors)
        model.load_state_dict(tensors)
    return Backbone(model.eval(), facts)


@torch.inference_mode()
def features_of(model: Any, batches: Iterator[Tensor]) -> Tensor:
    """[n, d], float32: features of images [n, 3, s, s] that come in ``batches``."""
    parts = [model(batch).float().cpu() for batch in batches]
    return torch.cat(parts) if parts else torch.zeros(0, 0)
