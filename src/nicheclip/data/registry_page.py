"""The page of all registered data sets.

``python -m nicheclip.data.registry_page workflow/registry/datasets docs/registry.md`` writes it.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nicheclip.config.fetched_sources import ArchiveSource, HubSource
from nicheclip.data.registry import RegistryEntry, load_entry
from nicheclip.runtime.files import write_text

_HEAD = """\
# Registered data sets

Made from `workflow/registry/datasets/` by `python -m nicheclip.data.registry_page`. A config
names one by `source: {kind: registry, name: eurosat}`. What is fetched is checked against a
published checksum, or, where there is none, against that of its first download. What must be got
by hand goes into `results/downloads/<name>/`; what cannot be read yet says so in a dry run, and in
the notes below the table. A dash: nobody states it.

| name | data set | how it comes | images | classes | licence |
|---|---|---|---|---|---|
"""


def registry_page(registry: Path) -> str:
    """Markdown: a table of all entries, then the notes and the citation of each.

    Args:
        registry: the folder of the entries.

    Raises:
        InputError: an entry is malformed.
    """
    entries = [load_entry(registry, path.stem) for path in sorted(registry.glob("*.yaml"))]
    rows = "".join(_row(entry) for entry in entries)
    return _HEAD + rows + "\n" + "\n".join(line for one in entries for line in _notes(one))


def _row(entry: RegistryEntry) -> str:
    cells = (
        f"[{entry.name}](#{entry.name})",
        f"[{entry.title}]({entry.homepage})",
        _way(entry),
        ", ".join(f"{n:,}" + ("" if s == "all" else f" {s}") for s, n in entry.images.items()),
        f"{entry.classes:,}" if entry.classes else "",
        entry.licence or "",
    )
    return f"| {' | '.join(_cell(cell) for cell in cells)} |\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or "–"


def _way(entry: RegistryEntry) -> str:
    if entry.missing:
        return "cannot be read yet"
    if isinstance(entry.source, HubSource):
        return "from the hub"
    if isinstance(entry.source, ArchiveSource):
        known = entry.source.checksums and all(entry.source.checksums)
        return "fetched, published checksum" if known else "fetched, first download pinned"
    return f"by hand from [its page]({entry.source.page})"


def _notes(entry: RegistryEntry) -> Iterator[str]:
    yield f"## {entry.name}\n"
    if entry.missing:
        yield f"Missing: {entry.missing}\n"
    yield f"{entry.notes}\n"
    if entry.tables:
        yield f"Feeds {', '.join(f'`{column}`' for column in entry.tables)}.\n"
    yield f"{entry.citation}\n"


def main(arguments: Sequence[str]) -> None:
    """Write the page of a folder of entries."""
    registry, page = arguments
    write_text(page, registry_page(Path(registry)))


if __name__ == "__main__":
    main(sys.argv[1:])
