"""Paths and texts as users write them."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from nicheclip.runtime.errors import InputError


def expand_path(path: str) -> Path:
    """``path`` with environment variables and ``~`` filled in.

    Raises:
        InputError: a variable is not set, or nothing can have this path: it is too long, holds a
            NUL, or its links go round in circles.
    """
    expanded = os.path.expandvars(path)
    if "$" in expanded:
        raise InputError(f"{path}: this environment variable is not set. Set it, or write a path.")
    try:
        found = Path(expanded).expanduser()
        found.stat()
    except (OSError, ValueError, RuntimeError) as error:
        if not isinstance(error, OSError) or error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"{path!r:.80}: not a usable path ({reason}). Correct it.") from None
    return found


def read_text(path: Path | str) -> str:
    """The text of a UTF-8 file that a user wrote, without a byte order mark.

    Raises:
        InputError: it is absent, cannot be read or is not UTF-8; names the line.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}).") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _not_utf8(path, line, content[error.start]) from None


def read_lines(path: Path | str) -> Iterator[str]:
    """The lines of ``read_text``, one in memory at a time: what stands between line feeds.

    Raises:
        InputError: as ``read_text``.
    """
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    encoding = "utf-8-sig" if number == 1 else "utf-8"
                    yield line.removesuffix(b"\n").decode(encoding)
                except UnicodeDecodeError as error:
                    raise _not_utf8(path, number, line[error.start]) from None
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}).") from None


def _not_utf8(path: Path | str, line: int, byte: int) -> InputError:
    return InputError(
        f"{path}, line {line}: not UTF-8 (byte 0x{byte:02x}). Save the file with the encoding "
        "UTF-8."
    )


def registry_folder() -> Path:
    """The registry of the folder one works in, of the clone that this code lies in, or else the
    copy that a wheel of this library carries.
    """
    package = Path(__file__).resolve().parents[1]
    clone = package.parents[1]
    places = [Path("workflow/registry"), clone / "workflow/registry"]
    return next((one for one in places if one.is_dir()), package / "registry")
