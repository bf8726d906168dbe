"""The members of tar and zip archives as a stream, without unpacking to disk.

Archives come from strangers: links, paths that leave the folder, encrypted members and oversized
ones are dropped with a reason. An archive that is damaged, cut, or would swell beyond measure stops
the run: every stream is read to its end, so that end blocks and checksums are seen.
"""

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from nicheclip.data.sources.tar_stream import open_tar, read_to_end
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped

#: a larger member is not a photograph
MAX_MEMBER_BYTES = 256 << 20
#: all members together may be this many times larger than the archive ...
MAX_RATIO = 200
#: ... or this large, whichever is more (small archives of text compress far)
MIN_RATIO_BYTES = 64 << 20

#: files that count as an archive with themselves as the only member
PLAIN_SUFFIXES = frozenset({".csv", ".json", ".mat", ".tsv", ".txt"})

_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    OSError,
    NotImplementedError,
    ValueError,
    OverflowError,
    struct.error,
    lzma.LZMAError,
    zlib.error,
)


@dataclass(frozen=True)
class Member:
    """A regular file in an archive."""

    number: int
    """In the archive's order, of what ``iterate_members`` gives."""
    name: str
    data: bytes | None
    """None where it was not wanted."""


def all_members(number: int) -> bool:
    """Every member is wanted."""
    del number
    return True


def iterate_members(
    path: Path, *, inner: str | None = None, wanted: Callable[[int], bool] = all_members
) -> Iterator[Member | tuple[int, Dropped]]:
    """The regular files of an archive in its own order, and with their numbers what was refused.

    Hidden files are passed over in silence.

    Args:
        path: tar (plain, gz, bz2, xz, zst), zip, or a plain file (``PLAIN_SUFFIXES``).
        inner: name of a tar within, whose members are wanted instead.
        wanted: whether the bytes of the member with this number are.

    Raises:
        InputError: no archive, a damaged one, or one that swells beyond ``MAX_RATIO``.
    """
    read, last = 0, ""
    try:
        for member in _members(path, inner, wanted):
            yield member
            read, last = read + 1, member.name if isinstance(member, Member) else member[1].key
    except InputError:
        raise
    except _BROKEN as error:
        damage = (
            f"damaged after {read} members, the last of them {last!r} ({error}). What follows it "
            "is lost."
            if read
            else f"damaged, or neither tar nor zip ({error})."
        )
        raise InputError(
            f"{path}: {damage} If it was downloaded, delete it and run again to fetch it anew; "
            "if it is your own, or of another format, RAR for one, pack it again as tar or zip."
        ) from error


def _members(
    path: Path, inner: str | None, wanted: Callable[[int], bool]
) -> Iterator[Member | tuple[int, Dropped]]:
    if inner is not None:
        with _open_inner(path, inner) as stream:
            yield from _tar_members(stream, path, wanted)
    elif path.suffix.lower() in PLAIN_SUFFIXES:
        yield Member(0, path.name, path.read_bytes() if wanted(0) else None)
    elif zipfile.is_zipfile(path):
        yield from _zip_members(path, wanted)
    else:
        with path.open("rb") as stream:
            yield from _tar_members(stream, path, wanted)


def _zip_members(
    path: Path, wanted: Callable[[int], bool]
) -> Iterator[Member | tuple[int, Dropped]]:
    budget, number = _Budget(path), -1
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir() or _hidden(info.filename):
                continue
            number += 1
            budget.spend(info.file_size)
            symbolic_link = (info.external_attr >> 16) & 0o170000 == 0o120000
            encrypted = bool(info.flag_bits & 0x1)
            reason = _refusal(info.filename, info.file_size, link=symbolic_link)
            if reason or encrypted:
                dropped = Dropped(
                    key=_printable(info.filename), reason=reason or "encrypted member"
                )
                yield number, dropped
            else:
                data = archive.read(info) if wanted(number) else None
                yield Member(number, info.filename, data)


def _tar_members(
    stream: IO[bytes], path: Path, wanted: Callable[[int], bool]
) -> Iterator[Member | tuple[int, Dropped]]:
    budget, number = _Budget(path), -1
    with open_tar(stream) as archive:
        for info in archive:
            if info.isdir() or _hidden(info.name):
                continue
            number += 1
            budget.spend(info.size)
            reason = _refusal(info.name, info.size, link=info.issym() or info.islnk())
            if info.issparse():
                reason = reason or "sparse file, which no photograph is"
            content = None if reason else archive.extractfile(info)
            if content is None:
                reason = reason or "neither a file nor a folder"
                yield number, Dropped(key=_printable(info.name), reason=reason)
                continue
            data = content.read() if wanted(number) else None
            if data is not None and len(data) != info.size:
                raise tarfile.ReadError(f"{info.name} ends early")
            yield Member(number, _without_dot(info.name), data)
        read_to_end(archive, budget.spend)


class _Budget:
    """Stops at an archive whose members are far larger than itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left = max(MIN_RATIO_BYTES, MAX_RATIO * path.stat().st_size)

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise InputError(
                f"{self._path}: its members are more than {MAX_RATIO} times larger than the "
                "archive, which no archive of photographs is (a decompression bomb?). Look into "
                "it; if it is sound, unpack it yourself and use the source kind 'folder'."
            )


def _refusal(name: str, size: int, *, link: bool) -> str | None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]):
        return "member path leaves the folder"
    if name.encode(errors="replace") != name.encode(errors="surrogateescape"):
        return "member name is not UTF-8"
    if link:
        return "link"
    if size > MAX_MEMBER_BYTES:
        return f"larger than {MAX_MEMBER_BYTES >> 20} MiB"
    return None


def _hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = (part.startswith(".") and part not in (".", "..") for part in parts)
    return any(hidden) or "__MACOSX" in parts


def _without_dot(name: str) -> str:
    return name.removeprefix("./")


def _printable(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()


@contextmanager
def _open_inner(path: Path, inner: str) -> Iterator[IO[bytes]]:
    """The tar ``inner`` of the archive ``path``, as a stream."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if inner not in archive.namelist():
                raise _no_inner(path, inner)
            if archive.getinfo(inner).flag_bits & 0x1:
                raise InputError(
                    f"{path}: {inner!r} is encrypted. Unpack it with its password, and name the "
                    "tar itself as the archive."
                )
            with archive.open(inner) as stream:
                yield stream
        return
    with path.open("rb") as raw, open_tar(raw) as tar:
        for info in tar:
            content = tar.extractfile(info) if _without_dot(info.name) == inner else None
            if content is not None:
                yield io.BufferedReader(cast(io.RawIOBase, content))
                break
        else:
            raise _no_inner(path, inner)
        for _ in tar:  # on to the end, where the outer archive's checksum is
            pass
        read_to_end(tar, _Budget(path).spend)


def _no_inner(path: Path, inner: str) -> InputError:
    return InputError(f"{path}: holds no {inner!r}. Correct 'inner', or delete the file.")
