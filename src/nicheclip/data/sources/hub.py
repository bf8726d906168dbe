"""Parquet files with encoded images from a data-set repository on the Hugging Face hub."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub.errors import HfHubHTTPError

from nicheclip.config.fetched_sources import HubSource
from nicheclip.data.sources.base import (
    ITEMS_OF_A_FILE,
    Item,
    Part,
    SourceImage,
    SourceSetting,
    clean_label,
)
from nicheclip.data.sources.columns import cell_text, choose_columns, extra_fields
from nicheclip.data.sources.hub_cache import HubCache, is_commit
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_text
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.network import is_offline
from nicheclip.runtime.paths import expand_path

#: images held at once
ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class HubImages:
    """The images of a ``hub`` source; a key is the file's path, ``#`` and the row from 0."""

    source: HubSource
    folder: Path
    """Where the files are kept."""

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource``; a part takes every so many files, or of few files row groups."""
        cache = HubCache(self.source, self.folder)
        commit = pin_revision(cache)
        files = _files(cache, commit)
        by_file = len(files) >= part.of
        for number, (split, name) in enumerate(files):
            if by_file and not part.holds(number):
                continue
            fetch = partial(
                huggingface_hub.hf_hub_download,
                self.source.repository,
                name,
                repo_type="dataset",
                revision=commit,
                cache_dir=self.folder,
                local_files_only=is_offline(),
            )
            path, groups = Path(_ask(self.source, fetch)), Part() if by_file else part
            for row, item in _read(path, name, split, self.source, groups):
                yield number * ITEMS_OF_A_FILE + row, item


def _files(cache: HubCache, commit: str) -> list[tuple[str | None, str]]:
    """(split or None, path in the repository) of the Parquet files."""
    source = cache.source
    names = cache.names(commit)
    if names is None:
        _refuse_offline(cache, "the list of its files")
        ask = partial(
            huggingface_hub.list_repo_files, source.repository, repo_type="dataset", revision=commit
        )
        names = list(_ask(source, ask))
        write_text(cache.names_record(commit), "".join(f"{name}\n" for name in names))
    files: list[tuple[str | None, str]] = []
    for split, found in cache.wanted(names).items():
        if not found:
            raise InputError(
                f"{source.repository}: no file matches {source.files[split]!r} (files.{split}). "
                f"The repository has {', '.join(sorted(names)[:8])}, ..."
            )
        files += [(None if split == "all" else split, name) for name in found]
    return files


def pin_revision(cache: HubCache) -> str:
    """The commit of the source's revision: as it was at the first download, which is recorded.

    Raises:
        InputError: the hub is out of reach, or has no such repository or revision.
    """
    source, record = cache.source, cache.commit_record
    commit = cache.commit()
    if commit is None:
        _refuse_offline(cache, f"the commit of {source.revision}")
        ask = partial(huggingface_hub.dataset_info, source.repository, revision=source.revision)
        commit = str(_ask(source, ask).sha)
        write_text(record, f"{commit}\n")
    if not is_commit(commit):
        raise InputError(
            f"{record}: {commit[:60]!r} is not a commit of 40 hex digits. Delete the file and run "
            "again; the branch's present commit is then taken."
        )
    return commit


def _refuse_offline(cache: HubCache, what: str) -> None:
    if is_offline():
        raise InputError(
            f"{cache.source.repository}: {what} is not in {cache.folder}, and the config says "
            "offline: true. Acquire it once where the network reaches the hub, and copy the folder."
        )


def _ask(source: HubSource, call: Any) -> Any:
    try:
        return call()
    except (HfHubHTTPError, httpx.HTTPError, OSError, ValueError) as error:
        raise InputError(
            f"{source.repository} at {source.revision}: the hub does not give it "
            f"({type(error).__name__}: {error}). Check the name and the revision, the network, and "
            "for closed repositories that HF_TOKEN is set."
        ) from error


def _read(
    path: Path, name: str, split: str | None, source: HubSource, part: Part
) -> Iterator[Item]:
    """The rows of the row groups of a part, by their numbers in the file."""
    needed = {"image": source.image_column, "label": source.label_column}
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            columns = choose_columns(
                schema.names, {**source.columns, **needed}, needed=(), where=name
            )
            classes = class_names(schema, source.label_column, where=str(path))
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
            wanted = sorted(set(columns.values()))
            for group in filter(part.holds, range(len(sizes))):
                row = sum(sizes[:group])
                for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=wanted):
                    for cells in batch.to_pylist():
                        named = {ours: cells[theirs] for ours, theirs in columns.items()}
                        yield row, _image(named, f"{name}#{row}", split, classes)
                        row += 1
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # texts, dates
        raise InputError(
            f"{path}: not a readable Parquet file ({error}). Delete it and run again to fetch it "
            "anew; if the result is the same, correct 'files'."
        ) from error


def class_names(schema: pa.Schema, column: str, *, where: str) -> list[str] | None:
    """The names of an integer label, from the metadata that the hub's writers leave.

    Raises:
        InputError: the metadata is damaged; ``where`` names the file.
    """
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        feature = metadata.get("info", {}).get("features", {}).get(column, {})
        names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
        if isinstance(names, dict):  # as the hub's cards have them: {"0": "cat", ...}
            names = [names[str(number)] for number in range(len(names))]
        return [str(name) for name in names] if names else None
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            f"{where}: the metadata with the names of {column!r} is damaged "
            f"({type(error).__name__}: {error}). Convert the file with its makers' tools, or read "
            "it as a table whose labels are text."
        ) from error


def _image(
    cells: Mapping[str, Any], key: str, split: str | None, classes: list[str] | None
) -> SourceImage | Dropped:
    image, label = cells["image"], cells["label"]
    data = image.get("bytes") if isinstance(image, dict) else image
    if not isinstance(data, bytes):
        return Dropped(key=key, reason="no image bytes in the row")
    if classes is not None and isinstance(label, int):
        # the hub's writers use -1 where the label is withheld
        label = classes[label] if 0 <= label < len(classes) else None
    if not isinstance(label, str | int | float | None):
        return Dropped(key=key, reason="the label is neither text nor a number")
    if not (text := clean_label(cell_text(label))):
        return Dropped(key=key, reason="no label")
    extra = extra_fields({k: cell_text(v) for k, v in cells.items() if k != "image"}, where=key)
    if split is not None:
        extra["split"] = split
    return SourceImage(key, data, text, **extra)


def open_images(source: HubSource, setting: SourceSetting) -> HubImages:
    """The images of ``source``."""
    return HubImages(source, expand_path(source.downloads) / setting.name)
