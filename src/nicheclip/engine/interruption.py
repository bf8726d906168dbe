"""Being stopped: a scheduler's or a person's signal ends a run after the step in progress."""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType, TracebackType

from nicheclip.engine.ownership import Ownership

#: EX_TEMPFAIL of sysexits.h: not done yet, the same command resumes from here
EXIT_STATUS = 75

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Interrupted(SystemExit):
    """Training stopped on request after writing a checkpoint.

    Ends the process with status ``EXIT_STATUS`` (the other processes of a multi-device run end
    with 0). The same call continues the run.
    """

    def __init__(self, *, rank: int) -> None:
        super().__init__(EXIT_STATUS if rank == 0 else 0)


class StopRequest:
    """Whether training should stop after the step in progress.

    While entered, SIGTERM, SIGUSR1 and SIGINT are noted instead of ending the process.
    """

    def __init__(self, *, stop_at: float | None = None, owner: Ownership | None = None) -> None:
        """``stop_at``: seconds since 1970; ``owner``: of the run, given up when it is lost."""
        self._stop_at = math.inf if stop_at is None else stop_at
        self._owner = owner
        self._received: signal.Signals | None = None
        self._handling = on_signals(self._note)

    def reason(self) -> str | None:
        """Why to stop, in words; None to go on."""
        if time.time() >= self._stop_at:
            return "the time limit is near"
        if self._received is not None:
            return f"{self._received.name} received"
        if self._owner is not None and self._owner.lost():
            return "another process goes on with this run"
        return None

    def __enter__(self) -> "StopRequest":
        self._handling.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handling.__exit__(kind, error, trace)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._received = signal.Signals(number)


@contextmanager
def on_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """While entered, ``SIGNALS`` call ``handler`` instead of ending the process."""
    previous = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def leaving_on_signals() -> AbstractContextManager[None]:
    """While entered, ``SIGNALS`` end the process with ``EXIT_STATUS``, after clean-up."""
    return on_signals(_leave)


def _leave(number: int, frame: FrameType | None) -> None:
    raise Interrupted(rank=0)
