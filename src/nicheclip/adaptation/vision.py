"""Image models without texts whose features stand beside the CLIP's.

They come from a self-supervised run of the config, by its name, or from others, as the config
describes them. A model sees the centre view that it expects; a feature is divided by its length.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nicheclip.adaptation.task_features import TaskFeatures
from nicheclip.config.backbones import BackboneConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.models.backbones import Backbone, create_backbone, load_backbone
from nicheclip.models.encode import encode_views
from nicheclip.runtime.errors import InputError


@dataclass(frozen=True)
class Seen:
    """The images of a task by one image model, rows of length 1."""

    fit: Tensor
    """[m, d]: the fitted images."""
    judged: Tensor
    """[n, d]: the judged images; of a transductive task the same."""


def seen_by(model: str | BackboneConfig, features: TaskFeatures) -> Seen:
    """The images of the task of ``features`` by an image model without texts.

    Args:
        model: the name of a self-supervised run, or what describes a model of others.
        features: of the task; they keep what was encoded.

    Raises:
        InputError: the model cannot be had, or an image cannot be read.
    """
    inputs = features.inputs
    judged = features.once((_key(model), "judged"), lambda: _encode(model, inputs.judged, features))
    if inputs.is_transductive:
        return Seen(judged, judged)
    fit = features.once((_key(model), "fit"), lambda: _encode(model, inputs.fit, features))
    return Seen(fit, judged)


def _key(model: str | BackboneConfig) -> str:
    return model if isinstance(model, str) else model.model_dump_json()


def _encode(model: str | BackboneConfig, images: ImageSet, features: TaskFeatures) -> Tensor:
    if (key := _key(model)) not in features.loaded:
        backbone = _load(model, features)
        backbone.model.to(features.device).eval()
        features.loaded[key] = backbone
    backbone = features.loaded[key]
    found = encode_views(backbone.model, backbone.views, images, features.how)
    return torch.from_numpy(found.features)


def _load(model: str | BackboneConfig, features: TaskFeatures) -> Backbone:
    if isinstance(model, str):
        if model not in features.backbones:
            raise InputError(
                f"optimal_transport: the image model {model!r} is not among the job's inputs "
                f"({', '.join(features.backbones) or 'there are none'}). Name it under `vision`."
            )
        return load_backbone(features.backbones[model])
    return create_backbone(model.architecture, size=model.size, seed=0, weights=model.weights)
