"""The one exception that the library raises for input a user can mend, and what becomes one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

#: characters of another library's words in a message of ours
LONGEST_CAUSE = 300


class InputError(ValueError):
    """Bad input or configuration.

    The message names the file, row and field, what was expected, and what to do next; scripts
    print it without a traceback.
    """


@contextmanager
def reading(source: object, expected: str, remedy: str) -> Iterator[None]:
    """Turn what a library raises while it reads ``source`` into one ``InputError``.

    Libraries meet damaged files with errors of any kind. Put no more than the reading inside.

    Args:
        source: what is read, a path as a rule; the message begins with it.
        expected: what it should be, as in "expected weights".
        remedy: what to do next, a sentence.

    Raises:
        InputError: the reading failed; one that was raised inside stays as it is.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"{source}: expected {expected}; it cannot be read ({cause(error)}). {remedy}"
        ) from error


def cause(error: BaseException) -> str:
    """What ``error`` says, on one line of bounded length, without colours of a terminal."""
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
    if len(text) > LONGEST_CAUSE:
        text = f"{text[:LONGEST_CAUSE]} ..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
