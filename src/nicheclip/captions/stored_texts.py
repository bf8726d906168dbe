"""Texts of classes or images that wait in a file for their turn."""

import json
import tempfile
import weakref
from array import array
from pathlib import Path

from nicheclip.runtime.files import writing


class StoredTexts:
    """Texts in a temporary file (in `$TMPDIR`); in memory is the place of each, 8 bytes."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="nicheclip-")  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._places: dict[str, array[int]] = {}
        self._end = 0

    def __bool__(self) -> bool:
        return bool(self._places)

    def add(self, identifier: str, text: str, done_reason: str) -> None:
        """Append a text to those of a class or image.

        Raises:
            InputError: the disk is full.
        """
        line = json.dumps([text, done_reason]).encode() + b"\n"
        with writing(Path(tempfile.gettempdir()) / "nicheclip"):
            self._file.seek(self._end)
            self._file.write(line)
        self._places.setdefault(identifier, array("q")).append(self._end)
        self._end += len(line)

    def count(self, identifier: str) -> int:
        """How many texts a class or image has."""
        return len(self._places.get(identifier, ()))

    def get(self, identifier: str, number: int) -> tuple[str, str]:
        """Text ``number`` of a class or image, in the order in which they came; its done_reason."""
        self._file.seek(self._places[identifier][number])
        text, done_reason = json.loads(self._file.readline())
        return text, done_reason
