"""The prompt registry: YAML files with grammars and with prompts for language models.

It also holds zero-shot templates, which the evaluation reads.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from nicheclip.config.base import ConfigModel
from nicheclip.config.yaml_file import read_yaml
from nicheclip.runtime.errors import InputError

NonEmpty = Annotated[str, Field(min_length=1)]

_SLOT = re.compile(r"\{([^{}]*)\}")

#: slots that any class fills: display name and the bare names of three text types
CLASS_SLOTS = ("class", "sci", "com", "taxon")
#: the slot that another class fills
RIVAL = "rival"


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


class Variable(ConfigModel):
    """What fills a slot of a prompt beside the names of the class."""

    of: Literal["dataset", "class"]
    """One value for the data set (`backend.variables`), or one for each class
    (a column of `backend.class_variables`)."""
    type: Literal["text", "number", "list", "choice"] = "text"
    """A list is written with commas and a last "and"; a choice is one of `choices`."""
    about: NonEmpty
    """What belongs there."""
    choices: list[NonEmpty] = Field(default=[])
    default: str | None = None
    """Where nothing is given; without it the value is required."""

    @model_validator(mode="after")
    def _choices_of_a_choice(self) -> "Variable":
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("choices belong to type: choice, which needs some")
        return self


class Prompt(PromptFile):
    """Questions to a language model.

    The slots are `{class}`, `{sci}`, `{com}`, `{taxon}`, `{rival}` (the name of another class, with
    each sample the next one) and those of `variables`.
    """

    kind: Literal["prompt"]
    prompt: NonEmpty | None = None
    prompts: list[NonEmpty] = Field(default=[])
    """Several questions: the samples of a class ask one after the other."""
    variables: dict[str, Variable] = Field(default={})
    variants: Annotated[int, Field(ge=1)] = 1
    """Captions that one reply holds; above 1 it is JSON, by the schema of ``answer_schema``."""

    @property
    def questions(self) -> list[str]:
        """All questions, on one line each."""
        return [" ".join(text.split()) for text in ([self.prompt] if self.prompt else self.prompts)]

    @model_validator(mode="after")
    def _slots_are_known(self) -> "Prompt":
        if bool(self.prompt) == bool(self.prompts):
            raise ValueError("expected either prompt or prompts")
        if clash := sorted(self.variables.keys() & {*CLASS_SLOTS, RIVAL}):
            raise ValueError(f"variables: {clash[0]} is filled from the classes; rename it")
        valid = [*CLASS_SLOTS, RIVAL, *self.variables]
        used = {slot for question in self.questions for slot in slots(question)}
        if unknown := sorted(used - {*valid}):
            raise ValueError(f"unknown slot {{{unknown[0]}}}; valid: {', '.join(valid)}")
        if idle := sorted(self.variables.keys() - used):
            raise ValueError(f"variables: no question has the slot {{{idle[0]}}}")
        return self


def answer_schema(variants: int) -> dict[str, Any]:
    """The JSON schema of a reply that holds ``variants`` captions."""
    texts: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    texts |= {"minItems": variants, "maxItems": variants}
    return {
        "type": "object",
        "properties": {"captions": texts},
        "required": ["captions"],
        "additionalProperties": False,
    }


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
