"""The files that a checklist is read from, found without opening them."""

from pathlib import Path

from nicheclip.config.taxonomy import ProviderConfig, ProviderKind

#: what a folder's table of names is called, the first that is there is read
PUBLISHED: dict[ProviderKind, tuple[str, ...]] = {
    "gbif": ("Taxon.tsv", "backbone/Taxon.tsv"),
    "inaturalist": ("taxa.csv",),
    "itis": ("ITIS.sqlite",),
    "coldp": ("NameUsage.tsv", "NameUsage.csv", "nameusage.tsv"),
    "eol": ("taxon.tab", "taxon.tsv", "taxa.txt"),
    "open_tree": ("taxonomy.tsv",),
}
#: what a folder's table of common names is called
COMMON = ("VernacularName.tsv", "vernacular_names.tsv", "vernaculars.tsv")
#: what tells that a checklist's own folder holds common names
_COMMON_BESIDE: dict[ProviderKind, str] = {
    "gbif": "VernacularName.tsv",
    "coldp": "VernacularName.tsv",
    "inaturalist": "VernacularNames-*.csv",
    "itis": "ITIS.sqlite",
}


def provider_files(provider: ProviderConfig) -> list[Path]:
    """What ``provider`` is read from; a path that is not there stands for itself.

    A folder stands for itself where its names are read (iNat21's class folders), or where it lacks
    the file that is read.
    """
    names = _first(provider.path, PUBLISHED.get(provider.kind, ()))
    files = [names]
    if provider.kind == "open_tree" and (beside := names.with_name("synonyms.tsv")).is_file():
        files.append(beside)
    if (common := vernacular_path(provider)) is not None:
        files += _vernacular_files(common)
    return list(dict.fromkeys(files))


def vernacular_path(provider: ProviderConfig) -> Path | None:
    """The common names that the config tells, or the folder of the checklist where it has some."""
    if provider.vernaculars is not None:
        return provider.vernaculars
    folder = provider.path if provider.path.is_dir() else provider.path.parent
    pattern = _COMMON_BESIDE.get(provider.kind)
    return folder if pattern and any(folder.glob(pattern)) else None


def _vernacular_files(path: Path) -> list[Path]:
    if (path / "ITIS.sqlite").is_file():
        return [path / "ITIS.sqlite"]
    return sorted(path.glob("VernacularNames-*.csv")) or [_first(path, COMMON)]


def _first(path: Path, names: tuple[str, ...]) -> Path:
    return next((path / name for name in names if (path / name).is_file()), path)
