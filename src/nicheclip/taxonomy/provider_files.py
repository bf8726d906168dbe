"""The files that a checklist is read from, found without opening its tables."""

import contextlib
from pathlib import Path

from nicheclip.config.taxonomy import ProviderConfig, ProviderKind
from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.archives import is_archive
from nicheclip.taxonomy.published_table import (
    common_tables,
    find_table,
    names_common,
    taxon_table,
)

#: what a folder's table of names is called, the first that is there is read
PUBLISHED: dict[ProviderKind, tuple[str, ...]] = {
    "gbif": ("Taxon.tsv", "backbone/Taxon.tsv"),
    "inaturalist": ("taxa.csv",),
    "itis": ("ITIS.sqlite",),
    "coldp": ("NameUsage.tsv", "NameUsage.csv", "nameusage.tsv"),
    "eol": ("taxon.tab", "taxon.tsv", "taxa.txt"),
    "open_tree": ("taxonomy.tsv",),
}
#: checklists that may come with a ``meta.xml``
_DARWIN_CORE = ("gbif", "inaturalist", "eol")
#: what tells that a checklist's own folder holds common names
_COMMON_BESIDE: dict[ProviderKind, str] = {
    "gbif": "VernacularName.tsv",
    "coldp": "VernacularName.tsv",
    "inaturalist": "VernacularNames-*.csv",
    "itis": "ITIS.sqlite",
}


def provider_files(provider: ProviderConfig) -> list[Path]:
    """What ``provider`` is read from; a path that is not there stands for itself.

    An archive stands for itself, and so does a folder where its names are read (iNat21's class
    folders), or where it lacks the file that is read.
    """
    files = [provider.path]
    if not is_archive(provider.path):
        find = taxon_table if provider.kind in _DARWIN_CORE else find_table
        with contextlib.suppress(InputError):
            table = find(provider.path, PUBLISHED.get(provider.kind, ()))
            files = table.files
            if provider.kind == "open_tree" and (beside := table.beside("synonyms.tsv")):
                files += beside.files
    if (common := vernacular_path(provider)) is not None:
        files += _vernacular_files(common)
    return list(dict.fromkeys(files))


def vernacular_path(provider: ProviderConfig) -> Path | None:
    """The common names that the config tells, or what holds the checklist where it may have some.

    Whether an archive has some is seen when it is read.
    """
    if provider.vernaculars is not None:
        return provider.vernaculars
    pattern = _COMMON_BESIDE.get(provider.kind)
    if pattern is None:
        return None
    path = provider.path
    if is_archive(path):
        return path
    folder = path if path.is_dir() else path.parent
    described = provider.kind in _DARWIN_CORE and names_common(folder)
    return folder if described or any(folder.glob(pattern)) else None


def _vernacular_files(path: Path) -> list[Path]:
    if (path / "ITIS.sqlite").is_file():
        return [path / "ITIS.sqlite"]
    if is_archive(path):
        return [path]
    files: list[Path] = []
    with contextlib.suppress(InputError):
        files = [file for table in common_tables(path) for file in table.files]
    return files or [path]
