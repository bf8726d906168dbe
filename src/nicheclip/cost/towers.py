"""How many floating-point operations a CLIP's towers take for one image or text.

Counted are matrix products, a product of [a, b] and [b, c] as 2abc operations, as open_clip's own
profile does. For T tokens of width w, L blocks, and an MLP r times as wide:

    blocks      L (2 T (4 + 2r) w^2  +  4 T^2 w)
    patches     2 (T - 1) 3 p^2 w,  with patches of p x p pixels
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nicheclip.runtime.files import read_json


@dataclass(frozen=True)
class Towers:
    """Operations of one forward pass."""

    image: float
    text: float
    tokens: int
    """Of an image, [CLS] included."""


def towers_of(architecture: str, registry: Path) -> Towers | None:
    """The towers of an architecture; None where it is no vision transformer that is known here.

    Args:
        architecture: as in the config's `models`.
        registry: the folder of our own architectures.
    """
    config = _config(architecture, registry)
    if config is None:
        return None
    vision, text = config["vision_cfg"], config["text_cfg"]
    known = all(type(vision.get(key)) is int for key in ("layers", "width", "patch_size"))
    if not known or not isinstance(vision.get("image_size", 224), int) or "width" not in text:
        return None
    return count(vision, text)


def count(vision: dict[str, Any], text: dict[str, Any]) -> Towers:
    """From open_clip's ``vision_cfg`` and ``text_cfg``."""
    width, side = vision["width"], vision["patch_size"]
    patches = (vision.get("image_size", 224) // side) ** 2
    image = _blocks(vision["layers"], patches + 1, width, vision.get("mlp_ratio", 4.0))
    image += 2 * patches * 3 * side**2 * width
    length = text.get("context_length", 77)
    words = _blocks(text.get("layers", 12), length, text["width"], text.get("mlp_ratio", 4.0))
    return Towers(image=image, text=words, tokens=patches + 1)


def _blocks(layers: int, tokens: int, width: int, ratio: float) -> float:
    return float(layers * (2 * tokens * (4 + 2 * ratio) * width**2 + 4 * tokens**2 * width))


def _config(architecture: str, registry: Path) -> dict[str, Any] | None:
    """The architecture's file: ours, or open_clip's, which is found without importing it."""
    spec = find_spec("open_clip")
    installed = (spec and spec.submodule_search_locations) or []
    for folder in (registry, *(Path(one) / "model_configs" for one in installed)):
        file = folder / f"{architecture}.json"
        if file.is_file():
            found: dict[str, Any] = read_json(file)
            return found
    return None
