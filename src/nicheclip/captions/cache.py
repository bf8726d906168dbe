"""Replies kept as they come in, so that a killed run asks for none of them twice."""

import fcntl
import hashlib
import json
import logging
import os
import threading
import time
from array import array
from dataclasses import asdict
from pathlib import Path
from typing import IO, Self

import numpy as np
from pydantic import TypeAdapter

from nicheclip.captions.backend import Identity, Reply, Request
from nicheclip.runtime.errors import InputError

LOGGER = logging.getLogger(__name__)

SECONDS_BETWEEN_SYNCS = 1.0
"""A kill loses nothing; a machine that loses power may lose the replies of this long."""

_REPLY = TypeAdapter(Reply)
_START = b'{"key": "'
_KEY = slice(len(_START), len(_START) + 64)


def cache_key(identity: Identity, request: Request, *, version: int, options: str) -> str:
    """Hex sha256 of everything that a reply depends on.

    Args:
        identity: of the backend; only the model's digest is part of the key, not its name and not
            the server's version.
        request: its prompt, image, sample number and the number of captions asked for.
        version: of the prompt file.
        options: sampling options of the first attempt, JSON with sorted keys.
    """
    image = hashlib.sha256(request.image).hexdigest() if request.image else ""
    parts = [identity.digest, str(version), request.prompt, image, options]
    text = "\x1f".join([*parts, str(request.variants), str(request.sample)])
    return hashlib.sha256(text.encode()).hexdigest()


class ReplyCache:
    """An append-only JSON Lines file with one reply per line; one process at a time writes it.

    Of each reply only 16 bytes are in memory: the start of its key and its place in the file.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; it is opened by entering the cache."""
        self._path = path
        self._keys = np.empty(0, np.uint64)
        self._places = np.empty(0, np.int64)
        self._new: dict[str, int] = {}
        self._guard = threading.Lock()
        self._synced = 0.0

    def __enter__(self) -> Self:
        """Lock and index the file; a last line that a kill cut short is removed.

        Raises:
            InputError: another process has the file, or it is not a cache of replies.
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
            self._index()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def __len__(self) -> int:
        return len(self._keys) + len(self._new)

    def get(self, key: str) -> Reply | None:
        """The reply of ``key``; None where there is none yet.

        Raises:
            InputError: its line is damaged.
        """
        with self._guard:
            place = self._new.get(key)
            if place is not None:
                return self._read(place)[1]
            short = np.uint64(_short(key.encode()))
            first = int(self._keys.searchsorted(short))
            while first < len(self._keys) and self._keys[first] == short:
                found, reply = self._read(int(self._places[first]))
                if found == key:
                    return reply
                first += 1
        return None

    def put(self, key: str, reply: Reply) -> None:
        """Append a reply; a kill of this process cannot lose it any more."""
        line = json.dumps({"key": key, **asdict(reply)}, ensure_ascii=False).encode() + b"\n"
        with self._guard:
            self._file.seek(0, os.SEEK_END)
            place = self._file.tell()
            self._file.write(line)
            self._file.flush()
            self._new[key] = place
            now = time.monotonic()
            due = now - self._synced > SECONDS_BETWEEN_SYNCS
            if due:
                self._synced = now
        if due:  # a disk may take its time, for which nobody else should wait
            os.fsync(self._file.fileno())

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

    def _index(self) -> None:
        """Note where each key's line is; the lines themselves are read when they are asked for."""
        keys, places = array("Q"), array("q")
        self._file.seek(0)
        place = 0
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                LOGGER.warning("%s: removed the last line, which a kill cut short", self._path)
                self._file.truncate(place)
                break
            try:
                keys.append(_short(line[_KEY]))
                damaged = not line.startswith(_START)
            except ValueError:
                damaged = True
            if damaged:
                raise self._damage(f"line {number}")
            places.append(place)
            place += len(line)
        found = np.frombuffer(keys, np.uint64) if keys else self._keys
        order = np.argsort(found, kind="stable")
        self._keys = found[order]
        self._places = (np.frombuffer(places, np.int64) if places else self._places)[order]

    def _read(self, place: int) -> tuple[str, Reply]:
        self._file.seek(place)
        line = self._file.readline()
        try:
            return line[_KEY].decode(), _REPLY.validate_json(line)
        except ValueError:
            self._file.seek(0)
            number = self._file.read(place).count(b"\n") + 1
            raise self._damage(f"line {number}") from None

    def _damage(self, place: str) -> InputError:
        return InputError(
            f"{self._path}, {place}: not a cached reply. Delete this line (its caption is then "
            "made again) or the file."
        )


def _short(key: bytes) -> int:
    """The first 64 bits of a hexadecimal key."""
    return int(key[:16], 16)
