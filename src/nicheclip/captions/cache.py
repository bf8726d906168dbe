"""Replies kept as they come in, so that a killed run asks for none of them twice."""

import fcntl
import hashlib
import json
import logging
import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import IO, Self

from pydantic import TypeAdapter

from nicheclip.captions.backend import Identity, Reply, Request
from nicheclip.runtime.errors import InputError

LOGGER = logging.getLogger(__name__)

_REPLY = TypeAdapter(Reply)


def cache_key(identity: Identity, request: Request, *, version: int, options: str) -> str:
    """Hex sha256 of everything that a reply depends on.

    Args:
        identity: of the backend; the model's name is not part of it, its digest is.
        request: its prompt, image and sample number.
        version: of the prompt file.
        options: sampling options of the first attempt, JSON with sorted keys.
    """
    image = hashlib.sha256(request.image).hexdigest() if request.image else ""
    parts = [identity.digest, identity.server, str(version), request.prompt, image, options]
    text = "\x1f".join([*parts, str(request.sample)])
    return hashlib.sha256(text.encode()).hexdigest()


class ReplyCache:
    """An append-only JSON Lines file with one reply per line; one process at a time writes it."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is opened by entering the cache."""
        self._path = path
        self._replies: dict[str, Reply] = {}
        self._guard = threading.Lock()

    def __enter__(self) -> Self:
        """Lock and read the file; a last line that a kill cut short is removed.

        Raises:
            InputError: another process has the file, or a whole line is damaged.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self._path.open("a+b")
        except OSError as error:
            raise InputError(
                f"{self._path}: cannot be opened ({error.strerror}). Replies are kept there; "
                "delete or move what stands in the way."
            ) from None
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._replies)

    def get(self, key: str) -> Reply | None:
        """The reply of ``key``; None where there is none yet."""
        return self._replies.get(key)

    def put(self, key: str, reply: Reply) -> None:
        """Append a reply; it is on disk when this returns."""
        line = json.dumps({"key": key, **asdict(reply)}, ensure_ascii=False).encode() + b"\n"
        with self._guard:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._replies[key] = reply

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{self._path}: another process is writing captions to this cache. Wait until it "
                "ends, or stop it, and run again."
            ) from None
        except OSError as error:
            LOGGER.warning(
                "%s: this file system has no locks (%s); make sure that only one process writes "
                "captions here.",
                self._path,
                error,
            )

    def _read(self) -> None:
        self._file.seek(0)
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                LOGGER.warning("%s: removed the last line, which a kill cut short", self._path)
                self._file.truncate(self._file.tell() - len(line))
                return
            try:
                values = json.loads(line)
                key = values.pop("key")
                self._replies[key] = _REPLY.validate_python(values)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise InputError(
                    f"{self._path}, line {number}: not a cached reply. Delete this line (its "
                    "caption is then made again) or the file."
                ) from None
