"""Descriptions of classes that others have published: files of the registry, and their downloads.

`workflow/registry/descriptions/<name>.yaml` names a JSON file for each data set. The files have no
licence, or another one than ours, so they are fetched and not shipped.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from nicheclip.config.base import ConfigModel
from nicheclip.config.yaml_file import read_yaml
from nicheclip.data.download import download
from nicheclip.runtime.errors import InputError


class RemoteFile(ConfigModel):
    """Of one data set."""

    url: str
    checksum: str | None = None
    """`sha256:<hex>` or `md5:<hex>`; null: of the first download, enforced from then on."""
    keys: dict[str, str] = Field(default={})
    """What the file calls a class, by class id, where the names differ."""


class DescriptionsEntry(ConfigModel):
    """A file of the registry."""

    name: str
    title: str
    licence: str | None
    """Null where none is stated."""
    citation: str
    homepage: str
    notes: str
    files: dict[str, RemoteFile] = Field(min_length=1)
    """By data set, as the registry calls it."""


@dataclass(frozen=True)
class FetchedDescriptions:
    """A file on this disk."""

    path: Path
    keys: dict[str, str]


def load_descriptions(path: Path) -> DescriptionsEntry:
    """The file ``path`` of the registry.

    Raises:
        InputError: it is absent or malformed.
    """
    try:
        return DescriptionsEntry.model_validate(read_yaml(path))
    except ValidationError as error:
        raise InputError(f"{path}: not a valid entry of descriptions: {error}") from error


def fetch_descriptions(path: Path, dataset: str, downloads: Path) -> FetchedDescriptions:
    """The file of ``dataset``, downloaded unless it is there.

    Args:
        path: of the registry's entry.
        dataset: as the registry calls it.
        downloads: receives ``descriptions/<entry>/<dataset>/<file>``.

    Raises:
        InputError: the entry has none for this data set, or it cannot be downloaded.
    """
    entry = load_descriptions(path)
    if dataset not in entry.files:
        raise InputError(
            f"{path}: no descriptions of the data set {dataset!r}; it has "
            f"{', '.join(entry.files)}. Choose other texts in the task's section."
        )
    file = entry.files[dataset]
    folder = downloads / "descriptions" / entry.name / dataset
    return FetchedDescriptions(download(file.url, folder, checksum=file.checksum), dict(file.keys))
