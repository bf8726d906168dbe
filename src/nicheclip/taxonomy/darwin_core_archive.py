"""``meta.xml`` of a checklist: which of the archive's tables has the taxa, which common names."""

from collections.abc import Mapping
from dataclasses import dataclass

from nicheclip.darwin_core.meta import Form, described_tables
from nicheclip.runtime.errors import InputError


@dataclass(frozen=True)
class Description:
    """The tables of an archive, by their places beside ``meta.xml``."""

    taxa: str
    common: tuple[str, ...]
    """Tables of common names."""
    forms: Mapping[str, Form]


def read_description(text: bytes, shown: str) -> Description:
    """What ``meta.xml`` says.

    Args:
        text: its content.
        shown: its name in errors.

    Raises:
        InputError: it is no such file, has no table of taxa, or a table that cannot be read.
    """
    taxa: list[str] = []
    common: list[str] = []
    forms: dict[str, Form] = {}
    for table in described_tables(text, shown, frozenset({"Taxon", "VernacularName"})):
        (taxa if table.row_type == "Taxon" else common).extend(table.places)
        forms |= dict.fromkeys(table.places, table.form)
    if len(taxa) != 1:
        raise InputError(
            f"{shown}: {len(taxa)} tables of the row type Taxon, expected one. Give a checklist, "
            "not occurrences or media."
        )
    return Description(taxa[0], tuple(common), forms)
