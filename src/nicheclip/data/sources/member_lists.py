"""Lists that say which members of an archive belong to which class and split."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import scipy.io

from nicheclip.config.archive_readers import (
    IdListsReader,
    JsonSplitsReader,
    ListedReader,
    MatlabReader,
    MemberListsReader,
)
from nicheclip.data.sources.base import clean_label
from nicheclip.data.sources.members import Member, iterate_members
from nicheclip.data.splits import normalise_split
from nicheclip.runtime.errors import InputError


@dataclass(frozen=True)
class Listing:
    """What a list says of a member."""

    label: str
    split: str | None


def read_listings(
    paths: Sequence[Path],
    reader: ListedReader | MemberListsReader | IdListsReader | JsonSplitsReader | MatlabReader,
    registry: Path,
) -> dict[str, Listing]:
    """Label and split of each listed member, by its name.

    Raises:
        InputError: a list is absent, empty or malformed, or names a member twice.
    """
    if isinstance(reader, ListedReader):
        rows = _csv_rows(registry / reader.list)
    elif isinstance(reader, MemberListsReader):
        rows = _text_rows(paths, reader)
    elif isinstance(reader, IdListsReader):
        rows = _joined_rows(paths, reader)
    elif isinstance(reader, JsonSplitsReader):
        rows = _json_rows(paths, reader)
    else:
        rows = _matlab_rows(paths, reader)
    listings: dict[str, Listing] = {}
    for name, listing in rows:
        if name in listings:
            raise InputError(f"the lists name {name!r} twice. Remove one of the two lines.")
        listings[name] = listing
    if not listings:
        raise InputError(f"{[path.name for path in paths]}: the lists of the reader are empty.")
    return listings


def _csv_rows(path: Path) -> Iterator[tuple[str, Listing]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read the split list ({error}).") from error
    table = csv.DictReader(io.StringIO(text), strict=True)
    try:
        if not {"key", "label"} <= set(table.fieldnames or []):
            raise InputError(f"{path}: expected the columns key, label and, if wanted, split.")
        for row in table:
            where = f"{path}, line {table.line_num}"
            if not (row["key"] and clean_label(row["label"] or "")):
                raise InputError(f"{where}: the key or the label is empty.")
            split = normalise_split(row["split"], where=where) if row.get("split") else None
            yield row["key"], Listing(clean_label(row["label"]), split)
    except csv.Error as error:
        raise InputError(
            f"{path}, line {table.line_num}: not a well-formed CSV file ({error}). Correct it."
        ) from error


def _text_rows(paths: Sequence[Path], reader: MemberListsReader) -> Iterator[tuple[str, Listing]]:
    texts = _find(paths, reader.lists.values())
    pattern = re.compile(reader.line)
    for split, name in reader.lists.items():
        lines = texts[name].decode("utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            match = pattern.fullmatch(line.strip())
            if match is None or not (label := clean_label(match["label"] or "")):
                raise InputError(
                    f"{name}, line {number}: {line!r} does not match {reader.line!r}, the pattern "
                    "of the reader, or gives no label. Correct the pattern in the registry or the "
                    "config."
                )
            yield reader.member.format(**match.groupdict("")), Listing(label, split)


def _joined_rows(paths: Sequence[Path], reader: IdListsReader) -> Iterator[tuple[str, Listing]]:
    optional = [name for name in (reader.labels, reader.names) if name]
    texts = _find(paths, [reader.images, reader.splits, *optional])
    splits = _by_id(texts[reader.splits], reader.splits)
    labels = _by_id(texts[reader.labels], reader.labels) if reader.labels else None
    names = _class_names(texts[reader.names], reader.names) if reader.names else {}
    for identifier, path in _by_id(texts[reader.images], reader.images).items():
        value = splits.get(identifier)
        if value not in reader.values:
            raise InputError(
                f"{reader.splits}: the image {identifier} ({path}) has the value {value!r}; "
                f"expected one of {', '.join(reader.values)}. Correct `values` in the registry."
            )
        member = PurePosixPath(reader.root, path)
        label = member.parent.name if labels is None else labels.get(identifier, "")
        if labels is not None and (not label or (names and label not in names)):
            raise InputError(
                f"{reader.labels}: the image {identifier} ({path}) has the class {label!r}, which "
                f"{reader.names or 'the list'} does not have. Get the lists anew."
            )
        yield str(member), Listing(clean_label(names.get(label, label)), reader.values[value])


def _class_names(content: bytes, name: str) -> dict[str, str]:
    """The name of each class number; numbers that share one are kept apart by their number."""
    names = _by_id(content, name)
    shared = {one for one, count in Counter(names.values()).items() if count > 1}
    return {key: f"{one} {key}" if one in shared else one for key, one in names.items()}


def _by_id(content: bytes, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        identifier, _, value = line.strip().partition(" ")
        if not value or identifier in found:
            raise InputError(
                f"{name}, line {number}: {line!r}; expected an id that is new, a space and a value."
            )
        found[identifier] = value.strip()
    return found


def _json_rows(paths: Sequence[Path], reader: JsonSplitsReader) -> Iterator[tuple[str, Listing]]:
    name = reader.splits
    expected = (
        f"{name}: expected lists `train`, `val` and `test` of [path, number, name of the class]"
    )
    try:
        lists = json.loads(_find(paths, [name])[name])
        rows = [(split, row) for split in ("train", "val", "test") for row in lists.get(split, [])]
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise InputError(f"{expected}; it is not such a file ({error}). Get it anew.") from error
    for number, (split, row) in enumerate(rows, start=1):
        texts = isinstance(row, list) and len(row) == 3 and isinstance(row[0], str)
        if not texts or not (label := clean_label(str(row[2]))):
            raise InputError(f"{expected}; entry {number} of {split} is {row!r:.80}.")
        yield str(PurePosixPath(reader.root, row[0])), Listing(label, split)


def _matlab_rows(paths: Sequence[Path], reader: MatlabReader) -> Iterator[tuple[str, Listing]]:
    places = [reader.labels, *reader.splits.values()]
    files = _find(paths, {place.partition(":")[0] for place in places})
    labels = _vector(files, reader.labels)
    for split, place in reader.splits.items():
        for number in _vector(files, place):
            if not 1 <= number <= len(labels):
                raise InputError(f"{place}: image {number} of {len(labels)} labelled ones.")
            name = reader.member.format(number=number)
            yield name, Listing(str(labels[number - 1]), split)


def _vector(files: dict[str, bytes], place: str) -> list[int]:
    name, _, variable = place.partition(":")
    try:
        content = scipy.io.loadmat(io.BytesIO(files[name]), variable_names=[variable])
        return [int(value) for value in content[variable].ravel()]
    except Exception as error:  # scipy raises almost anything for damaged files
        raise InputError(
            f"{name}: expected a MATLAB file (up to version 7.2) with the vector {variable!r} "
            f"({type(error).__name__}: {error}). Get the file anew, or save it with -v7."
        ) from error


def _find(paths: Sequence[Path], names: Iterable[str]) -> dict[str, bytes]:
    """The content of the members ``names``; stops reading when all are found."""
    wanted = set(names)
    found: dict[str, bytes] = {}
    for path in paths:
        if found.keys() == wanted:
            break
        for member in iterate_members(path):
            if isinstance(member, Member) and member.name in wanted:
                found.setdefault(member.name, member.data or b"")
                if found.keys() == wanted:
                    break
    if absent := sorted(wanted - found.keys()):
        raise InputError(f"{[path.name for path in paths]}: none holds the list {absent[0]!r}.")
    return found
