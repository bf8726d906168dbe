"""What a server of language models is to the engine that asks it."""

from types import TracebackType
from typing import Any, Protocol, Self

from nicheclip.captions.backend import Identity, Reply, Request, storable

MOST_SAID = 200
"""Characters of what a server says that are repeated in an error."""


class Trouble(Exception):  # noqa: N818
    """No reply came; the text says what the server did: "answers 503: busy"."""


class Busy(Trouble):
    """The server has no room now; the same request may succeed later."""

    def __init__(self, said: str, wait: float | None = None) -> None:
        """``wait``: seconds until the server wants to be asked again, where it says so."""
        super().__init__(said)
        self.wait = wait


class Broken(Trouble):
    """The try failed: no connection, half a reply, no end in time, another shape."""


class Declined(Trouble):
    """The server does not take this request, and would not take it again."""


class Refused(Trouble):
    """The server takes no request of ours: no such model, a wrong key."""


class Transport(Protocol):
    """A server; enter it before use. ``ask`` is called from several threads."""

    @property
    def name(self) -> str:
        """For errors: "the ollama server at http://..."."""

    @property
    def advice(self) -> str:
        """For errors: what to do where it does not work, as whole sentences."""

    @property
    def identity(self) -> Identity:
        """Known once the transport is entered."""

    def options(self, seed: int) -> dict[str, Any]:
        """What is sent beside the prompt, with ``seed`` added to the configured one."""

    def ask(self, request: Request, seed: int, seconds: float) -> Reply:
        """The reply to ``request``; or one of the troubles above, in ``seconds`` at the latest."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def brief(said: object) -> str:
    """What a server or a library says, in a line that a log can hold."""
    text = storable(" ".join(str(said).split()))
    return text if len(text) <= MOST_SAID else f"{text[:MOST_SAID]}..."


def unavailable(transport: Transport, what: object, tries: int = 1) -> str:
    """The text of an error: what ``transport`` does, and what to do."""
    counted = f"{tries} {'tries' if tries > 1 else 'try'}"
    return (
        f"captions: {transport.name} {what}; {counted}. {transport.advice} Captions that are "
        "finished are kept."
    )
