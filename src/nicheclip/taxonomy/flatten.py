"""Classes with their ranks, flattened into taxa and into BioCLIP's text types.

The ranks come with the class table, and are taken as they are unless resolutions are given.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa

from nicheclip.config.taxonomy import TextPolicy
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CLASSES, RESOLUTIONS, TAXA, TEXTS
from nicheclip.taxonomy.ids import taxon_ids
from nicheclip.taxonomy.lineages import clean_lineages, finest
from nicheclip.taxonomy.texts import bare_names, text_rows
from nicheclip.terms import CLASS_TEXT_TYPES, RANKS

_GIVEN = [f"given_{rank}" for rank in RANKS]
_ANSWERS = ("taxon_id", *RANKS, "rank", "provider", "resolution")


def flatten(
    classes: pa.Table,
    provider: str,
    *,
    policy: TextPolicy = "finest_known",
    resolutions: pa.Table | None = None,
) -> tuple[pa.Table, pa.Table]:
    """The taxa and the texts of a data set's classes; linear in the number of classes.

    A class without ranks has no taxon, and its display name is used for every text type. Classes
    of one taxon (life stages, sexes) that have no common name are called by their display names,
    since the ranks do not tell them apart.

    Args:
        classes: schema ``CLASSES``.
        provider: who gave the ranks, for instance the data set's name.
        policy: ``as_published`` makes BioCLIP's texts with their defects; the taxa are the same.
        resolutions: schema ``RESOLUTIONS``, with each different lineage of ``classes``; others are
            taken as given.

    Returns:
        A table of schema ``TAXA``, one row per taxon, and one of schema ``TEXTS``, seven rows per
        class: types sci, com, taxon, sci_com, taxon_com, taxontag, taxontag_com.

    Raises:
        InputError: a class stands twice, or has neither ranks nor a display name.
    """
    rows = classes.select(CLASSES.names).to_pylist()
    _check(rows)
    table = _resolved(_table(rows), resolutions, provider)
    taxa = (
        table.filter(pl.col("taxon_id").is_not_null())
        .group_by("taxon_id", maintain_order=True)
        .agg(
            pl.col(*RANKS, "rank", "provider", "resolution").first(),
            common=pl.col("common").filter(pl.col("common") != "").first().fill_null(""),
        )
    )
    if policy == "finest_known":
        shared = (pl.len().over(RANKS) > 1) & (pl.col("common") == "")
        table = table.with_columns(common=pl.when(shared).then("display").otherwise("common"))
    texts = text_rows(table, policy=policy)
    return (
        taxa.select(TAXA.names).to_arrow().cast(TAXA),
        texts.to_arrow().cast(TEXTS),
    )


def class_names(classes: pa.Table) -> pl.DataFrame:
    """Each class's bare name of every text type, by the ranks and the common name of its row.

    Args:
        classes: schema ``CLASSES``.

    Returns:
        Columns class_id and ``texts.CLASS_TEXT_TYPES``, in the order of ``classes``.
    """
    table = _resolved(_table(classes.select(CLASSES.names).to_pylist()), None, "")
    return bare_names(table).select("class_id", *CLASS_TEXT_TYPES)


def _table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Columns class_id, display, common, and the ranks as ``given_*``; "" is unknown."""
    cells = [
        [
            row["class_id"],
            _collapsed(row["name"]),
            _collapsed(row["common"]),
            *(row[rank] or "" for rank in RANKS),
        ]
        for row in rows
    ]
    columns = ("class_id", "display", "common", *_GIVEN)
    return pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String), orient="row")


def _resolved(table: pl.DataFrame, resolutions: pa.Table | None, provider: str) -> pl.DataFrame:
    """``table`` with ``_ANSWERS``, and the resolutions' common names where it has none."""
    given = table.select(pl.col(f"given_{rank}").alias(rank) for rank in RANKS)
    clean = clean_lineages(given).select(RANKS)
    as_given = clean.with_columns(
        taxon_id=taxon_ids(clean),
        rank=finest(pl.lit),
        provider=pl.lit(provider),
        resolution=pl.lit("as given"),
    )
    if resolutions is None:
        return pl.concat([table, as_given.select(_ANSWERS)], how="horizontal")
    known = pl.DataFrame(resolutions.select(RESOLUTIONS.names))
    known = known.select(
        *_GIVEN,
        *(pl.col(name).alias(f"found_{name}") for name in (*_ANSWERS, "common")),
    )
    found = pl.concat([table, as_given], how="horizontal")
    found = found.join(known, on=_GIVEN, how="left", maintain_order="left")
    looked_up = pl.col("found_resolution").is_not_null()
    answers = [
        pl.when(looked_up).then(f"found_{name}").otherwise(name).alias(name) for name in _ANSWERS
    ]
    common = pl.when(pl.col("common") == "").then(pl.col("found_common")).otherwise("common")
    found = found.with_columns(*answers, common=common.fill_null(""))
    return found.with_columns(pl.col("provider").fill_null(provider)).select(
        *table.columns, *_ANSWERS
    )


def _collapsed(text: str | None) -> str:
    return " ".join((text or "").split())


def _check(rows: list[Mapping[str, Any]]) -> None:
    repeated = [key for key, n in Counter(row["class_id"] for row in rows).items() if n > 1]
    if repeated:
        raise InputError(
            f"classes: class_id {repeated[0]!r} is in several rows; expected one row per "
            "class. Merge them where the table is made."
        )
    for number, row in enumerate(rows):
        if not any(_collapsed(row[field]) for field in ("name", "common", *RANKS)):
            raise InputError(
                f"classes, row {number} ({row['class_id']!r}): no rank, no common name and no "
                "display name, so there is nothing to call the class. Fill in `name`."
            )
