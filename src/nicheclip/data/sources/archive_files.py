"""Archives that are fetched when they are read, and their members by place."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nicheclip.data.sources.base import ITEMS_OF_A_FILE, Part
from nicheclip.data.sources.members import Member, iterate_members
from nicheclip.runtime.manifest import Dropped


@dataclass(frozen=True)
class ArchiveFile:
    """An archive that may not be on this disk yet."""

    name: str
    """Of the file."""
    fetch: Callable[[], Path]
    """Brings it here, if need be, and verifies it: of an archive of gigabytes, a minute."""


def shares(files: Sequence[ArchiveFile], part: Part) -> Iterator[tuple[int, Path, Part]]:
    """(number, place on this disk, share of its members) of the archives that a part reads.

    A part takes every so many archives where there are enough of them for all parts, and fetches no
    other; otherwise every so many members of each.
    """
    by_file = len(files) >= part.of
    for number, file in enumerate(files):
        if not by_file or part.holds(number):
            yield number, file.fetch(), Part() if by_file else part


def members(
    number: int, path: Path, inner: str | None, part: Part
) -> Iterator[tuple[int, Member | Dropped]]:
    """What archive ``number`` holds, by place; members of other parts come without their bytes."""
    first = number * ITEMS_OF_A_FILE
    for member in iterate_members(path, inner=inner, wanted=part.holds):
        if isinstance(member, Member):
            yield first + member.number, member
        elif part.holds(member[0]):
            refused = member[1]
            key = f"{path.name}/{refused.key}"
            yield first + member[0], Dropped(key=key, reason=refused.reason)
