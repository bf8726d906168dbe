"""CLIP models as open_clip builds them: create, load, save.

The only module that imports open_clip's factory. A model folder holds ``open_clip_config.json``
and ``open_clip_model.safetensors``, open_clip's own layout: anybody can load it with
``open_clip.create_model_and_transforms("local-dir:FOLDER")`` or push it to a hub. It may also hold
only what differs from another model folder (see ``models.deltas``).
"""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nicheclip.config.training import ModelConfig
from nicheclip.models.deltas import (
    check_model_folder,
    check_tensors_fit,
    is_delta,
    read_tensors,
    write_weights,
)
from nicheclip.models.visual_prompts import PROMPTS, add_prompts
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, write_json
from nicheclip.runtime.torchvision_ops import declare_missing_operators
from nicheclip.subjects import CONFIG_FILE, MODEL_FILES, WEIGHTS_FILE

declare_missing_operators()
import open_clip as open_clip  # noqa: E402 - after the operators that its torchvision needs


@dataclass(frozen=True)
class Clip:
    """A model with what is needed to feed it and to save it."""

    model: Any
    """A torch module with ``encode_image([n,3,s,s])`` and ``encode_text([n,context])``."""
    tokenizer: Any
    """``tokenizer(list of n texts)`` gives int64 tokens [n, context], cut to the context."""
    model_config: dict[str, Any]
    """open_clip's ``model_cfg``."""

    @property
    def image_size(self) -> int:
        """Edge of the square input in pixels."""
        size = self.model.visual.image_size
        return int(size[0] if isinstance(size, tuple | list) else size)

    @property
    def context_length(self) -> int:
        """Tokens of a text, start and end marks included."""
        return int(self.tokenizer.context_length)

    @property
    def mean(self) -> tuple[float, float, float]:
        """Of each colour channel (images in 0..1), subtracted before the model sees them."""
        return tuple(self.model.visual.image_mean)

    @property
    def std(self) -> tuple[float, float, float]:
        """Of each colour channel (images in 0..1), divided by."""
        return tuple(self.model.visual.image_std)

    @property
    def logit_scale(self) -> float:
        """The factor between cosine similarity and logit (the inverse temperature)."""
        return float(self.model.logit_scale.detach().exp())

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights and buffers by name, on the CPU."""
        return {k: v.detach().cpu().contiguous() for k, v in self.model.state_dict().items()}

    def folder_config(self) -> dict[str, Any]:
        """The content of a model folder's ``open_clip_config.json``."""
        preprocess: dict[str, Any] = {"mean": list(self.mean), "std": list(self.std)}
        for key in ("interpolation", "resize_mode"):
            if key in self.model.visual.preprocess_cfg:
                preprocess[key] = self.model.visual.preprocess_cfg[key]
        return {"model_cfg": self.model_config, "preprocess_cfg": preprocess}


def create(config: ModelConfig, *, seed: int, registry: Path) -> Clip:
    """The model that ``config`` names; random weights follow from ``seed``.

    Args:
        config: architecture and weights.
        seed: of the random initialisation.
        registry: the folder of architecture files (``<name>.json``, open_clip's ``model_cfg``).

    Raises:
        InputError: unknown architecture, or weights that cannot be had.
    """
    if (registry / f"{config.architecture}.json").is_file():
        open_clip.add_model_config(registry / f"{config.architecture}.json")
    model_config = copy.deepcopy(open_clip.get_model_config(config.architecture))
    if model_config is None:
        raise InputError(
            f"models: architecture {config.architecture!r} is neither an open_clip model nor a "
            f"file in {registry}. Names: {', '.join(open_clip.list_models()[:5])}, ... "
            "(python -c 'import open_clip; print(open_clip.list_models())')"
        )
    quick_gelu = bool(model_config.get("quick_gelu")) or _trained_with_quick_gelu(config)
    if quick_gelu:
        model_config["quick_gelu"] = True
    torch.manual_seed(seed)
    try:
        model = open_clip.create_model(
            config.architecture, pretrained=config.pretrained, force_quick_gelu=quick_gelu
        )
    except RuntimeError as error:
        raise InputError(
            f"models: no weights {config.pretrained!r} for {config.architecture!r}: {error}. "
            "On a machine without network, fetch them on one that has it (the cache is the hub's, "
            "HF_HOME) or give the path of a checkpoint file."
        ) from error
    return Clip(model, open_clip.get_tokenizer(config.architecture), model_config)


def _trained_with_quick_gelu(config: ModelConfig) -> bool:
    """open_clip only warns when a tag's activation is not the architecture's; we obey the tag."""
    tag = open_clip.get_pretrained_cfg(config.architecture, config.pretrained or "")
    return bool(tag and tag.get("quick_gelu"))


def load(folder: Path | str) -> Clip:
    """The model in ``folder``, whole or a delta, on the CPU, in evaluation mode.

    Raises:
        InputError: ``folder`` is not a model folder, or a delta that is damaged, whose
            base is missing or another, or whose tensors do not fit its config.
    """
    folder = Path(folder)
    check_model_folder(folder)
    source = f"local-dir:{folder}"
    if is_delta(folder):
        tensors = read_tensors(folder)
        with _no_warning_of_random_weights():
            model = open_clip.create_model(source, load_weights=False, pretrained_text=False)
        if PROMPTS in tensors:
            add_prompts(model, tensors[PROMPTS])
        check_tensors_fit(tensors, model.state_dict(), folder)
        model.load_state_dict(tensors)
    else:
        model = open_clip.create_model(source, require_pretrained=True)
    model.eval()
    return Clip(
        model, open_clip.get_tokenizer(source), read_json(folder / CONFIG_FILE)["model_cfg"]
    )


@contextmanager
def _no_warning_of_random_weights() -> Iterator[None]:
    """open_clip warns of a model without weights; here they come next."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def save(clip: Clip, folder: Path | str) -> list[Path]:
    """Write ``clip`` to ``folder``; returns the files. Same weights, same bytes.

    Raises:
        InputError: ``folder`` holds a delta, which ``load`` would go on to read.
    """
    folder = Path(folder)
    if is_delta(folder):
        raise InputError(f"{folder}: holds a delta; write the whole model to another folder.")
    write_weights(folder / WEIGHTS_FILE, clip.tensors())
    write_json(folder / CONFIG_FILE, clip.folder_config())
    return [folder / name for name in MODEL_FILES]
