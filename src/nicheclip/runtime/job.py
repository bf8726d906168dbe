"""The frame of a workflow job: its log, and errors that a user can read."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TextIO

from nicheclip.runtime.credentials import masked
from nicheclip.runtime.driver_watch import end_with_driver
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.last_words import ERROR
from nicheclip.runtime.locks import LockedError, lock


class _Tee:
    """Standard error that goes to the log file as well; neither shows a password."""

    def __init__(self, terminal: TextIO, log: TextIO) -> None:
        self._terminal = terminal
        self._log = log

    def write(self, text: str) -> int:
        shown = masked(text)
        with suppress(OSError):  # a full disk must not hide the message that says so
            self._log.write(shown)
            self._log.flush()
        self._terminal.write(shown)
        return len(text)

    def flush(self) -> None:
        self._terminal.flush()

    def fileno(self) -> int:
        return self._terminal.fileno()

    def isatty(self) -> bool:
        return False  # jobs run side by side: lines, not bars


@contextmanager
def _alone(log: Path) -> Iterator[None]:
    """Wait until no other process does the job that writes to ``log``.

    The lock has a file of its own, since Snakemake removes a log before the job that writes it.
    """
    file = log.with_name(f".{log.name}.lock")
    try:
        descriptor = lock(file, wait=False)
    except LockedError:
        print(f"{log}: an earlier process still does this job; waiting for it.", file=sys.stderr)
        descriptor = lock(file, wait=True)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _opened(log: Path) -> Iterator[TextIO]:
    stream = log.open("a", encoding="utf-8")
    try:
        yield stream
    finally:
        with suppress(OSError):  # what a full disk did not take is on the terminal
            stream.close()


@contextmanager
def job(log: Path | str, *, alone: bool = True) -> Iterator[None]:
    """Run a script's work with its messages in ``log`` and on standard error.

    A job that outlived its killed driver still holds its lock: then this one waits for it, so that
    two never write the same outputs. Without ``alone`` it does not: for the processes of one job,
    and for jobs that do their own locking.

    When the driver that runs it beside itself is killed, it stops as by Ctrl-C.

    An ``InputError`` ends the process with status 1 and its message alone, Ctrl-C with the status
    that shells give it; any other exception is shown with its traceback.
    """
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    end_with_driver()
    with _alone(log) if alone else nullcontext(), _opened(log) as stream:
        terminal = sys.stderr
        sys.stderr = _Tee(terminal, stream)
        logging.basicConfig(
            stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", force=True
        )
        logging.getLogger("httpx").setLevel(logging.WARNING)
        try:
            yield
        except InputError as error:
            print(f"\n{ERROR}{error}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("stopped by Ctrl-C", file=sys.stderr)
            sys.exit(128 + signal.SIGINT)
        except Exception:
            traceback.print_exc()
            sys.exit(1)
        finally:
            sys.stderr = terminal
            logging.basicConfig(force=True)
