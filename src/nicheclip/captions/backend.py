"""What a caption backend is: requests in, replies out."""

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from nicheclip.captions.prompts import Prompt
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
    """Who makes the texts; recorded with every caption and part of the cache key."""

    model: str
    digest: str
    """Of the model, or of the file that the texts come from."""
    server: str
    """Version of the server; "" where there is none."""


@dataclass(frozen=True)
class Request:
    """One text to be made."""

    class_id: str
    image_id: str | None
    """None for a caption of the class."""
    sample: int
    """Number of the text among those of the same class or image, from 0."""
    prompt: str
    """Rendered; "" for backends that need none."""
    image: bytes | None
    """The encoded image, for vision models."""
    seed: int
    """Of the whole caption set."""


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


class Backend(Protocol):
    """A source of texts; enter it before use. ``generate`` is called from several threads."""

    @property
    def identity(self) -> Identity:
        """Known once the backend is entered."""

    @property
    def concurrency(self) -> int:
        """How many requests may be under way at once."""

    @property
    def costly(self) -> bool:
        """Replies are worth a cache."""

    def available(self, class_id: str, image_id: str | None, asked: int) -> int:
        """How many of the ``asked`` samples of a class or image the backend can give."""

    def options(self, request: Request) -> str:
        """The options of the first attempt at ``request``, as JSON with sorted keys."""

    def generate(self, request: Request) -> Reply:
        """The reply to ``request``.

        Raises:
            BackendUnavailable: no reply can be had; the job ends.
        """

    def cancel(self) -> None:
        """Make ``generate`` give up instead of trying again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class LocalBackend:
    """Base of backends that read their texts from a file: nothing to open, nothing to wait for."""

    concurrency = 1
    costly = False

    def options(self, request: Request) -> str:
        """No options."""
        return "{}"

    def cancel(self) -> None:
        """Nothing is ever tried again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


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
    """A backend, the prompt that its requests carry, and input that it cannot use."""

    backend: Backend
    prompt: Prompt | None = None
    dropped: list[Dropped] = field(default_factory=list)
