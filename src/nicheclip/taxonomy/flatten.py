"""Classes with their ranks, flattened into taxa and into BioCLIP's text types.

The ranks come with the class table, and are taken as they are unless resolutions are given.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from nicheclip.config.base import RANKS
from nicheclip.config.taxonomy import TextPolicy
from nicheclip.errors import InputError
from nicheclip.tables import CLASSES, TAXA, TEXTS
from nicheclip.taxonomy.as_published import PublishedTaxon
from nicheclip.taxonomy.ids import taxon_id
from nicheclip.taxonomy.lineage import Lineage

SENTENCE = "a photo of {name}."


def flatten(
    classes: pa.Table,
    provider: str,
    *,
    policy: TextPolicy = "finest_known",
    resolutions: pa.Table | None = None,
) -> tuple[pa.Table, pa.Table]:
    """The taxa and the texts of a data set's classes; linear in the number of classes.

    A class without ranks has no taxon, and its display name stands in for every text type. Classes
    of one taxon (life stages, sexes) that have no common name are called by their display names,
    since the ranks do not tell them apart.

    Args:
        classes: schema ``CLASSES``.
        provider: who gave the ranks, for instance the data set's name.
        policy: ``as_published`` makes BioCLIP's texts with their defects; the taxa are the same.
        resolutions: schema ``RESOLUTIONS``, with each different lineage of ``classes``.

    Returns:
        A table of schema ``TAXA``, one row per taxon, and one of schema ``TEXTS``, seven rows per
        class: types sci, com, taxon, sci_com, taxon_com, taxontag, taxontag_com.

    Raises:
        InputError: a class stands twice, or has neither ranks nor a display name.
    """
    rows = classes.select(CLASSES.names).to_pylist()
    _check(rows)
    resolved = _by_given(resolutions)
    lineages = [_lineage(row, resolved.get(_given(row))) for row in rows]
    sharing = Counter(lineages)
    taxa: dict[str, dict[str, str]] = {}
    texts = []
    for row, lineage in zip(rows, lineages, strict=True):
        resolution = resolved.get(_given(row), {})
        identifier = taxon_id(lineage.names)
        common = _collapsed(row["common"]) or resolution.get("common") or ""
        if identifier:
            taxon = taxa.setdefault(identifier, _taxon(identifier, lineage, provider, resolution))
            taxon["common"] = taxon["common"] or common
        if sharing[lineage] > 1 and policy == "finest_known":
            common = common or _collapsed(row["name"])
        if policy == "as_published":
            bare = PublishedTaxon.from_ranks(row).texts(common)
        else:
            bare = names(lineage, common, row["name"])
        for text_type, name in bare.items():
            text = SENTENCE.format(name=name)
            texts.append(
                {
                    "class_id": row["class_id"],
                    "taxon_id": identifier,
                    "text_type": text_type,
                    "name": name,
                    "text": text,
                }
            )
    return (
        pa.Table.from_pylist(list(taxa.values()), schema=TAXA),
        pa.Table.from_pylist(texts, schema=TEXTS),
    )


def _lineage(row: Mapping[str, Any], resolution: Mapping[str, str] | None) -> Lineage:
    """What was resolved, as it is; else the class's own ranks, cleaned."""
    if resolution is None:
        return Lineage.from_ranks(row)
    return Lineage(*(resolution[rank] or "" for rank in RANKS))


def _given(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[rank] or "" for rank in RANKS)


def _by_given(resolutions: pa.Table | None) -> dict[tuple[str, ...], dict[str, str]]:
    rows = resolutions.to_pylist() if resolutions is not None else []
    return {tuple(row[f"given_{rank}"] for rank in RANKS): row for row in rows}


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


def _taxon(
    identifier: str, lineage: Lineage, provider: str, resolution: Mapping[str, str]
) -> dict[str, str]:
    return {
        "taxon_id": identifier,
        **lineage.names,
        "common": "",
        "rank": lineage.finest_rank,
        "provider": resolution.get("provider") or provider,
        "resolution": resolution.get("resolution", "as given"),
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
