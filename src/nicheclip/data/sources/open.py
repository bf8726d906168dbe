"""From the config of a source to its images."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nicheclip.config.data import (
    ArchiveSource,
    FolderSource,
    HubSource,
    ManualSource,
    RegistrySource,
    Source,
    SyntheticSource,
    TableSource,
)
from nicheclip.data.registry import RegistryEntry, load_entry
from nicheclip.data.sources.archive import ArchiveImages
from nicheclip.data.sources.base import ImageSource, SourceImage
from nicheclip.data.sources.folder import FolderImages
from nicheclip.data.sources.hub import HubImages
from nicheclip.data.sources.manual import ManualImages
from nicheclip.data.sources.synthetic import SyntheticImages
from nicheclip.data.sources.table import TableImages
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.paths import expand_path


def open_source(
    name: str, source: Source, *, registry: Path, seed: int, workers: int
) -> Iterator[SourceImage | Dropped]:
    """The images of ``source`` in its fixed order, and what it had to leave out.

    Args:
        name: of the data set; downloads are kept in a folder of this name.
        source: any kind.
        registry: the folder of registry entries of data sets.
        seed: of a synthetic world.
        workers: threads or processes that a synthetic world may use.

    Raises:
        InputError: the source is absent, malformed or out of reach.
    """
    if isinstance(source, RegistrySource):
        entry = load_entry(registry, source.name)
        yield from _named(entry, _images(source.name, entry.source, registry, seed, workers))
    else:
        yield from _images(name, source, registry, seed, workers)


def _images(
    name: str,
    source: SyntheticSource | FolderSource | TableSource | ArchiveSource | HubSource | ManualSource,
    registry: Path,
    seed: int,
    workers: int,
) -> ImageSource:
    match source:
        case SyntheticSource():
            return SyntheticImages(source, seed, workers)
        case FolderSource():
            return FolderImages(source)
        case TableSource():
            return TableImages(source)
        case ArchiveSource():
            return ArchiveImages(source, expand_path(source.downloads) / name, registry)
        case ManualSource():
            return ManualImages(source, expand_path(source.folder) / name, registry)
        case HubSource():
            return HubImages(source, expand_path(source.downloads) / name)


def _named(entry: RegistryEntry, images: ImageSource) -> Iterator[SourceImage | Dropped]:
    """Images with the entry's class names and licence; a line in the log if their number is off."""
    counts: Counter[str] = Counter()
    for image in images:
        if isinstance(image, SourceImage):
            counts[image.split or "all"] += 1
            image = replace(
                image,
                name=entry.display_name(image.label),
                licence=image.licence or entry.licence,
            )
        yield image
    if entry.images and dict(counts) != dict(entry.images):
        logging.getLogger(__name__).warning(
            "%s: the registry expects %s images, the source gave %s",
            entry.name,
            dict(entry.images),
            dict(counts),
        )
