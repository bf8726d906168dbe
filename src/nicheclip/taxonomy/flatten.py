"""Classes with their ranks, flattened into taxa and into BioCLIP's text types.

The simple path: the ranks come with the class table and are taken as they are.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from nicheclip.config.base import RANKS
from nicheclip.errors import InputError
from nicheclip.tables import CLASSES, TAXA, TEXTS
from nicheclip.taxonomy.ids import taxon_id
from nicheclip.taxonomy.lineage import Lineage

SENTENCE = "a photo of {name}."


def flatten(classes: pa.Table, provider: str) -> tuple[pa.Table, pa.Table]:
    """The taxa and the texts of a data set's classes; linear in the number of classes.

    A class without ranks has no taxon, and its display name stands in for every text type. Classes
    of one taxon (life stages, sexes) that have no common name are called by their display names,
    since the ranks do not tell them apart.

    Args:
        classes: schema ``CLASSES``.
        provider: who gave the ranks, for instance the data set's name.

    Returns:
        A table of schema ``TAXA``, one row per taxon, and one of schema ``TEXTS``, seven rows per
        class: types sci, com, taxon, sci_com, taxon_com, taxontag, taxontag_com.

    Raises:
        InputError: a class stands twice, or has neither ranks nor a display name.
    """
    rows = classes.select(CLASSES.names).to_pylist()
    _check(rows)
    identifiers = [taxon_id({rank: row[rank] or "" for rank in RANKS}) for row in rows]
    sharing = Counter(identifiers)
    taxa: dict[str, dict[str, str]] = {}
    texts = []
    for row, identifier in zip(rows, identifiers, strict=True):
        lineage = Lineage.from_ranks(row)
        common = _collapsed(row["common"])
        if identifier:
            taxon = taxa.setdefault(identifier, _taxon(identifier, lineage, provider))
            taxon["common"] = taxon["common"] or common
        if sharing[identifier] > 1:
            common = common or _collapsed(row["name"])
        for text_type, name in names(lineage, common, row["name"]).items():
            text = SENTENCE.format(name=name)
            texts.append(
                {"class_id": row["class_id"], "text_type": text_type, "name": name, "text": text}
            )
    return (
        pa.Table.from_pylist(list(taxa.values()), schema=TAXA),
        pa.Table.from_pylist(texts, schema=TEXTS),
    )


def names(lineage: Lineage, common: str, display: str) -> dict[str, str]:
    """The bare name of each text type.

    The common name falls back to the scientific one, as in BioCLIP, but no name is joined to
    itself ("X with common name X").
    """
    scientific = lineage.scientific or common or _collapsed(display)
    taxonomic = lineage.taxonomic or scientific
    tagged = lineage.tagged or scientific
    common = common or scientific
    return {
        "sci": scientific,
        "com": common,
        "taxon": taxonomic,
        "sci_com": _with_common(scientific, common),
        "taxon_com": _with_common(taxonomic, common),
        "taxontag": tagged,
        "taxontag_com": _with_common(tagged, common),
    }


def _with_common(name: str, common: str) -> str:
    return name if name == common else f"{name} with common name {common}"


def _taxon(identifier: str, lineage: Lineage, provider: str) -> dict[str, str]:
    return {
        "taxon_id": identifier,
        **lineage.names,
        "common": "",
        "rank": lineage.finest_rank,
        "provider": provider,
        "resolution": "exact",
    }


def _collapsed(text: str | None) -> str:
    return " ".join((text or "").split())


def _check(rows: list[Mapping[str, Any]]) -> None:
    repeated = [key for key, n in Counter(row["class_id"] for row in rows).items() if n > 1]
    if repeated:
        raise InputError(
            f"classes: class_id {repeated[0]!r} stands in several rows; expected one row per "
            "class. Merge them where the table is made."
        )
    for number, row in enumerate(rows):
        if not any(_collapsed(row[field]) for field in ("name", "common", *RANKS)):
            raise InputError(
                f"classes, row {number} ({row['class_id']!r}): no rank, no common name and no "
                "display name, so there is nothing to call the class. Fill in `name`."
            )
