"""Let torchvision import beside a torch build that its binary part was not made for.

PyPI's torchvision is linked to CUDA. Beside a CPU-only torch its extension does not load, and then
``import torchvision`` itself fails, because it describes operators that nobody declared. The
transforms that open_clip takes from it need none of them, so declaring the names is enough.
"""

from importlib.util import find_spec
from pathlib import Path

import torch

_NON_MAXIMUM_SUPPRESSION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_library: torch.library.Library | None = None


def declare_missing_operators() -> None:
    """Declare what ``import torchvision`` expects, unless its own extension provides it."""
    global _library  # noqa: PLW0603 - the declarations live as long as this object
    if _library is not None or _extension_loads():
        return
    _library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        _library.define(name + _NON_MAXIMUM_SUPPRESSION)


def _extension_loads() -> bool:
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # not installed: let the import say so
    for extension in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(extension)
        except OSError:
            return False
    return True
