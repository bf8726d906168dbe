"""Captions that were made before: a table of them, or somebody's mapping of names to texts."""

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from nicheclip.captions.backend import (
    BackendSetting,
    Identity,
    OpenedBackend,
    Reply,
    Request,
    storable,
)
from nicheclip.captions.stored_texts import StoredTexts
from nicheclip.config.captions import ReplayBackend as ReplayConfig
from nicheclip.data.description_files import (
    key_of_each,
    nearest,
    read_mapping,
    unused_keys,
)
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.paths import expand_path, read_lines
from nicheclip.schemas import reading_parquet

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 10_000

MAPPINGS = (".json", ".pt")
"""Suffixes of files that map names of classes to lists of texts."""


class ReplayBackend:
    """Gives the texts of each class or image in the order of the file.

    A `done_reason` column is passed on to the gates; without one the texts count as finished. The
    texts of a table are not held in memory; a mapping is read whole.
    """

    def __init__(
        self,
        path: str,
        per: Literal["class", "image"],
        known: Collection[str],
        class_names: Mapping[str, str] | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        """Read the file.

        Args:
            path: `.parquet`, one of ``MAPPINGS``, or JSON Lines under any other suffix; `~` and
                variables expand.
            per: whether the texts are found by class_id or by image_id.
            known: the ids of the data set; rows of others are dropped and counted.
            class_names: of a mapping's classes, by id.
            keys: what a mapping calls some of them, by id.

        Raises:
            InputError: the file or a column is missing or damaged, or no row is of this data set; a
                mapping lacks a class.
        """
        file = expand_path(path)
        if file.suffix in MAPPINGS:
            if per == "image":
                raise InputError(f"{file}: a mapping has texts of classes; set `per: class`.")
            self._texts, self.dropped = _mapping(file, class_names or {}, keys or {})
            self._identity = _identity(file)
            return
        if keys:
            raise InputError(f"backend.keys: {file} has ids; keys are those of a mapping (.json).")
        column = f"{per}_id"
        self._texts = StoredTexts()
        unknown: Counter[str] = Counter()
        for place, values in _rows(file, column):
            identifier, text, done_reason = _checked(values, column, f"{file}, {place}")
            if identifier in known:
                self._texts.add(identifier, text, done_reason)
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
        self._identity = _identity(file)

    @property
    def identity(self) -> Identity:
        """The file's name and sha256."""
        return self._identity

    def available(self, class_id: str, image_id: str | None, asked: int) -> int:
        """At most the number of texts that the file has."""
        return min(asked, self._texts.count(image_id or class_id))

    def generate(self, request: Request) -> Reply:
        """Text number ``request.sample`` of the class or image."""
        text, done_reason = self._texts.get(request.image_id or request.class_id, request.sample)
        return Reply(
            text=text,
            done_reason=done_reason,
            model=self.identity.model,
            digest=self.identity.digest,
            server="",
            options="{}",
        )


def _identity(file: Path) -> Identity:
    return Identity(f"replay:{file.name}", sha256_file(file), "")


def _mapping(
    file: Path, class_names: Mapping[str, str], keys: Mapping[str, str]
) -> tuple[StoredTexts, list[Dropped]]:
    """The texts as they are, which the gates judge, and the keys that are no class."""
    content = read_mapping(file)
    used = key_of_each(file, content, class_names, keys)
    texts = StoredTexts()
    for class_id, key in used.items():
        for text in content[key]:
            texts.add(class_id, storable(text), "stop")
    unused = unused_keys(content, used)
    for key in unused:
        near = nearest(key, list(class_names.values()))
        log.warning("%s: %r is no class%s.", file, key, f"; nearest: {near!r}" if near else "")
    return texts, [Dropped(key=key, reason="replay: key of no class") for key in unused]


def _rows(file: Path, column: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row with its place, as an editor or a table's viewer numbers them: from 1."""
    if file.suffix != ".parquet":
        yield from _json_lines(file)
        return
    with reading_parquet(file):
        names = pq.read_schema(file).names
        for needed in (column, "text"):
            if needed not in names:
                raise InputError(f"{file}: no column {needed!r}; it has {names}.")
        wanted = [name for name in (column, "text", "done_reason") if name in names]
        with pq.ParquetFile(file, page_checksum_verification=True) as opened:
            number = 0
            for batch in opened.iter_batches(ROWS_AT_ONCE, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row


def _json_lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(read_lines(file), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:  # ValueError: a number without end as well
            reason = "too deeply nested" if isinstance(error, RecursionError) else error
            raise InputError(
                f"{file}, line {number}: not JSON ({reason}). Expected an object on each line: "
                '{"class_id": ..., "text": ...}.'
            ) from None
        if not isinstance(row, dict):
            raise InputError(f"{file}, line {number}: expected an object {{...}}.")
        yield f"line {number}", row


def _checked(row: dict[str, Any], column: str, place: str) -> tuple[str, str, str]:
    for name in (column, "text"):
        if not isinstance(row.get(name), str):
            raise InputError(f"{place}: {name!r} must be a text, but is {row.get(name)!r:.80}.")
    done_reason = row.get("done_reason")
    if not isinstance(done_reason, str | None):
        raise InputError(f"{place}: 'done_reason' must be a text, but is {done_reason!r:.80}.")
    return storable(row[column]), storable(row["text"]), storable(done_reason or "stop")


def open_backend(config: ReplayConfig, setting: BackendSetting) -> OpenedBackend:
    """The backend, and the rows of its file that are of no class or image here."""
    names = {class_id: called["class"] for class_id, called in setting.class_names.items()}
    path = str(config.source(setting.prompts))
    backend = ReplayBackend(path, setting.per, setting.ids, names, config.keys)
    return OpenedBackend(backend, dropped=backend.dropped)
