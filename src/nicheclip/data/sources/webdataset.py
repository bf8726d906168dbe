"""Tars that others have packed as WebDataset: members of one name up to the first dot are a sample.

See https://github.com/webdataset/webdataset: ``images/0001.jpg`` with ``images/0001.cls``.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nicheclip.config.source_files import matching_files
from nicheclip.config.sources import WebDatasetSource
from nicheclip.data.sources.base import (
    ITEMS_OF_A_FILE,
    Item,
    Part,
    SourceImage,
    SourceSetting,
    clean_label,
    is_image_name,
)
from nicheclip.data.sources.columns import ExtraFields, cell_text, choose_columns, extra_fields
from nicheclip.data.sources.members import Member, iterate_members
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.paths import expand_path

Sample = tuple[str, dict[str, bytes]]
"""The name up to the first dot, and the bytes by what follows it."""


class _NoLabelError(Exception):
    """The sample names no class; the message is the reason."""


@dataclass(frozen=True)
class WebDatasetImages:
    """The images of a ``webdataset`` source, tar after tar.

    A key is the tar's path below the folder that all tars share, a slash and the sample's name.
    """

    source: WebDatasetSource

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource``; a part takes every so many tars, or of few tars samples."""
        tars, classes = self._tars(), self._class_names()
        common = os.path.commonpath([path.parent for _, path in tars])
        by_file = len(tars) >= part.of
        for number, (split, path) in enumerate(tars):
            if by_file and not part.holds(number):
                continue
            tar = path.relative_to(common).as_posix()
            for row, sample in enumerate(_samples(path)):
                if by_file or part.holds(row):
                    item = self._item(sample, tar, split, classes)
                    yield number * ITEMS_OF_A_FILE + row, item

    def _tars(self) -> list[tuple[str | None, Path]]:
        """(split or None, path) of the tars."""
        tars: list[tuple[str | None, Path]] = []
        for split, pattern in self.source.files.items():
            found = matching_files(pattern)
            if not found:
                raise InputError(
                    f"{pattern}: no such file (files.{split}). Write a path, with * for any "
                    "characters, that leads to the tars."
                )
            tars += [(None if split == "all" else split, path) for path in found]
        return tars

    def _class_names(self) -> list[str] | None:
        if self.source.classes is None:
            return None
        path = expand_path(self.source.classes)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}). Set 'classes' to a text in UTF-8 with the "
                "name of a class on each line."
            ) from error
        return [clean_label(line) for line in text.splitlines()]

    def _item(
        self, sample: Sample | Dropped, tar: str, split: str | None, classes: list[str] | None
    ) -> SourceImage | Dropped:
        if isinstance(sample, Dropped):
            return Dropped(key=f"{tar}/{sample.key}", reason=sample.reason)
        name, members = sample
        key = f"{tar}/{name}"
        images = [end for end in members if is_image_name(f"x.{end}")]
        if not images:
            return Dropped(key=key, reason=f"no image in the sample, only {_ends(members)}")
        try:
            facts = _facts(members)
            label = _label(members, facts, self.source.label, classes)
        except _NoLabelError as error:
            return Dropped(key=key, reason=str(error))
        extra = _extra(facts, self.source.columns, key)
        if split is not None:
            extra["split"] = split
        image = min(images, key=lambda end: "." in end)  # jpg rather than mask.jpg
        return SourceImage(key, members[image], label, **extra)


def _samples(path: Path) -> Iterator[Sample | Dropped]:
    """The samples of a tar, whose members follow each other, and the members that were refused."""
    name, members = "", dict[str, bytes]()
    for member in iterate_members(path):
        if not isinstance(member, Member):
            yield member[1]
            continue
        folder, _, file = member.name.rpartition("/")
        stem, _, end = file.partition(".")
        own = f"{folder}/{stem}".lstrip("/")
        if own != name and members:
            yield name, members
            members = {}
        name = own
        members[end.lower()] = member.data or b""
    if members:
        yield name, members


def _facts(members: Mapping[str, bytes]) -> Mapping[str, Any]:
    """What the sample's JSON says; nothing where there is none."""
    try:
        facts = json.loads(members.get("json", b"{}"))
    except (ValueError, RecursionError) as error:
        raise _NoLabelError(f"damaged JSON ({type(error).__name__})") from error
    if not isinstance(facts, dict):
        raise _NoLabelError("the JSON is no mapping of fields")
    return facts


def _label(
    members: Mapping[str, bytes],
    facts: Mapping[str, Any],
    place: str,
    classes: Sequence[str] | None,
) -> str:
    kind, _, field = place.partition(":")
    if field:
        value = facts.get(field)
        if not isinstance(value, str | int | float | None):
            raise _NoLabelError(f"the field {field!r} is neither text nor a number")
        label = clean_label(cell_text(value))
    elif kind in members:
        label = clean_label(members[kind].decode(errors="replace"))
    else:
        raise _NoLabelError(f"no {kind!r} in the sample, only {_ends(members)}: set 'label'")
    if not label:
        raise _NoLabelError("empty label")
    if classes is None:
        return label
    digits = label.lstrip("0") or label[-1]
    short = len(digits) <= len(str(len(classes)))  # Python refuses to read thousands of digits
    number = int(digits) if label.isdecimal() and short else -1
    if not 0 <= number < len(classes):
        last = len(classes) - 1
        raise _NoLabelError(
            f"the class {label[:60]!r} is not a line of 'classes', which has 0 to {last}"
        )
    return classes[number]


def _extra(facts: Mapping[str, Any], columns: Mapping[Any, str], key: str) -> ExtraFields:
    present = {ours: theirs for ours, theirs in columns.items() if theirs in facts}
    chosen = choose_columns(list(facts), present, needed=(), where=key)
    cells = {ours: facts[theirs] for ours, theirs in chosen.items()}
    texts = {k: cell_text(v) for k, v in cells.items() if isinstance(v, str | int | float)}
    return extra_fields(texts, where=key)


def _ends(members: Mapping[str, bytes]) -> str:
    return ", ".join(map(repr, members))


def open_images(source: WebDatasetSource, setting: SourceSetting) -> WebDatasetImages:
    """The images of ``source``."""
    del setting
    return WebDatasetImages(source)
