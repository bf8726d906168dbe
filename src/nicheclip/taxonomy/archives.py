"""Files of zip and tar archives and compressed files, read in place as streams."""

import codecs
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO, cast

from nicheclip.runtime.errors import InputError

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_DAMAGED = (
    EOFError,
    NotImplementedError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def is_archive(path: Path) -> bool:
    """Whether ``path`` is a file that holds other files, by its name."""
    return path.name.lower().endswith(_ARCHIVES) and not path.is_dir()


def members(archive: Path) -> list[str]:
    """The files of an archive, those in the fewest folders first; no hidden ones.

    Raises:
        InputError: it is damaged.
    """
    found = archive.stat()
    return _listed(archive, found.st_size, found.st_mtime_ns)


@cache
def _listed(archive: Path, *_of_version: int) -> list[str]:
    """Kept, since a compressed tar is read whole for its list."""
    with _whole(archive):
        if _is_zip(archive):
            with zipfile.ZipFile(archive) as opened:
                names = [one.filename for one in opened.infolist() if not one.is_dir()]
        else:
            with tarfile.open(archive) as packed:
                names = [one.name for one in packed.getmembers() if one.isreg()]
                _check_end(packed)
    shown = [name for name in names if not PurePosixPath(name).name.startswith(".")]
    return sorted(shown, key=lambda name: (name.count("/"), name))


def _check_end(packed: tarfile.TarFile) -> None:
    """Python takes a broken header for the end; only an empty block is one."""
    stream = packed.fileobj
    assert stream is not None
    stream.seek(packed.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"broken or cut at byte {packed.offset}")
    while stream.read(io.DEFAULT_BUFFER_SIZE):
        pass  # a compressed file checks its sum at its end


@contextmanager
def opened(path: Path, member: str = "", *, encoding: str = "utf-8") -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where it is a ``.gz``, or of a member of an archive.

    Args:
        path: the file or archive.
        member: of the archive.
        encoding: the bytes are those of UTF-8 whichever it is.

    Raises:
        InputError: no such file, or it is damaged or encrypted.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. Correct `path` in the provider's config.")
    with _whole(path / member), ExitStack() as opening:
        stream = _stream(path, member, opening)
        plain = codecs.lookup(encoding).name in ("utf-8", "ascii")
        yield stream if plain else io.BufferedReader(_Recoded(stream, encoding))


def _stream(path: Path, member: str, opening: ExitStack) -> IO[bytes]:
    if not member:
        file = opening.enter_context(path.open("rb"))
        return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else file
    if not _is_zip(path):
        archive = opening.enter_context(tarfile.open(path))  # noqa: SIM115
        unpacked = archive.extractfile(member)
        assert unpacked is not None
        return opening.enter_context(unpacked)
    packed = opening.enter_context(zipfile.ZipFile(path))
    if packed.getinfo(member).flag_bits & 1:
        raise InputError(f"{path}: encrypted. Unpack it and give the folder as `path`.")
    return opening.enter_context(packed.open(member))


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


@contextmanager
def _whole(shown: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        what = str(error).partition(":\n")[0]  # without what each kind of tar says
        raise InputError(
            f"{shown}: a damaged archive, or none ({what}). Download it again."
        ) from error


class _Recoded(io.RawIOBase):
    """The text of a stream in another encoding, as UTF-8."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._text = io.TextIOWrapper(stream, encoding, errors="replace", newline="")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._text.read(max(1, len(buffer) // 4)).encode()  # 4 bytes a character at most
        buffer[: len(data)] = data
        return len(data)
