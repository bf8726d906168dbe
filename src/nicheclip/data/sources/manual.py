"""Archives that only a person can download."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nicheclip.config.fetched_sources import ManualSource
from nicheclip.data.download import download
from nicheclip.data.sources.archive import read_archives
from nicheclip.data.sources.archive_files import ArchiveFile
from nicheclip.data.sources.base import Item, Part, SourceSetting
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path


@dataclass(frozen=True)
class ManualImages:
    """The images of a ``manual`` source; read like an archive once the files are in place."""

    source: ManualSource
    folder: Path
    """Where the files are expected."""
    registry: Path
    """The folder that split lists are relative to."""

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource`` and ``read_archives``."""
        paths = [self.folder / name for name in self.source.files]
        if absent := [path.name for path in paths if not path.is_file()]:
            content = f" ({self.source.content})" if self.source.content else ""
            raise InputError(
                f"This data set must be downloaded by hand: get {', '.join(absent)}{content} from "
                f"{self.source.page} and put it into {self.folder.resolve()}, then run again."
            )
        checksums = self.source.checksums or [None] * len(paths)
        files = [
            ArchiveFile(
                path.name,
                partial(download, path.resolve().as_uri(), self.folder, checksum=checksum),
            )
            for path, checksum in zip(paths, checksums, strict=True)
        ]
        yield from read_archives(
            files, self.source.reader, inner=self.source.inner, registry=self.registry, part=part
        )


def open_images(source: ManualSource, setting: SourceSetting) -> ManualImages:
    """The images of ``source``."""
    return ManualImages(source, expand_path(source.folder) / setting.name, setting.registry)
