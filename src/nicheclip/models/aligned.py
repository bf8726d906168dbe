"""The aligned model: a backbone with a linear map, and the text tower of a CLIP, for open_clip.

Its image tower is timm's backbone with a linear projection with bias, as open_clip builds it; so
plain open_clip loads the folder.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nicheclip.models.backbones import Backbone
from nicheclip.models.deltas import write_weights
from nicheclip.models.openclip import Clip, load, save_tokenizer
from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import write_json
from nicheclip.subjects import CONFIG_FILE, FUSION_FILE, MODEL_FILES, WEIGHTS_FILE

TRUNK, WEIGHT, BIAS = "visual.trunk.", "visual.head.proj.weight", "visual.head.proj.bias"
#: largest difference of a feature between the folder as open_clip loads it and what was fitted
TOLERANCE = 1e-4


def save_aligned(
    backbone: Backbone,
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    text: Clip,
    folder: Path,
) -> list[Path]:
    """Write the model that sees with ``backbone`` and reads with the text tower of ``text``.

    Args:
        backbone: gives features [n, d].
        weight: [m, d].
        bias: [m].
        text: a CLIP of embedding width m; its image tower is left out.
        folder: receives a model folder.

    Returns:
        The files.

    Raises:
        InputError: open_clip cannot build the tower for images of this size, or does not give the
            same features.
    """
    width = int(text.model_config["embed_dim"])
    if width != len(bias):
        raise InputError(
            f"alignment: the text tower has {width} dimensions, the map {len(bias)}. The CLIP that "
            "is aligned to and the text tower must share a space."
        )
    tensors = {k: v for k, v in text.tensors().items() if not k.startswith("visual.")}
    state = backbone.model.state_dict()
    tensors |= {TRUNK + k: v.detach().cpu().contiguous() for k, v in state.items()}
    tensors[WEIGHT] = torch.from_numpy(weight).float().contiguous()
    tensors[BIAS] = torch.from_numpy(bias).float().contiguous()
    (folder / FUSION_FILE).unlink(missing_ok=True)
    write_weights(folder / WEIGHTS_FILE, tensors)
    write_json(folder / CONFIG_FILE, _config(backbone, text))
    save_tokenizer(text, folder)
    _check(folder, backbone, tensors)
    return [folder / name for name in MODEL_FILES]


def _config(backbone: Backbone, text: Clip) -> dict[str, Any]:
    facts = backbone.facts
    vision = {
        "timm_model_name": facts.architecture,
        "timm_model_pretrained": False,
        "timm_pool": "",  # the backbone's own
        "timm_proj": "linear",
        "timm_proj_bias": True,
        "image_size": facts.size,
    }
    return {
        "model_cfg": {**text.model_config, "vision_cfg": vision},
        "preprocess_cfg": {
            "mean": list(facts.mean),
            "std": list(facts.std),
            "interpolation": backbone.views.interpolation,
            "resize_mode": backbone.views.resize_mode,
        },
    }


@torch.inference_mode()
def _check(folder: Path, backbone: Backbone, tensors: dict[str, torch.Tensor]) -> None:
    """Raise InputError if the model in ``folder`` sees something else than was fitted."""
    size = backbone.facts.size
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    expected = backbone.model.eval()(images) @ tensors[WEIGHT].T + tensors[BIAS]
    with reading(
        f"alignment: {backbone.facts.architecture} with images of {size} pixels",
        "an image tower that open_clip can run",
        "Pretrain a transformer with the image size that its name says.",
    ):
        found = load(folder).model.encode_image(images)
    off = float((found - expected).abs().max() / expected.abs().max().clamp(min=1))
    if off > TOLERANCE:
        raise InputError(f"{folder}: open_clip gives features that differ by {off:.2g}.")
