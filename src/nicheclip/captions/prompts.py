"""The prompt registry: YAML files with grammars and with prompts for language models.

It also holds zero-shot templates, which the evaluation reads.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from nicheclip.config.base import ConfigModel
from nicheclip.config.yaml_file import read_yaml
from nicheclip.runtime.errors import InputError

NonEmpty = Annotated[str, Field(min_length=1)]

_SLOT = re.compile(r"\{([^{}]*)\}")

#: slots that any class fills: display name and the bare names of three text types
CLASS_SLOTS = ("class", "sci", "com", "taxon")


def slots(text: str) -> tuple[str, ...]:
    """Names of the ``{slots}`` in ``text``, in their order, each once."""
    return tuple(dict.fromkeys(_SLOT.findall(text)))


def fill(text: str, fillers: dict[str, str]) -> str:
    """``text`` with each ``{slot}`` replaced by its filler."""
    return _SLOT.sub(lambda match: fillers[match[1]], text)


class PromptFile(ConfigModel):
    """What all files of the registry have."""

    version: Annotated[int, Field(ge=1)]
    """Raised when the file's meaning changes; part of the cache key."""
    source: str | None = None
    """Where the texts come from."""


class Prompt(PromptFile):
    """A prompt for a language model; the slots are `{class}`, `{sci}`, `{com}`, `{taxon}`."""

    kind: Literal["prompt"]
    prompt: NonEmpty

    @field_validator("prompt")
    @classmethod
    def _known_slots(cls, prompt: str) -> str:
        for slot in slots(prompt):
            if slot not in CLASS_SLOTS:
                raise ValueError(f"unknown slot {{{slot}}}; valid: {', '.join(CLASS_SLOTS)}")
        return " ".join(prompt.split())


Fillers = dict[str, Annotated[list[str], Field(min_length=1)]]


class Grammar(PromptFile):
    """Patterns with `{slots}` and what may fill them, shared by all classes or of one class."""

    kind: Literal["grammar"]
    patterns: list[NonEmpty] = Field(min_length=1)
    shared: Fillers = Field(default={})
    classes: dict[str, Fillers] = Field(default={})
    """Fillers by class_id; they take the place of shared ones of the same name."""

    @model_validator(mode="after")
    def _slots_and_fillers_match(self) -> "Grammar":
        used = {slot for pattern in self.patterns for slot in slots(pattern)}
        named = {*self.shared, *(slot for part in self.classes.values() for slot in part)}
        if clash := sorted(named & set(CLASS_SLOTS)):
            raise ValueError(f"{{{clash[0]}}} is filled from the class table; rename the slot")
        if unknown := sorted(used - named - set(CLASS_SLOTS)):
            raise ValueError(f"patterns: nothing fills the slot {{{unknown[0]}}}")
        if idle := sorted(named - used):
            raise ValueError(f"no pattern has the slot {{{idle[0]}}}")
        return self


File = TypeVar("File", bound=PromptFile)


def load(folder: Path, name: str, model: type[File]) -> File:
    """The prompt file ``folder/name.yaml``, checked as ``model``.

    Raises:
        InputError: no such file, or its content is not valid; names the file and the key.
    """
    path = folder / f"{name}.yaml"
    if not path.exists():
        names = ", ".join(sorted(p.stem for p in folder.glob("*.yaml"))) or "none"
        raise InputError(f"{path}: no such prompt file. There are: {names}.")
    content = read_yaml(path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, item['loc'])) or 'file'}: "
            + item["msg"].removeprefix("Value error, ")
            for item in error.errors()
        ]
        raise InputError(
            f"{path}: not a valid {model.__name__.lower()} file:\n  " + "\n  ".join(lines)
        ) from None
