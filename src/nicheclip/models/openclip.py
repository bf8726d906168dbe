"""CLIP models as open_clip builds them: create, load, save.

The only module that imports open_clip's factory. A model folder holds ``open_clip_config.json``
and ``open_clip_model.safetensors``, open_clip's own layout: anybody can load it with
``open_clip.create_model_and_transforms("local-dir:FOLDER")`` or push it to a hub. It may also hold
only what differs from another model folder (see ``models.deltas``).
"""

import copy
import pickle
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from nicheclip.config.models import ModelConfig
from nicheclip.models.deltas import (
    AGAIN,
    check_finite,
    check_model_folder,
    check_tensors_fit,
    is_delta,
    read_config,
    read_tensors,
    write_weights,
)
from nicheclip.models.fusion import FusedModel, read_fusion
from nicheclip.models.visual_prompts import PROMPTS, add_prompts
from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import read_json, write_json
from nicheclip.runtime.library_warnings import without_warnings
from nicheclip.runtime.paths import expand_path
from nicheclip.runtime.torchvision_ops import declare_missing_operators
from nicheclip.runtime.without_compiler import without_compiler
from nicheclip.subjects import CONFIG_FILE, MODEL_FILES, WEIGHTS_FILE

declare_missing_operators()
with without_compiler():
    import open_clip as open_clip

#: how the names of architectures begin that come with their weights: of the hub, of a folder
HUB, LOCAL = "hf-hub:", "local-dir:"

#: what to do about a name that the hub does not answer
NETWORK = (
    "Correct the name. Without network, run this job once on a machine that has it (the cache is "
    "the hub's, HF_HOME), or give the path of a file or folder."
)


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
    name, weights = config.architecture, config.weights_file() or config.pretrained
    if name.startswith(LOCAL):
        name = LOCAL + str(expand_path(name.removeprefix(LOCAL)))
    brings_weights = name.startswith((HUB, LOCAL))
    model_config = _model_config(name, registry)
    check_extra(model_config, f"models: architecture {name!r}")
    quick_gelu = bool(model_config.get("quick_gelu")) or _trained_with_quick_gelu(config)
    if quick_gelu:
        model_config["quick_gelu"] = True
    torch.manual_seed(seed)
    with reading(*_wanted(name, weights)):
        model = _built(
            name,
            pretrained=str(weights) if weights and not brings_weights else None,
            force_quick_gelu=quick_gelu,
            pretrained_text=False,  # random is random, in towers of transformers as well
            require_pretrained=bool(weights) or brings_weights,
        )
        tokenizer = open_clip.get_tokenizer(name)
    check_finite(_wanted(name, weights)[0], model.state_dict())
    return Clip(model, tokenizer, model_config)


def _model_config(name: str, registry: Path) -> dict[str, Any]:
    """open_clip's ``model_cfg`` of the architecture ``name``."""
    file = registry / f"{name}.json"
    if file.is_file():
        with reading(file, "JSON with embed_dim, vision_cfg and text_cfg", "Correct the file."):
            _ = [read_json(file)[key] for key in ("embed_dim", "vision_cfg", "text_cfg")]
        open_clip.add_model_config(file)
    with reading(*_wanted(name, None)):
        found: dict[str, Any] | None = copy.deepcopy(open_clip.get_model_config(name))
    if found is None:
        raise InputError(
            f"models: architecture {name!r} is neither an open_clip model nor a "
            f"file in {registry}. Names: {', '.join(open_clip.list_models()[:5])}, ... "
            "(python -c 'import open_clip; print(open_clip.list_models())')"
        )
    return found


def _wanted(name: str, weights: Path | str | None) -> tuple[str, str, str]:
    """What is read, what it should be and what to do if it cannot be, for ``reading``."""
    if name.startswith(HUB):
        return f"models: architecture {name!r}", "a model of the hub in open_clip's layout", NETWORK
    if name.startswith(LOCAL):
        remedy = "Correct the path, or copy the folder again from where it is whole."
        return f"models: architecture {name!r}", "a model folder in open_clip's layout", remedy
    if isinstance(weights, Path):
        expected = f"weights of {name!r}, as safetensors or as torch saves a state_dict"
        return str(weights), expected, "Get the file again, or change the model's architecture."
    if weights:
        return f"models: weights {weights!r}", f"a tag or a file with weights of {name!r}", NETWORK
    expected = "one that open_clip can build"
    return f"models: architecture {name!r}", expected, "Choose another, or correct its file."


def _built(name: str, **options: Any) -> Any:
    try:
        return open_clip.create_model(name, **options)
    except pickle.UnpicklingError as error:  # torch's words advise to trust the file
        raise InputError(
            f"{options['pretrained']}: is no file of tensors alone, and is not loaded: Python "
            "objects in it could run any program. Expected safetensors, or a state_dict saved by "
            "torch. Get the weights in such a file."
        ) from error


def check_extra(model_config: dict[str, Any], source: object) -> None:
    """Raise InputError if the text tower of ``source`` needs a package that is not there."""
    text = model_config.get("text_cfg")
    if not isinstance(text, dict):
        raise InputError(
            f"{source}: text_cfg is {text!r}; expected a mapping, as in open_clip's model_cfg. "
            "Correct the file, or copy it again from where it is whole."
        )
    needed = [text[key] for key in ("hf_model_name", "hf_tokenizer_name") if text.get(key)]
    if needed and find_spec("transformers") is None:
        raise InputError(
            f"{source}: its text tower ({needed[0]}) needs the package transformers, which is not "
            "installed. Install the extra hf: pip install -c constraints.txt -e '.[hf]'"
        )


def _trained_with_quick_gelu(config: ModelConfig) -> bool:
    """open_clip only warns when a tag's activation is not the architecture's; we obey the tag."""
    tag = open_clip.get_pretrained_cfg(config.architecture, config.pretrained or "")
    return bool(tag and tag.get("quick_gelu"))


def load(folder: Path | str) -> Clip:
    """The model in ``folder``, whole or a delta, on the CPU, in evaluation mode.

    Raises:
        InputError: ``folder`` is not a model folder, or it is damaged: a file cannot be read, a
            delta's base is missing or another, the tensors do not fit the config, or a number in
            them is not finite.
    """
    folder = Path(folder)
    check_model_folder(folder)
    tensors, model_config = read_tensors(folder), read_config(folder)["model_cfg"]
    check_extra(model_config, folder)
    check_finite(folder, tensors)
    expected = "a model that open_clip can build"
    # open_clip warns of a model without weights; here they come next
    with reading(folder / CONFIG_FILE, expected, AGAIN), without_warnings():
        model = open_clip.create_model(
            f"{LOCAL}{folder}", load_weights=False, pretrained_text=False
        )
    if PROMPTS in tensors:
        add_prompts(model, tensors[PROMPTS])
    check_tensors_fit(tensors, model.state_dict(), folder)
    model.load_state_dict(tensors)
    if fusion := read_fusion(folder):
        record, base = fusion
        model = FusedModel(model, load(base).model, record.weight)
    model.eval()
    return Clip(model, _tokenizer(folder, model_config), model_config)


def _tokenizer(folder: Path, model_config: dict[str, Any]) -> Any:
    """open_clip's for ``folder``; one of the hub from there where the folder does not hold it."""
    text = model_config["text_cfg"]
    name = text.get("hf_tokenizer_name")
    if not name and "tokenizer_kwargs" not in text:
        return _clips_tokenizer(text.get("context_length"))
    if not name or (folder / "tokenizer_config.json").is_file():
        with reading(folder, "a tokenizer", AGAIN):
            return open_clip.get_tokenizer(f"{LOCAL}{folder}")
    with reading(f"{folder}, hf_tokenizer_name {name!r}", "a tokenizer of the hub", NETWORK):
        return open_clip.tokenizer.HFTokenizer(
            name,
            context_length=text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH),
            tokenizer_mode=text.get("tokenizer_mode"),
            **text.get("tokenizer_kwargs", {}),
        )


@cache
def _clips_tokenizer(context_length: int | None) -> Any:
    """CLIP's own. To build its vocabulary takes longer than to load a small model, and a job loads
    up to eighty.
    """
    length = context_length or open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH
    return open_clip.tokenizer.SimpleTokenizer(context_length=length)


def save(clip: Clip, folder: Path | str) -> list[Path]:
    """Write ``clip`` to ``folder``; returns the files. Same weights, same bytes.

    Raises:
        InputError: ``folder`` holds a delta, which ``load`` would go on to read; or the model sees
            with two towers, for which open_clip has no layout.
    """
    folder = Path(folder)
    if isinstance(clip.model, FusedModel):
        raise InputError(f"{folder}: a fused model is not one of open_clip's; save its parts.")
    if is_delta(folder):
        raise InputError(f"{folder}: holds a delta; write the whole model to another folder.")
    write_weights(folder / WEIGHTS_FILE, clip.tensors())
    write_json(folder / CONFIG_FILE, clip.folder_config())
    save_tokenizer(clip, folder)
    return [folder / name for name in MODEL_FILES]


def save_tokenizer(clip: Clip, folder: Path) -> None:
    """Write a tokenizer of the hub to ``folder``, where open_clip looks for it."""
    if clip.model_config["text_cfg"].get("hf_tokenizer_name"):
        clip.tokenizer.save_pretrained(folder)
