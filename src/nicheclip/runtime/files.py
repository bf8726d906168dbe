"""Files that are whole or absent: written under a temporary name, then renamed."""

import errno
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nicheclip.runtime.errors import InputError, cause

#: no room: the disk, a quota, the largest size of a file
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

#: a file where a folder should be, a folder where a file should be, rights
REFUSED = (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside ``path``; renamed to it when the block ends without an exception.

    The temporary file keeps the suffix of ``path`` (writers choose their format by it) and is
    removed when the block fails.

    Raises:
        InputError: as ``writing``.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}.", suffix=f".tmp{path.suffix}"
        )
    os.close(handle)
    temporary = Path(name)
    try:
        with writing(path):
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise InputError if ``path`` could not be written, before the work for it is done."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected the name of a file.")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=path.parent, prefix=f".{path.stem}.", suffix=f".tmp{path.suffix}"
            ):
                pass
    except OSError as error:  # a name that is too long, a folder where none can be made
        raise InputError(f"{path}: cannot be written ({cause(error)}). Name another.") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says against writing ``path`` into an error that a user can act on.

    Raises:
        InputError: the disk is full, something is in the way, or the right to write is missing.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if (number := _no_room(error)) is not None:
            folder = next(parent for parent in path.absolute().parents if parent.exists())
            raise InputError(
                f"{path}: cannot be written, the disk is full ({os.strerror(number)}; "
                f"{shutil.disk_usage(folder).free / 1e6:.0f} MB free, quotas not counted). Make "
                "room, then run the same command again."
            ) from error
        if isinstance(error, REFUSED):
            raise InputError(
                f"{path}: cannot be written ({cause(error)}). Make its folder one that you may "
                "write to, and move away what stands in its place."
            ) from error
        raise


def _no_room(error: BaseException | None) -> int | None:
    """The number of the system's error where one of ``NO_ROOM`` is behind ``error``.

    torch and safetensors raise errors of their own on top of it, or instead of it.
    """
    while error is not None:
        told = re.search(r"\(os error (\d+)\)", str(error))
        number = error.errno if isinstance(error, OSError) else int(told[1]) if told else None
        if number in NO_ROOM:
            return number
        error = error.__cause__ or error.__context__
    return None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` to ``path`` atomically, as indented JSON with sorted keys.

    Raises:
        InputError: a number in it is not finite; JSON has no word for it.
    """
    if wrong := next(_not_finite(value), None):
        raise InputError(
            f"{path}: not written, since {wrong}; expected a finite number. A model that has "
            "diverged gives such numbers, and so does .inf or .nan in a config: correct that, then "
            "run the same command again."
        )
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def _not_finite(value: Any, place: str = "") -> Iterator[str]:
    """Where in ``value`` a number is not finite, and what it is."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{place or 'its value'} is {value}"
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _not_finite(inner, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _not_finite(inner, f"{place}[{number}]")


def read_json(path: Path | str) -> Any:
    """The value of the JSON file at ``path``."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_parquet(path: Path | str, table: pa.Table) -> None:
    """Write ``table`` to ``path`` atomically (zstd; checksums show damage when it is read)."""
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def sha256_file(path: Path | str) -> str:
    """Hex sha256 of the file's content, read in blocks."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
