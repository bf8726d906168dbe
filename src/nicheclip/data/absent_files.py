"""What a config's data sets want from the network or a person, and is not on this disk."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from nicheclip.config.data import DatasetConfig
from nicheclip.config.fetched_sources import ArchiveSource, HubSource, ManualSource, RegistrySource
from nicheclip.config.sources import Source
from nicheclip.config.url_source import UrlFetching
from nicheclip.data.registry import load_entry
from nicheclip.data.sources.hub_cache import HubCache
from nicheclip.data.url_outcomes import LEDGER, part_name
from nicheclip.runtime.credentials import masked
from nicheclip.runtime.paths import expand_path
from nicheclip.runtime.urls import file_name

#: of one data set, so many files are listed; the others are counted
MOST_LISTED = 100


def absent_files(datasets: Mapping[str, DatasetConfig], registry: Path) -> list[str]:
    """A line for each file that is wanted and not there: its name, where it is to be had, and the
    folder that it belongs into. Nothing is asked of the network.

    Args:
        datasets: by name.
        registry: the folder of registry entries of data sets.

    Raises:
        InputError: the registry has no such entry, or it is malformed.
    """
    lines: list[str] = []
    for name, dataset in datasets.items():
        absent = list(_absent(name, dataset.source, registry, dataset.parts))
        lines += [f"datasets.{name}: {line}" for line in absent[:MOST_LISTED]]
        if len(absent) > MOST_LISTED:
            lines.append(f"datasets.{name}: and {len(absent) - MOST_LISTED} more")
    return lines


def _absent(name: str, source: Source | ManualSource, registry: Path, parts: int) -> Iterator[str]:
    match source:
        case RegistrySource():
            entry = load_entry(registry, source.name)
            yield from _absent(entry.downloads_name, entry.source, registry, parts)
        case ArchiveSource():
            for url in source.urls:
                yield from _archive(url, expand_path(source.downloads) / name)
        case ManualSource():
            folder = expand_path(source.folder) / name
            for file in source.files:
                if not (folder / file).is_file():
                    content = f" ({source.content})" if source.content else ""
                    yield _line(f"{file}{content}", source.page, folder)
        case HubSource():
            yield from _hub(HubCache(source, expand_path(source.downloads) / name))
        case UrlFetching():
            folder = expand_path(source.downloads) / name
            for number in range(parts):
                if not (folder / part_name(number, parts) / LEDGER).is_file():
                    of = f" (part {number + 1} of {parts})" if parts > 1 else ""
                    what = f"{part_name(number, parts)}, the images of {source.path}{of}"
                    yield _line(what, "its URLs", folder)
        case _:  # what else there is lies on this disk, or is drawn
            return


def _archive(url: str, folder: Path) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme == "file":
        if not (path := Path(unquote(parts.path))).is_file():
            yield _line(path.name, url, path.parent)
    elif not (folder / file_name(url)).is_file():
        yield _line(file_name(url), masked(url), folder)


def _hub(cache: HubCache) -> Iterator[str]:
    page = f"https://huggingface.co/datasets/{cache.source.repository}"
    commit = cache.commit()
    names = cache.names(commit) if commit else None
    if commit is None or names is None:
        wanted = ", ".join(cache.source.files.values())
        yield _line(f"{wanted} at {cache.source.revision}", page, cache.folder)
        return
    for found in cache.wanted(names).values():
        for name in found:
            if not (path := cache.file(commit, name)).is_file():
                yield _line(name, f"{page} at {commit}", path.parent)


def _line(file: str, page: str, folder: Path) -> str:
    return f"{file} from {page} into {folder.resolve()}"
