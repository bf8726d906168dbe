"""Archives behind URLs, read as a stream."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from nicheclip.config.archive_readers import (
    ArchiveReader,
    ClassFoldersReader,
    MemberTableReader,
)
from nicheclip.config.fetched_sources import ArchiveSource
from nicheclip.data.download import download
from nicheclip.data.sources.archive_files import ArchiveFile, members, shares
from nicheclip.data.sources.archive_tables import tabled
from nicheclip.data.sources.base import (
    ITEMS_OF_A_FILE,
    Item,
    Part,
    SourceImage,
    SourceSetting,
    clean_label,
    is_image_name,
)
from nicheclip.data.sources.frozen_split import FrozenSplit
from nicheclip.data.sources.member_lists import Listing, read_listings
from nicheclip.data.sources.members import Member
from nicheclip.data.sources.ranked_folders import class_in_name, ranked_class
from nicheclip.data.sources.split_folders import folder_split, refuse_split_folders
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.paths import expand_path
from nicheclip.runtime.urls import file_name


@dataclass(frozen=True)
class ArchiveImages:
    """The images of an ``archive`` source.

    A key is the archive's file name, a slash and the member's name.
    """

    source: ArchiveSource
    folder: Path
    """Where the archives are kept."""
    registry: Path
    """The folder that split lists are relative to."""

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource`` and ``read_archives``."""
        checksums = self.source.checksums or [None] * len(self.source.urls)
        files = [
            ArchiveFile(file_name(url), partial(download, url, self.folder, checksum=checksum))
            for url, checksum in zip(self.source.urls, checksums, strict=True)
        ]
        yield from read_archives(
            files, self.source.reader, inner=self.source.inner, registry=self.registry, part=part
        )


def read_archives(
    files: Sequence[ArchiveFile],
    reader: ArchiveReader,
    *,
    inner: str | None,
    registry: Path,
    part: Part,
) -> Iterator[Item]:
    """The images of archives, as ``reader`` labels them.

    A part takes every so many archives where there are enough of them for all parts, so that none
    is read twice; otherwise, and where lists name the members, every so many members of each.

    Raises:
        InputError: a damaged archive, or a list that is absent or does not fit.
    """
    if isinstance(reader, MemberTableReader):
        yield from tabled(files, reader, inner, part)
        return
    if not isinstance(reader, ClassFoldersReader):
        paths = [file.fetch() for file in files]
        yield from _listed(paths, read_listings(paths, reader, registry), inner, part)
        return
    tests = FrozenSplit(registry / reader.test_list) if reader.test_list else None
    for number, path, share in shares(files, part):
        for place, member in members(number, path, inner, share):
            if isinstance(member, Dropped):
                yield place, member
            elif member.data is not None and (
                image := _from_class_folder(member, reader, path, tests)
            ):
                yield place, image


def _from_class_folder(
    member: Member, reader: ClassFoldersReader, archive: Path, tests: FrozenSplit | None
) -> SourceImage | Dropped | None:
    """The labelled image, the reason against it, or None for what lies outside ``root``."""
    path, root = PurePosixPath(member.name), PurePosixPath(reader.root)
    if not path.is_relative_to(root):
        return None
    key = f"{archive.name}/{member.name}"
    folders = path.relative_to(root).parts[:-1]
    if not is_image_name(path.name):
        return Dropped(key=key, reason="not an image file")
    if reader.split_folders is None:
        refuse_split_folders(folders, where=key, option="reader.split_folders")
    depth = int(bool(reader.split_folders))
    nested = reader.nested_from or 0
    if len(folders) < depth + max(1 + nested, len(reader.ranks)):
        wanted = f"{len(reader.ranks)} folders of ranks" if reader.ranks else "a class folder"
        return Dropped(key=key, reason=f"not in {wanted}")
    above = 0 if reader.ranks else -2
    split = None
    if reader.split_folders:
        split = folder_split(folders[above], reader.split_folders, where=key)
    if tests is not None:
        split = tests.split(path.relative_to(root).as_posix())
    label, lineage = clean_label(folders[-1]), dict[str, str]()
    if reader.ranks_in_name:
        label, lineage = class_in_name(folders[-1], where=key)
    if reader.nested_from is not None:
        label = clean_label("_".join(folders[nested:]))
    if reader.ranks:
        label, lineage = ranked_class(folders[depth:], reader.ranks)
    if label in reader.exclude or folders[-1] in reader.exclude:
        return Dropped(key=key, reason="class excluded by the config")
    return SourceImage(key, member.data or b"", label, split, lineage=lineage)


def _listed(
    paths: Sequence[Path], listings: dict[str, Listing], inner: str | None, part: Part
) -> Iterator[Item]:
    """The listed members; others are passed over, listed ones that are absent are dropped."""
    absent = dict.fromkeys(listings)
    for number, path in enumerate(paths):
        for place, member in members(number, path, inner, part):
            if isinstance(member, Dropped):
                yield place, member
            elif listing := listings.get(member.name):
                absent.pop(member.name, None)
                if member.data is not None:
                    key = f"{path.name}/{member.name}"
                    yield place, SourceImage(key, member.data, listing.label, listing.split)
    for number, name in enumerate(absent):
        if part.holds(number):
            place = len(paths) * ITEMS_OF_A_FILE + number
            yield place, Dropped(key=name, reason="listed, but not in the archive")


def open_images(source: ArchiveSource, setting: SourceSetting) -> ArchiveImages:
    """The images of ``source``."""
    return ArchiveImages(source, expand_path(source.downloads) / setting.name, setting.registry)
