"""The texts of a task: what a method knows of the classes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.runtime.errors import InputError

TEMPLATE = "a photo of a {}."


@dataclass(frozen=True)
class TaskTexts:
    """Ids, names and texts of C classes, in one order."""

    class_ids: tuple[str, ...]
    """C ids, each another one."""
    descriptions: ClassTexts
    """Features of each class's descriptions by the start model, at least one for each class."""
    templates: tuple[str, ...] = (TEMPLATE,)
    """Sentences in which a class's name takes the place of ``{}``."""
    details: ClassTexts | None = None
    """Features of attributes and analogies, for CODER."""
    sentences: tuple[tuple[str, ...], ...] = ()
    """The descriptions themselves, of each class at least one, for a text encoder that trains."""

    def __post_init__(self) -> None:
        """Raise InputError if ids, names and texts do not fit."""
        self.descriptions.check_every_class("description")
        ids, names = self.class_ids, self.descriptions.class_names
        if len(ids) != len(names) or len(set(ids)) != len(ids):
            raise InputError(
                f"class texts: {len(set(ids))} class ids for {len(names)} class names; expected "
                "one for each, none of them twice."
            )
        wrong = [template for template in self.templates if "{}" not in template]
        if wrong or not self.templates:
            raise InputError(
                f"templates: {wrong[0]!r} has no {{}} for the class name."
                if wrong
                else "templates: there are none. Give at least one."
            )
        if self.details is not None and self.details.class_names != names:
            raise InputError("class texts: details and descriptions are not of the same classes.")

    @property
    def class_names(self) -> tuple[str, ...]:
        """C names."""
        return self.descriptions.class_names

    @property
    def classes(self) -> int:
        """C."""
        return len(self.class_ids)

    def prompts(self) -> list[list[str]]:
        """For each class its name in each template."""
        return [
            [template.replace("{}", name) for template in self.templates]
            for name in self.class_names
        ]

    def digest(self) -> str:
        """Sixteen hex digits that stand for all of it."""
        digest = hashlib.sha256()
        for texts in (self.descriptions, self.details):
            if texts is not None:
                digest.update(np.ascontiguousarray(texts.features.cpu().numpy()).tobytes())
                digest.update(texts.owners.cpu().numpy().tobytes())
        words: Sequence[object] = (self.class_ids, self.class_names, self.templates)
        digest.update(repr(words).encode())
        return digest.hexdigest()[:16]
