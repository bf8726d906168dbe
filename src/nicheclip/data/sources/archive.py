"""Archives behind URLs, read as a stream."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nicheclip.config.data import ArchiveReader, ArchiveSource, ClassFoldersReader
from nicheclip.data.download import download, file_name
from nicheclip.data.sources.base import SourceImage, SourceSetting, clean_label, is_image_name
from nicheclip.data.sources.member_lists import Listing, read_listings
from nicheclip.data.sources.members import Member, iterate_members
from nicheclip.data.splits import normalise_split
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.paths import expand_path


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

    def __iter__(self) -> Iterator[SourceImage | Dropped]:
        paths = [
            download(url, self.folder, checksum=checksum)
            for url, checksum in zip(self.source.urls, self._checksums(), strict=True)
        ]
        yield from read_archives(
            paths, self.source.reader, inner=self.source.inner, registry=self.registry
        )

    def _checksums(self) -> Sequence[str | None]:
        names = [file_name(url) for url in self.source.urls]
        if len(set(names)) < len(names):
            raise InputError(
                f"urls: two of {names} have the same file name; make two data sets of them."
            )
        return self.source.checksums or [None] * len(names)


def read_archives(
    paths: Sequence[Path], reader: ArchiveReader, *, inner: str | None, registry: Path
) -> Iterator[SourceImage | Dropped]:
    """The images of archives on this disk, as ``reader`` labels them.

    Raises:
        InputError: a damaged archive, or a list that is absent or does not fit.
    """
    if isinstance(reader, ClassFoldersReader):
        for path in paths:
            for member in iterate_members(path, inner=inner):
                if image := _from_class_folder(member, reader, path):
                    yield image
    else:
        yield from _listed(paths, read_listings(paths, reader, registry), inner)


def _from_class_folder(
    member: Member | Dropped, reader: ClassFoldersReader, archive: Path
) -> SourceImage | Dropped | None:
    """The labelled image, the reason against it, or None for what lies outside ``root``."""
    if isinstance(member, Dropped):
        return _within(archive, member)
    path, root = PurePosixPath(member.name), PurePosixPath(reader.root)
    if not path.is_relative_to(root):
        return None
    key = f"{archive.name}/{member.name}"
    folders = path.relative_to(root).parts[:-1]
    if not is_image_name(path.name):
        return Dropped(key=key, reason="not an image file")
    if len(folders) < 1 + reader.split_folders:
        return Dropped(key=key, reason="not in a class folder")
    if folders[-1] in reader.exclude:
        return Dropped(key=key, reason="class excluded by the config")
    split = normalise_split(folders[-2], where=key) if reader.split_folders else None
    return SourceImage(key, member.data, clean_label(folders[-1]), split)


def _listed(
    paths: Sequence[Path], listings: dict[str, Listing], inner: str | None
) -> Iterator[SourceImage | Dropped]:
    """The listed members; others are passed over, listed ones that are absent are dropped."""
    absent = dict.fromkeys(listings)
    for path in paths:
        for member in iterate_members(path, inner=inner):
            if isinstance(member, Dropped):
                yield _within(path, member)
            elif listing := listings.get(member.name):
                absent.pop(member.name, None)
                yield SourceImage(
                    f"{path.name}/{member.name}", member.data, listing.label, listing.split
                )
    for name in absent:
        yield Dropped(key=name, reason="listed, but not in the archive")


def _within(archive: Path, dropped: Dropped) -> Dropped:
    return Dropped(key=f"{archive.name}/{dropped.key}", reason=dropped.reason)


def open_images(source: ArchiveSource, setting: SourceSetting) -> ArchiveImages:
    """The images of ``source``."""
    return ArchiveImages(source, expand_path(source.downloads) / setting.name, setting.registry)
