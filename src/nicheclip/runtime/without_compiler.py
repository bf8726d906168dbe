"""Import open_clip without torch's compiler, which takes a third of the seconds of the import.

Two packages below open_clip import the compiler for what ``torch.compile`` alone asks for:
torchvision takes one function for an operator on boxes, timm marks functions that are to be left
out. Only a run with ``compile: true`` compiles; it then traces those few functions like all others,
with the same results.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"
UTILITIES = f"{COMPILER}.utils"


class _Later(ModuleType):
    """Stands for the compiler's utilities; the real ones are imported when one of them is used."""

    @staticmethod
    def is_compile_supported(device: str) -> bool:
        """What torchvision imports by name, and calls if that operator is."""
        return bool(_real("is_compile_supported")(device))

    def __getattr__(self, name: str) -> Any:
        """Anything else is asked for by the compiler itself: let it have its own."""
        if name.startswith("__"):
            raise AttributeError(name)
        return _real(name)


def _real(name: str) -> Any:
    if isinstance(sys.modules.get(UTILITIES), _Later):
        del sys.modules[UTILITIES]
    return getattr(import_module(UTILITIES), name)


def _unmarked(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    """In place of the mark that keeps a function from being compiled."""
    return function if function else lambda marked: marked


@contextmanager
def without_compiler() -> Iterator[None]:
    """For the imports of the block; what is imported after it, or uses the compiler, is as ever."""
    import torch

    if COMPILER in sys.modules:
        yield
        return
    mark = torch.compiler.disable
    sys.modules[UTILITIES] = _Later(UTILITIES)
    torch.compiler.disable = _unmarked  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.compiler.disable = mark
        if isinstance(sys.modules.get(UTILITIES), _Later):
            del sys.modules[UTILITIES]
