"""What stands last on the console after a run that did not end well: why, and how to go on."""

import atexit
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

#: of a job that failed, in Snakemake's log: the rule, then its fields
_FAILED = re.compile(r"^Error in rule (\S+):\n((?:    .*\n?)*)", re.MULTILINE)
_LOG = re.compile(r"^    log: (\S+)", re.MULTILINE)

#: how the frame of a job (``runtime.job``) begins the last message of one that cannot go on
ERROR = "error: "

STOPPED = """\
Stopped by Ctrl-C: this is no error. Finished results are kept, and a training goes on from its last
checkpoint. To go on, give the same command again."""

#: seconds after which an interrupt that came while a message was written is handed on
LATER = 0.05

SILENT = "it has written no message: perhaps it was killed, for example for want of memory"


@dataclass
class Interrupts:
    """Whether the user has pressed Ctrl-C."""

    noted: bool = False

    def watch(self) -> None:
        """Note SIGINT from now on, and hand it to whoever handled it before."""
        before = signal.getsignal(signal.SIGINT)
        if not callable(before):
            return  # ignored, as in what a shell has started in the background

        def note(number: int, frame: FrameType | None) -> None:
            self.noted = True
            if _writes_a_message(frame):  # Snakemake's handler swallows what is raised there
                threading.Timer(LATER, os.kill, (os.getpid(), number)).start()
                return
            before(number, frame)

        signal.signal(signal.SIGINT, note)

    def hides(self, record: logging.LogRecord) -> bool:
        """Whether a message of the log is about jobs that only failed because of Ctrl-C."""
        return self.noted and record.levelno >= logging.ERROR


def _writes_a_message(frame: FrameType | None) -> bool:
    """Whether a handler of the log is at work."""
    while frame is not None:
        if frame.f_code.co_name == "emit":
            return True
        frame = frame.f_back
    return False


def say_at_the_end(text: str) -> None:
    """Print ``text`` on standard error when this process ends, below all that Snakemake says."""
    atexit.register(print, f"\n{text}", file=sys.stderr, flush=True)


def why_jobs_failed(logs: Sequence[str]) -> str:
    """The last message of each job that failed, from Snakemake's log files and the jobs' own."""
    texts = [Path(log).read_text(encoding="utf-8", errors="replace") for log in logs]
    return "\n\n".join(dict.fromkeys(reason for text in texts for reason in _reasons(text)))


def _reasons(text: str) -> Iterator[str]:
    for rule, fields in _FAILED.findall(text):
        if found := _LOG.search(fields):
            file = Path(found.group(1))
            yield f"{rule} failed ({file}):\n{last_message(file)}"


def last_message(log: Path) -> str:
    """The error that a job's log ends with: ours in full, of another exception its last line."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    start = max(text.rfind(f"\n{ERROR}"), 0 if text.startswith(ERROR) else -1)
    if start >= 0:
        return text[start:].strip()
    if "Traceback (most recent call last)" in text:
        return f"{text.strip().splitlines()[-1]} (the traceback is in the log)"
    return SILENT
