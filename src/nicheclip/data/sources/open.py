"""From the config of a source to its images."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from nicheclip.config.fetched_sources import ManualSource, RegistrySource
from nicheclip.config.sources import Source
from nicheclip.data.registry import load_entry
from nicheclip.data.sources.base import (
    ImageSource,
    Item,
    Part,
    SourceImage,
    SourceSetting,
    readable,
)

log = logging.getLogger(__name__)

ALL = Part()


def open_source(
    name: str,
    source: Source,
    *,
    registry: Path,
    seed: int,
    workers: int,
    part: Part = ALL,
    names: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Item]:
    """The images of a part of ``source``, and what it had to leave out, by their places.

    Args:
        name: of the data set; downloads are kept in a folder of this name.
        source: any kind.
        registry: the folder of registry entries of data sets.
        seed: of a synthetic world.
        workers: threads or processes that a synthetic world may use.
        part: the share that is wanted.
        names: how people write some classes, by class id.

    Raises:
        InputError: the source is absent, malformed or out of reach.
    """
    setting = SourceSetting(name, registry, seed, workers)
    if not isinstance(source, RegistrySource):
        yield from _named(_images(source, setting).items(part), names, readable)
        return
    entry = load_entry(registry, source.name)
    images = _images(entry.source, replace(setting, name=entry.downloads_name))
    yield from _named(images.items(part), names, entry.display_name, licence=entry.licence)


def _images(source: Source | ManualSource, setting: SourceSetting) -> ImageSource:
    """The images of ``source``, read by the module of its kind.

    By name, so that a change of one kind makes no data set of another kind stale.
    """
    module = import_module(f"nicheclip.data.sources.{source.kind}")
    images: ImageSource = module.open_images(source, setting)
    return images


def _named(
    items: Iterator[Item],
    chosen: Mapping[str, str],
    called: Callable[[str], str],
    *,
    licence: str | None = None,
) -> Iterator[Item]:
    """Images with the names of their classes, and a licence where they have none.

    Args:
        items: of a source.
        chosen: names by class id.
        called: the name of a class that neither is chosen nor comes with the image.
        licence: of the whole source.
    """
    absent = set(chosen)
    for place, item in items:
        if isinstance(item, SourceImage):
            absent.discard(item.label)
            name = chosen.get(item.label) or item.name or called(item.label)
            item = replace(item, name=name, licence=item.licence or licence)
        yield place, item
    if absent:
        log.warning(
            "names: no image here is of the class %s.", ", ".join(map(repr, sorted(absent)))
        )
