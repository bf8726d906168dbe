"""Archives whose members are rows of a table, which may lie beside them or in one of them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nicheclip.config.archive_readers import MemberTableReader
from nicheclip.data.sources.archive_files import ArchiveFile, members, shares
from nicheclip.data.sources.base import Item, Part, is_image_name
from nicheclip.data.sources.member_table import MemberTable, read_member_table
from nicheclip.data.sources.members import PLAIN_SUFFIXES, Member, iterate_members
from nicheclip.data.sources.table_blocks import TableFile
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped

log = logging.getLogger(__name__)


def tabled(
    files: Sequence[ArchiveFile], reader: MemberTableReader, inner: str | None, part: Part
) -> Iterator[Item]:
    """The images that rows name; other members are passed over.

    Raises:
        InputError: a damaged archive or table, a table that is nowhere, or an archive that has
            images but none that a row names.
    """
    archives = [file for file in files if not _is_plain(file.name)]
    tables, rights = _find_tables(files, reader)
    table = read_member_table(tables, reader, rights)
    for number, path, share in shares(archives, part):
        seen = _Seen()
        for place, member in members(number, path, inner, share):
            if isinstance(member, Dropped):
                yield place, member
                continue
            if not is_image_name(member.name):
                continue
            row = table.find(member.name)
            seen.add(member.name, named=row is not None)
            if row is not None and member.data is not None:
                yield place, table.image(row, member.data, f"{path.name}/{member.name}")
        seen.judge(path, reader, table)


@dataclass
class _Seen:
    """The images of an archive, and how many rows name."""

    images: int = 0
    named: int = 0
    first: str = field(default="")

    def add(self, member: str, *, named: bool) -> None:
        self.first = self.first or member
        self.images += 1
        self.named += named

    def judge(self, path: Path, reader: MemberTableReader, table: MemberTable) -> None:
        """Say how many no row names; stop where that is all of them."""
        if self.images and not self.named:
            raise InputError(
                f"{path}: no row of {', '.join(reader.tables.values())} names one of its "
                f"{self.images} images. Its first is {self.first!r}; expected one that ends "
                f"like {table.example!r}, made by the reader's pattern {reader.members}. If it is "
                "laid out in another way, correct `member`, or unpack it and use a source of kind "
                "table."
            )
        if self.named < self.images:
            log.info("%s: %d images are in no row.", path.name, self.images - self.named)


def _is_plain(name: str) -> bool:
    return Path(name).suffix.lower() in PLAIN_SUFFIXES


def _find_tables(
    files: Sequence[ArchiveFile], reader: MemberTableReader
) -> tuple[list[TableFile], TableFile | None]:
    """The tables, and that of the rights if there is one: files of their own where their names fit,
    or members of the archives."""
    found: dict[str, TableFile] = {}
    wanted = {end: None if split == "all" else split for split, end in reader.tables.items()}
    if reader.rights is not None:
        wanted[reader.rights.table] = None
    for file in files:
        for end, split in wanted.items():
            if end not in found and _is_plain(file.name) and _ends(file.name, end):
                found[end] = TableFile(file.name, file.fetch(), split)
    for file in files:
        if found.keys() == wanted.keys():
            break
        if _is_plain(file.name):
            continue
        for member in iterate_members(file.fetch()):
            if isinstance(member, Member):
                for end, split in wanted.items():
                    if end not in found and _ends(member.name, end):
                        found[end] = TableFile(member.name, member.data or b"", split)
            if found.keys() == wanted.keys():
                break
    if absent := [end for end in wanted if end not in found]:
        names = ", ".join(file.name for file in files[:8])
        raise InputError(
            f"{names}: no file or member ends in {absent[0]!r}, the table that says what the "
            "images are. Get it and add it to the files, or correct reader.tables."
        )
    rights = found[reader.rights.table] if reader.rights else None
    return [found[end] for end in reader.tables.values()], rights


def _ends(name: str, end: str) -> bool:
    """Whether the last parts of the path ``name`` are ``end``."""
    return f"/{name}".endswith(f"/{end}")
