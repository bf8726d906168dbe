"""Requests for texts, and replies; what a backend that needs no server is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped


class BackendUnavailable(InputError):  # noqa: N818
    """The backend cannot give replies: no server, no model, or trouble that retries did not end."""


def storable(text: str) -> str:
    """``text`` with halves of characters joined to whole ones, or replaced by U+FFFD.

    JSON may hold half of a character (a lone surrogate), which no file can. No gate lets the
    replacement pass.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True)
class Identity:
    """Who makes the texts; recorded with every caption."""

    model: str
    """With the backend's kind before a colon."""
    digest: str
    """Of the model, or of the file that the texts come from; part of the cache key."""
    server: str
    """Version of the server; "" where there is none."""


@dataclass(frozen=True)
class Request:
    """One reply to be made."""

    class_id: str
    image_id: str | None
    """None for a caption of the class."""
    sample: int
    """Number of the request among those of the same class or image, from 0."""
    prompt: str
    """Rendered; "" for backends that need none."""
    image: bytes | None
    """The encoded image, for vision models."""
    seed: int
    """Of the whole caption set."""
    variants: int = 1
    """Captions that the reply should hold."""


@dataclass(frozen=True)
class Reply:
    """What came back."""

    text: str
    done_reason: str
    """`stop` where the text ended by itself; `length`, `load` or "" otherwise."""
    model: str
    digest: str
    server: str
    options: str
    """The sampling options that were sent, as JSON with sorted keys; the seed is the attempt's."""
    thought: int = 0
    """Characters of thinking that came beside the text, in a field of its own."""
    tokens_in: int = 0
    """Of the request, as the server counts them; 0 where it does not say."""
    tokens_out: int = 0


class Backend(Protocol):
    """A source of texts that needs no server."""

    @property
    def identity(self) -> Identity:
        """Who makes the texts."""

    def available(self, class_id: str, image_id: str | None, asked: int) -> int:
        """How many of the ``asked`` samples of a class or image it can give."""

    def generate(self, request: Request) -> Reply:
        """The reply to ``request``."""


@dataclass(frozen=True)
class BackendSetting:
    """What a backend may use beside its config."""

    dataset: str
    per: Literal["class", "image"]
    """What a caption describes."""
    prompts: Path
    """The prompt registry's folder."""
    class_names: dict[str, dict[str, str]]
    """By class_id, what fills the slots ``prompts.CLASS_SLOTS``."""
    ids: set[str]
    """The classes, or the images, that are to be described."""


@dataclass(frozen=True)
class OpenedBackend:
    """A backend, and input that it cannot use."""

    backend: Backend
    dropped: list[Dropped] = field(default_factory=list)
