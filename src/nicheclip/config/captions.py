"""Config of caption sets: backend, prompts, gates."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from nicheclip.config.base import ConfigModel, GridModel
from nicheclip.runtime.paths import expand_path


class _Backend(ConfigModel):
    """What all kinds of backends answer."""

    kind: str

    @property
    def starts_server(self) -> bool:
        """Whether the job runs an LLM of its own, and so needs a GPU and its memory."""
        return False

    def source(self, prompts: Path) -> Path:
        """The file that the texts come from or are asked by.

        Args:
            prompts: the folder of the registry's prompts.
        """
        raise NotImplementedError

    @property
    def module(self) -> str:
        """The module of the library that is this backend."""
        return f"nicheclip.captions.{self.kind}"


class TemplateBackend(_Backend):
    """A grammar over class attributes; offline."""

    kind: Literal["template"]
    grammar: str
    """Name of a file in `workflow/registry/prompts/`."""

    def source(self, prompts: Path) -> Path:
        """The grammar."""
        return prompts / f"{self.grammar}.yaml"


class OllamaOptions(ConfigModel):
    """Sampling options, always sent: the server's own defaults differ between versions."""

    temperature: Annotated[float, Field(ge=0)] = 0.9
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.9
    top_k: Annotated[int, Field(ge=1)] = 40
    num_predict: Annotated[int, Field(ge=1)] = 120
    """Most tokens of a reply; without it a model may run on for ever. The thoughts of a model that
    thinks count as well."""
    num_ctx: Annotated[int, Field(ge=128)] = 4096
    seed: int = 0
    """Base seed; each sample and each attempt adds to it."""


class OllamaBackend(_Backend):
    """A model behind an ollama server."""

    kind: Literal["ollama"]
    model: str
    """As in `ollama list`, for example `llama3.2:3b`."""
    prompt: str
    """Name of a file in `workflow/registry/prompts/`."""
    host: str | None = None
    """URL of a running server. Null starts one for the job on a free port (`ollama serve`)."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    """For one reply."""
    attempts: Annotated[int, Field(ge=1)] = 4
    """Tries for one caption before the job gives up (server trouble), with growing waits."""
    concurrency: Annotated[int, Field(ge=1)] = 4
    """Requests under way at once; give the server `OLLAMA_NUM_PARALLEL` to match."""
    options: OllamaOptions = OllamaOptions()

    @field_validator("host")
    @classmethod
    def _host_is_a_url(cls, host: str | None) -> str | None:
        expected = "expected the URL of a server, for example http://localhost:11434, or null"
        if host is None:
            return host
        if re.search(r"[\s\x00-\x1f\x7f]", host):
            raise ValueError(f"{expected}; not with spaces or control characters")
        try:
            parts = urlsplit(host if "://" in host else f"http://{host}")
            whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError as error:
            raise ValueError(f"{expected}: {error}") from None
        if not whole:
            raise ValueError(expected)
        return host

    @property
    def starts_server(self) -> bool:
        """Where no server is named; see ``_Backend``."""
        return self.host is None

    def source(self, prompts: Path) -> Path:
        """The prompt."""
        return prompts / f"{self.prompt}.yaml"


class ReplayBackend(_Backend):
    """Captions that somebody made before, from a Parquet or JSON Lines file."""

    kind: Literal["replay"]
    path: str
    """The file, with the columns class_id (or image_id) and text; `~` and variables expand."""

    def source(self, prompts: Path) -> Path:
        """The file of captions."""
        del prompts
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
    backend: Annotated[TemplateBackend | OllamaBackend | ReplayBackend, Field(discriminator="kind")]
    per: Literal["class", "image"] = "class"
    """Captions describe a class, or each image (vision models; replay by image_id)."""
    samples: Annotated[int, Field(ge=1)] = 20
    """Captions asked for, of each class or image."""
    gates: GateConfig = GateConfig()
