"""Being stopped: a scheduler's or a person's signal ends a run after the step in progress."""

import signal
from types import FrameType, TracebackType
from typing import Any

#: EX_TEMPFAIL of sysexits.h: not done yet, the same command goes on from here
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
    """While entered, SIGTERM, SIGUSR1 and SIGINT set ``received`` instead of ending the process."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopRequest":
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.received = signal.Signals(number)
