"""Where a checklist's tables are: files, files of a folder, or members of an archive.

An archive is read in place, as a stream; nothing is unpacked.
"""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from nicheclip.darwin_core.meta import META, Form
from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.archives import is_archive, members, opened
from nicheclip.taxonomy.darwin_core_archive import Description, read_description

#: what a folder's or an archive's table of common names is called; the first that is there, and all
#: that fit it
COMMON = (
    "VernacularNames-*.csv",
    "VernacularName.tsv",
    "vernacular_names.tsv",
    "vernaculars.tsv",
)


@dataclass(frozen=True)
class Table:
    """A table of a checklist, on disk or packed."""

    path: Path
    """The file, or the archive that holds it."""
    member: str = ""
    """Its name in the archive."""
    form: Form | None = None
    """How it is written, where a ``meta.xml`` says so."""
    meta: Path | None = None
    """That file, where it is not in an archive."""

    @property
    def shown(self) -> Path:
        """Its name in messages."""
        return self.path / self.member

    @property
    def files(self) -> list[Path]:
        """What is read from disk."""
        return [self.path, self.meta] if self.meta else [self.path]

    def opened(self) -> AbstractContextManager[IO[bytes]]:
        """See ``archives.opened``."""
        return opened(self.path, self.member, encoding=self.form.encoding if self.form else "utf-8")

    @property
    def packed(self) -> bool:
        """Whether it is read as a stream."""
        return bool(self.member) or self.path.suffix == ".gz"

    @property
    def suffix(self) -> str:
        """Of the table itself."""
        return PurePosixPath(self.shown.name.removesuffix(".gz")).suffix

    def beside(self, name: str) -> "Table | None":
        """The file ``name`` of the same folder, if there is one."""
        if self.member:
            other = PurePosixPath(self.member).with_name(name).as_posix()
            return Table(self.path, other) if other in members(self.path) else None
        path = self.path.with_name(name)
        return Table(path) if path.is_file() else None


def taxon_table(path: Path, names: Sequence[str]) -> Table:
    """The table of names of a Darwin Core checklist: of its ``meta.xml``, or as ``find_table``."""
    if path.is_file() and not is_archive(path):
        with contextlib.suppress(InputError):  # of another checklist
            described = _described(path.parent, ())
            if described and described[1].taxa == path.name:
                return _table_of(path.parent, *described, path.name)
        return Table(path)
    described = _described(path, names)
    return _table_of(path, *described, described[1].taxa) if described else find_table(path, names)


def common_tables(path: Path) -> list[Table]:
    """The tables of common names; none where a folder or an archive has none."""
    if not path.is_dir() and not is_archive(path):
        return [Table(path)]
    described = _described(path, COMMON)
    if described and described[1].common:
        return [_table_of(path, *described, place) for place in described[1].common]
    held = _held(path, COMMON)
    found = (sorted(one for one in held if _fits(one, name)) for name in COMMON)
    return [_table(path, one) for one in next(filter(None, found), [])]


def holds(path: Path, name: str) -> bool:
    """Whether ``path`` is a folder or an archive with a file ``name``."""
    return (path.is_dir() or is_archive(path)) and any(
        _fits(one, name) for one in _held(path, (name,))
    )


def names_common(folder: Path) -> bool:
    """Whether a ``meta.xml`` in ``folder`` names tables of common names."""
    with contextlib.suppress(InputError):
        described = _described(folder, ())
        return described is not None and bool(described[1].common)
    return False


def find_table(path: Path, names: Sequence[str]) -> Table:
    """``path`` itself, or in a folder or an archive the first of ``names`` that is there.

    Args:
        path: a file, a folder or an archive.
        names: of files, or patterns; a pattern must fit one file alone.

    Raises:
        InputError: there is none.
    """
    if path.is_file() and not is_archive(path):
        return Table(path)
    held = _held(path, names)
    for name in names:
        found = [one for one in held if _fits(one, name)]
        if len(found) > 1 and "*" in name:
            raise InputError(
                f"{path}: {len(found)} files fit {name} ({', '.join(found[:5])}), expected one. "
                "Unpack the one to read and give it as `path`."
            )
        if found:
            return _table(path, found[0])
    place = "an archive" if is_archive(path) else "a file, or a folder or archive"
    found_instead = f", found {', '.join(held[:8]) or 'nothing'}" if path.is_file() else ""
    raise InputError(
        f"{path}: expected {place} with {' or '.join(names)}{found_instead}. Download the "
        "checklist again or correct `path`."
    )


def only_table(path: Path, patterns: Sequence[str]) -> Table:
    """``path`` itself; of an archive the only file that fits the first pattern that one fits.

    Raises:
        InputError: none fits, or several do.
    """
    return find_table(path, patterns) if is_archive(path) else Table(path)


def _fits(member: str, name: str) -> bool:
    parts = PurePosixPath(member).parts
    return fnmatchcase("/".join(parts[-len(PurePosixPath(name).parts) :]), name)


def _held(path: Path, names: Sequence[str]) -> list[str]:
    """The files of an archive; of a folder those of ``names``."""
    if path.is_file():
        return members(path)
    return [one.relative_to(path).as_posix() for name in names for one in path.glob(name)]


def _table(path: Path, place: str) -> Table:
    return Table(path, place) if path.is_file() else Table(path / place)


def _described(path: Path, names: Sequence[str]) -> tuple[Path, Description] | None:
    """``meta.xml`` and what it says, where ``path`` has one in the folder of one of ``names``."""
    places = {PurePosixPath(name).with_name(META).as_posix(): None for name in (META, *names)}
    found = [one for one in _held(path, list(places)) if PurePosixPath(one).name == META]
    if not found:
        return None
    meta = _table(path, found[0])
    with meta.opened() as stream:
        return meta.shown, read_description(stream.read(1_000_000), str(meta.shown))


def _table_of(path: Path, meta: Path, description: Description, place: str) -> Table:
    """The table that ``meta.xml`` has at ``place``."""
    member = (meta.parent / place).relative_to(path).as_posix()
    form = description.forms[place]
    archive = path.is_file()
    if not (member in members(path) if archive else (path / member).is_file()):
        raise InputError(
            f"{meta}: the file {place!r} is not beside it. Download the archive again."
        )
    return Table(path, member, form) if archive else Table(path / member, form=form, meta=meta)
