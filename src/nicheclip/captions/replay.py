"""Captions that were made before, read from a Parquet or JSON Lines file."""

import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from nicheclip.captions.backend import (
    BackendSetting,
    Identity,
    LocalBackend,
    OpenedBackend,
    Reply,
    Request,
)
from nicheclip.config.captions import ReplayBackend as ReplayConfig
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.paths import expand_path


class ReplayBackend(LocalBackend):
    """Gives the texts of each class or image in the order of the file.

    A `done_reason` column is passed on to the gates; without one the texts count as finished.
    """

    def __init__(self, path: str, per: Literal["class", "image"], known: Collection[str]) -> None:
        """Read the file.

        Args:
            path: `.parquet`, or JSON Lines under any other suffix; `~` and variables expand.
            per: whether the texts are found by class_id or by image_id.
            known: the ids of the data set; rows of others are dropped and counted.

        Raises:
            InputError: the file or a column is missing, or no row is of this data set.
        """
        file = expand_path(path)
        if not file.is_file():
            raise InputError(f"{file}: no such file. Set the path of the replayed captions.")
        column = f"{per}_id"
        self._texts: dict[str, list[tuple[str, str]]] = {}
        unknown: Counter[str] = Counter()
        for row, values in enumerate(_rows(file, column)):
            identifier, text, done_reason = _checked(values, column, f"{file}, row {row}")
            if identifier in known:
                self._texts.setdefault(identifier, []).append((text, done_reason))
            else:
                unknown[identifier] += 1
        if not self._texts:
            raise InputError(
                f"{file}: none of its {unknown.total()} rows has a {column} of this data set "
                f"(first: {next(iter(unknown), None)!r}; expected, for instance, "
                f"{next(iter(known), None)!r})."
            )
        self.dropped = [
            Dropped(key=identifier, reason=f"replay: unknown {column}")
            for identifier in sorted(unknown.elements())
        ]
        self._identity = Identity(f"replay:{file.name}", sha256_file(file), "")

    @property
    def identity(self) -> Identity:
        """The file's name and sha256."""
        return self._identity

    def available(self, class_id: str, image_id: str | None, asked: int) -> int:
        """At most the number of texts that the file has."""
        return min(asked, len(self._texts.get(image_id or class_id, ())))

    def generate(self, request: Request) -> Reply:
        """Text number ``request.sample`` of the class or image."""
        text, done_reason = self._texts[request.image_id or request.class_id][request.sample]
        return Reply(
            text=text,
            done_reason=done_reason,
            model=self.identity.model,
            digest=self.identity.digest,
            server="",
            options=self.options(request),
        )


def _rows(file: Path, column: str) -> list[dict[str, Any]]:
    if file.suffix != ".parquet":
        return _json_lines(file)
    try:
        names = pq.read_schema(file).names
        for needed in (column, "text"):
            if needed not in names:
                raise InputError(f"{file}: no column {needed!r}; it has {names}.")
        wanted = [name for name in (column, "text", "done_reason") if name in names]
        rows: list[dict[str, Any]] = pq.read_table(file, columns=wanted).to_pylist()
    except pa.ArrowInvalid as error:
        raise InputError(f"{file}: not a readable Parquet file ({error}).") from None
    return rows


def _json_lines(file: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{file}, line {number}: not JSON ({error}).") from None
        if not isinstance(row, dict):
            raise InputError(f"{file}, line {number}: expected an object {{...}}.")
        rows.append(row)
    return rows


def _checked(row: dict[str, Any], column: str, place: str) -> tuple[str, str, str]:
    for name in (column, "text"):
        if not isinstance(row.get(name), str):
            raise InputError(f"{place}: {name!r} must be a text, but is {row.get(name)!r}.")
    return row[column], row["text"], str(row.get("done_reason") or "stop")


def open_backend(config: ReplayConfig, setting: BackendSetting) -> OpenedBackend:
    """The backend, and the rows of its file that are of no class or image here."""
    backend = ReplayBackend(config.path, setting.per, setting.ids)
    return OpenedBackend(backend, dropped=backend.dropped)
