"""From the config of a source to its images."""

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from nicheclip.config.sources import ManualSource, RegistrySource, Source
from nicheclip.data.registry import RegistryEntry, load_entry
from nicheclip.data.sources.base import (
    ImageSource,
    Item,
    Part,
    SourceImage,
    SourceSetting,
)

ALL = Part()


def open_source(
    name: str, source: Source, *, registry: Path, seed: int, workers: int, part: Part = ALL
) -> Iterator[Item]:
    """The images of a part of ``source``, and what it had to leave out, by their places.

    Args:
        name: of the data set; downloads are kept in a folder of this name.
        source: any kind.
        registry: the folder of registry entries of data sets.
        seed: of a synthetic world.
        workers: threads or processes that a synthetic world may use.
        part: the share that is wanted.

    Raises:
        InputError: the source is absent, malformed or out of reach.
    """
    setting = SourceSetting(name, registry, seed, workers)
    if not isinstance(source, RegistrySource):
        yield from _images(source, setting).items(part)
        return
    entry = load_entry(registry, source.name)
    images = _images(entry.source, replace(setting, name=source.name))
    yield from _named(entry, images.items(part))


def _images(source: Source | ManualSource, setting: SourceSetting) -> ImageSource:
    """The images of ``source``, read by the module of its kind.

    By name, so that a change of one kind makes no data set of another kind stale.
    """
    module = import_module(f"nicheclip.data.sources.{source.kind}")
    images: ImageSource = module.open_images(source, setting)
    return images


def _named(entry: RegistryEntry, items: Iterator[Item]) -> Iterator[Item]:
    """Images with the entry's class names and licence."""
    for place, item in items:
        if isinstance(item, SourceImage):
            item = replace(
                item,
                name=entry.display_name(item.label),
                licence=item.licence or entry.licence,
            )
        yield place, item
