"""URLs of files."""

import os
from urllib.parse import unquote, urlsplit

from nicheclip.runtime.errors import InputError

SCHEMES = ("http", "https", "file")
#: of a file name in bytes; file systems take 255, and ours get a suffix
LONGEST_NAME = 200


def file_name(url: str) -> str:
    """The last part of the URL's path.

    Raises:
        InputError: it is malformed, of another scheme, or names no file that a disk can hold.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # as a number, which only this asks for
    except ValueError as error:
        raise InputError(f"{url!r}: not a URL ({error}). Correct it.") from error
    name = unquote(parts.path).rpartition("/")[2]
    if parts.scheme not in SCHEMES or name in ("", ".", ".."):
        raise InputError(f"{url}: expected a http, https or file URL that ends in a file name.")
    if not (parts.hostname or parts.scheme == "file"):
        raise InputError(f"{url}: names no server. Correct the URL.")
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        raise InputError(
            f"{url}: a file URL has three slashes and a whole path: file:///data/x.zip."
        )
    if not name.isprintable() or len(os.fsencode(name)) > LONGEST_NAME:
        raise InputError(
            f"{url[:80]!r}: its file name {name[:40]!r} (of {len(os.fsencode(name))} bytes) has "
            f"control characters or more than {LONGEST_NAME} bytes. Download it yourself under "
            "another name, and give that file's file:// URL."
        )
    return name
