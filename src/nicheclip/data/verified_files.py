"""Whether a file that was fetched is the one that was asked for."""

import hashlib
from pathlib import Path

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import sha256_file, write_text
from nicheclip.runtime.urls import file_name


def verify(path: Path, url: str, checksum: str | None, record: Path) -> None:
    """Compare ``path``, of ``url``, with its checksum.

    Args:
        path: of the file.
        url: for errors.
        checksum: as published; None compares with ``record``, which is written at the first time.
        record: receives the sha256 of the first time.

    Raises:
        InputError: another checksum, or one that is none.
    """
    if checksum is None and not record.exists():
        write_text(record, f"sha256:{sha256_file(path)}\n")
        return
    expected = checksum or record.read_text(encoding="utf-8", errors="replace").strip()
    kind, _, digest = expected.partition(":")
    if kind not in ("md5", "sha256") or not digest:
        place = url if checksum else f"{record} (delete it)"
        raise InputError(f"{place}: the checksum {expected!r} must be md5:<hex> or sha256:<hex>.")
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, kind).hexdigest()
    if found != digest.lower():
        raise InputError(
            f"{path}: its {kind} is {found}, expected {digest.lower()} as "
            + (f"published for {url}" if checksum else f"recorded in {record} at the first reading")
            + f". {_remedy(url, None if checksum else record)}"
        )


def _remedy(url: str, record: Path | None) -> str:
    """What to do about a file of another checksum; ``record`` holds it where none is published."""
    if url.startswith("file:"):
        return "Put the right file there, or " + (
            f"delete {record} if the new one is right."
            if record
            else "correct the checksum in the config."
        )
    again = "Delete the file and run again; if the result is the same, the "
    if record is None:
        return f"{again}checksum or the file behind the URL is wrong."
    return f"{again}file behind the URL has changed: delete {record} too, to take the new one."


def refuse_web_page(path: Path, url: str) -> None:
    """A page that asks for a password, or says that there is no file, is not what was asked for.

    Raises:
        InputError: ``path`` is one.
    """
    with path.open("rb") as stream:
        start = stream.read(512).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) and not file_name(url).endswith(
        (".html", ".htm")
    ):
        raise InputError(
            f"{url}: the server sends a web page instead of the file, as where one must log in. "
            "Open the URL in a browser; give the URL at which the download itself begins, or "
            "download the file yourself and give its file:// URL."
        )
