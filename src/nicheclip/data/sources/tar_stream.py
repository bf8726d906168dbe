"""Tar archives as a stream in which damage is an error, never an early end."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from typing import IO, Any, cast

import pyarrow as pa

#: a header that carries a long name or further fields is not larger
MAX_HEADER_BYTES = 1 << 20
#: a reader that asks so often after the end of the file would ask for ever
ASKED_AFTER_END = 100
BLOCK_BYTES = 1 << 16

_EXTENDED = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)

#: the first bytes of a compressed file, and what reads it and checks its checksum
_COMPRESSED: tuple[tuple[bytes, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", lambda stream: gzip.GzipFile(fileobj=stream)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"\x5d\x00\x00\x80", lzma.LZMAFile),
    (b"\x28\xb5\x2f\xfd", lambda stream: pa.CompressedInputStream(pa.PythonFile(stream), "zstd")),
)


def open_tar(stream: IO[bytes]) -> tarfile.TarFile:
    """The tar in ``stream``, plain or compressed; its members come once, in their order.

    ``tarfile`` alone takes a damaged header for the end, checks no checksum of gzip, and believes
    a header of any size.

    Raises:
        TarError, OSError, ValueError, lzma.LZMAError: also while members are read: it is damaged.
    """
    unpacked = _Unpacked(_unpack(stream))
    return tarfile.open(
        fileobj=cast(IO[bytes], unpacked), mode="r|", tarinfo=_Header, bufsize=BLOCK_BYTES
    )


def read_to_end(archive: tarfile.TarFile, spend: Callable[[int], None]) -> None:
    """See that nothing but padding follows the last member, and that the checksum is right.

    Args:
        archive: whose members have all been read.
        spend: told of each block's bytes.

    Raises:
        TarError, OSError, ValueError, lzma.LZMAError: it is damaged.
    """
    stream = cast(IO[bytes], archive.fileobj)
    while block := stream.read(BLOCK_BYTES):
        spend(len(block))
        if block.count(0) != len(block):
            raise tarfile.ReadError(
                "more follows the end blocks: a damaged header, or archives joined in one file"
            )


class _Header(tarfile.TarInfo):
    """A header that is checked before it is believed."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.type in _EXTENDED and header.size > MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"a header claims {header.size} bytes")
        return header

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_Header":
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"at byte {archive.offset}: {error}") from error


class _Unpacked:
    """A stream that ends a reader which goes on asking after the end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._asked = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._asked = 0 if data else self._asked + 1
        if self._asked > ASKED_AFTER_END:
            raise EOFError("it ends within a header")
        return data


def _unpack(stream: IO[bytes]) -> IO[bytes]:
    buffered = cast(io.BufferedReader, stream)
    start = buffered.peek(6)[:6]
    for magic, opened in _COMPRESSED:
        if start.startswith(magic):
            return cast(IO[bytes], opened(stream))
    return stream
