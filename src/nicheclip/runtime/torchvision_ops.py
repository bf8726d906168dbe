"""Let torchvision import beside a torch build that its binary part was not made for.

PyPI's torchvision is linked to CUDA. Beside a CPU-only torch its extension does not load, and then
``import torchvision`` itself fails, because it describes operators that nobody declared. The
transforms that open_clip takes from it need none of them, so declaring the names is enough.

``runtime.installation`` copies this file into an environment where it is needed, as a module of its
own: it imports nothing of ours.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_NON_MAXIMUM_SUPPRESSION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_library: Any = None


def declare_missing_operators() -> None:
    """Declare what ``import torchvision`` expects, unless its own extension provides it."""
    global _library  # noqa: PLW0603 - the declarations live as long as this object
    import torch  # here, so that the hook below costs nothing before torchvision is imported

    if not _extension_loads() and not hasattr(torch.ops.torchvision, "nms"):
        _library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            _library.define(name + _NON_MAXIMUM_SUPPRESSION)


def _extension_loads() -> bool:
    import torch

    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # not installed: let the import say so
    for extension in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(extension)
        except OSError:
            return False
    return True


class BeforeTorchvision(MetaPathFinder):
    """Declares the operators when somebody imports torchvision; finds nothing itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None: the other finders go on."""
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            declare_missing_operators()
        return None
