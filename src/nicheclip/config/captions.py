"""Config of caption sets: backend, prompts, gates."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nicheclip.config.base import ConfigModel, GridModel
from nicheclip.config.llm_backends import (
    Backend,
    LlmBackend,
    OllamaBackend,
    OpenaiBackend,
)
from nicheclip.runtime.paths import expand_path


class TemplateBackend(Backend):
    """A grammar over class attributes; offline."""

    kind: Literal["template"]
    grammar: str
    """Name of a file in `workflow/registry/prompts/`."""

    def source(self, prompts: Path) -> Path:
        """The grammar."""
        return prompts / f"{self.grammar}.yaml"


IN_REGISTRY = "registry:"
"""Begins the path of a file that this workflow brings."""


class ReplayBackend(Backend):
    """Captions that somebody made before, from a Parquet or JSON Lines file; or descriptions of
    classes as CuPL, WCA and others publish them, a mapping of names to lists of texts."""

    kind: Literal["replay"]
    path: str
    """The file, with the columns class_id (or image_id) and text; or a mapping (`.json`, or `.pt`
    of torch). `~` and variables expand. `registry:NAME`: a file of
    `workflow/registry/descriptions`."""
    keys: dict[str, str] = Field(default={})
    """What a mapping calls some classes, by class_id; others are found by their name or id, upper
    case, underscores and hyphens aside."""

    def source(self, prompts: Path) -> Path:
        """The file of captions."""
        if self.path.startswith(IN_REGISTRY):
            return prompts.parent / "descriptions" / self.path.removeprefix(IN_REGISTRY)
        return expand_path(self.path)


class GateConfig(ConfigModel):
    """What a reply must be to become a caption."""

    min_words: Annotated[int, Field(ge=1)] = 5
    max_words: Annotated[int, Field(ge=1)] = 40
    max_tokens: Annotated[int, Field(ge=4)] = 77
    """CLIP tokens, start and end marks included."""
    complete_sentence: bool = True
    """The reply ended by itself (`done_reason` stop) and in `.`, `!` or a closing quote."""
    unique: bool = True
    """Reject a text that is already there (letter case, space and punctuation aside)."""
    near_duplicate: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Reject a text whose Jaccard similarity of word 3-grams with an earlier one of the same class
    is at least this; 1 leaves only exact duplicates to `unique`."""
    other_class: Literal["note", "reject"] = "note"
    """The text names another class of the data set."""
    class_name: Literal["note", "require", "forbid"] = "note"
    """Whether the text must name its class, or must not."""
    forbidden_classes: list[str] = Field(default=[])
    """Data sets of the config whose classes no text may name: benchmarks that the captions are to
    be disjoint from."""
    visual: Literal["off", "note", "reject"] = "off"
    """The text speaks of use, price, history or the like and of nothing that can be seen."""
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    """Two letters, such as en: reject texts that are in another language. Needs the extra `gates`;
    short texts and Latin names are given the benefit of the doubt."""
    forbidden: list[str] = Field(default=[])
    """More regular expressions, matched without regard to case, that reject a text."""

    @field_validator("forbidden")
    @classmethod
    def _expressions_compile(cls, expressions: list[str]) -> list[str]:
        for expression in expressions:
            try:
                re.compile(expression)
            except re.error as error:
                raise ValueError(f"{expression!r} is not a regular expression: {error}") from None
        return expressions

    @model_validator(mode="after")
    def _some_length_passes(self) -> "GateConfig":
        if self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is above max_words {self.max_words}")
        return self


class CaptionConfig(GridModel):
    """One caption set."""

    dataset: str
    """The data set that it describes, by its name under `datasets`."""
    backend: Annotated[
        TemplateBackend | OllamaBackend | OpenaiBackend | ReplayBackend,
        Field(discriminator="kind"),
    ]
    per: Literal["class", "image"] = "class"
    """Captions describe a class, or each image (vision models; replay by image_id)."""
    samples: Annotated[int, Field(ge=1)] = 20
    """Captions asked for, of each class or image."""
    gates: GateConfig = GateConfig()
    parts: Annotated[int, Field(ge=1)] = 1
    """Jobs that ask a server side by side, each for its share of the classes or images. Another
    number asks everything again."""

    @property
    def local_modules(self) -> list[str]:
        """The module that gives the texts without a server, if one does."""
        return [] if self.backend.remote else [self.backend.module]

    def asked(self) -> dict[str, Any]:
        """What decides the replies of a server, as plain values; a gate is no part of it."""
        chosen = self.model_dump(mode="json", include={"dataset", "per", "samples", "parts"})
        backend = self.backend
        effort = set(backend.EFFORT) if isinstance(backend, LlmBackend) else set()
        return {**chosen, "backend": backend.model_dump(mode="json", exclude=effort)}

    def judged(self) -> dict[str, Any]:
        """What decides the captions once there are replies, as plain values."""
        if isinstance(self.backend, LlmBackend):
            return {**self.asked(), "gates": self.gates.model_dump(mode="json")}
        return self.model_dump(mode="json", exclude={"parts"})
