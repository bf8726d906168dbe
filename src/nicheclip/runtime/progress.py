"""Progress for long work: a bar on a terminal, a line every few seconds in a log."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

SECONDS_TO_FIRST_LINE = 2.0
SECONDS_BETWEEN_LINES = 10.0


def progress(items: Iterable[Item], *, label: str, total: int | None = None) -> Iterator[Item]:
    """Pass ``items`` on and show on standard error how far they are, how fast, and what is left.

    Work that ends within two seconds shows nothing in a log.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        yield from tqdm(items, desc=label, total=total, delay=1.0)
    else:
        yield from _with_lines(items, label, total)


def _with_lines(items: Iterable[Item], label: str, total: int | None) -> Iterator[Item]:
    start = time.monotonic()
    next_line = start + SECONDS_TO_FIRST_LINE
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now >= next_line and done != total:
            _print_line(label, done, total, now - start)
            next_line = now + SECONDS_BETWEEN_LINES
    if time.monotonic() - start >= SECONDS_TO_FIRST_LINE:
        _print_line(label, done, total, time.monotonic() - start)


def _print_line(label: str, done: int, total: int | None, seconds: float) -> None:
    line = tqdm.format_meter(done, total or 0, seconds, ncols=80, prefix=label, ascii=True)
    print(line, file=sys.stderr, flush=True)
