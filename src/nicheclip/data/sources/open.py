"""From the config of a source to its images."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from nicheclip.config.data import ManualSource, RegistrySource, Source
from nicheclip.data.registry import RegistryEntry, load_entry
from nicheclip.data.sources.base import ImageSource, SourceImage, SourceSetting
from nicheclip.runtime.manifest import Dropped


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
    setting = SourceSetting(name, registry, seed, workers)
    if not isinstance(source, RegistrySource):
        yield from _images(source, setting)
        return
    entry = load_entry(registry, source.name)
    yield from _named(entry, _images(entry.source, replace(setting, name=source.name)))


def _images(source: Source | ManualSource, setting: SourceSetting) -> ImageSource:
    """The images of ``source``, read by the module of its kind.

    By name, so that a change of one kind makes no data set of another kind stale.
    """
    module = import_module(f"nicheclip.data.sources.{source.kind}")
    images: ImageSource = module.open_images(source, setting)
    return images


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
