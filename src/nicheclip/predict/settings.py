"""How a model is used: texts, images, device."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import torch

from nicheclip.predict.embeddings import cache_folder
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import registry_folder
from nicheclip.terms import TextType


@dataclass(frozen=True)
class Settings:
    """What a person may choose; None leaves it to the model or the machine."""

    text_type: TextType | None = None
    """Which name of a class goes into the templates; None: the one that the model was trained with
    most, ``com`` where nobody knows."""
    templates: str = "photo"
    """A file, or its name in ``workflow/registry/prompts/``."""
    max_side: int | None = None
    """Images are shrunk to so many pixels first; None: as the data set of the model was."""
    device: str | None = None
    """``cpu``, ``cuda``, ``mps``; None: a GPU where there is one."""
    batch_size: int = 64
    threads: int = field(default_factory=lambda: min(8, os.cpu_count() or 1))
    """That decode images."""
    cache: Path | None = field(default_factory=cache_folder)
    """Where embeddings of classes are kept; None keeps none."""
    registry: Path = field(default_factory=registry_folder)

    @property
    def chosen_device(self) -> str:
        """The device that is used."""
        if self.device:
            return self.device
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"

    def check(self) -> None:
        """Raise InputError if a number or the device cannot be."""
        if self.batch_size < 1 or (self.max_side is not None and self.max_side < 16):
            raise InputError(
                f"--batch-size {self.batch_size}, --max-side {self.max_side}: expected at least 1 "
                "image and 16 pixels."
            )
        try:
            torch.zeros(1, device=self.chosen_device).item()
        except (RuntimeError, AssertionError) as error:
            raise InputError(
                f"--device {self.device}: not to be had here ({str(error).splitlines()[0]}). Leave "
                "it out, or say cpu."
            ) from error

    @property
    def template_file(self) -> Path:
        """The file of templates.

        Raises:
            InputError: there is none.
        """
        for path in (Path(self.templates), self.registry / f"prompts/{self.templates}.yaml"):
            if path.is_file():
                return path
        raise InputError(
            f"--templates {self.templates}: neither a file nor a name in {self.registry}/prompts "
            "(photo, photo-single, ...)."
        )
