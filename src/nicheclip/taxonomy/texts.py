"""BioCLIP's text types of many taxa or classes at once."""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from nicheclip.config.taxonomy import TextPolicy
from nicheclip.schemas import CLASS_TEXTS, TEXTS
from nicheclip.taxonomy.as_published import PublishedTaxon
from nicheclip.terms import CLASS_TEXT_TYPES, RANKS

SENTENCE = "a photo of {name}."
_NOT_FOUND = ("unresolved", "as given")


def text_rows(rows: pl.DataFrame, *, policy: TextPolicy = "finest_known") -> pl.DataFrame:
    """Seven rows for each of ``rows``, in their order; schema ``TEXTS``.

    Args:
        rows: columns class_id, taxon_id, ``RANKS`` (clean), common, display, as for ``bare_names``;
            for ``as_published`` also ``given_*`` (the ranks as they came) and resolution.
        policy: ``as_published`` makes BioCLIP's texts with their defects, of the ranks as they
            came where no checklist has the name.
    """
    named = _published_names(rows) if policy == "as_published" else bare_names(rows)
    named = named.with_row_index("row")
    long = named.unpivot(
        CLASS_TEXT_TYPES,
        index=["row", "class_id", "taxon_id"],
        variable_name="text_type",
        value_name="name",
    )
    before, after = SENTENCE.split("{name}")
    sentence = pl.lit(before) + pl.col("name") + pl.lit(after)
    long = long.sort("row", maintain_order=True).with_columns(text=sentence)
    return long.select(TEXTS.names)


def texts_by_class(texts: pa.Table, classes: pa.Table) -> pa.Table:
    """The texts of each class in one row (schema ``CLASS_TEXTS``), in the order of ``classes``.

    Args:
        texts: schema ``TEXTS``.
        classes: schema ``CLASSES``.
    """
    wide = pl.DataFrame(texts.select(["class_id", "text_type", "text"])).pivot(
        "text_type", index="class_id", values="text"
    )
    ids = pl.DataFrame(classes.select(["class_id"]))
    joined = ids.join(wide, on="class_id", how="left", maintain_order="left")
    absent = [pl.lit(None, pl.String).alias(t) for t in CLASS_TEXT_TYPES if t not in joined.columns]
    return joined.with_columns(absent).select(CLASS_TEXTS.names).to_arrow().cast(CLASS_TEXTS)


def bare_names(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with a column for each text type, its bare name.

    The scientific name is genus and epithet, without a genus the finest known name; without ranks
    the common name or the display name is used for every type. A missing common name falls back
    to the scientific one, as in BioCLIP, but no name is joined to itself ("X with common name X").

    Args:
        rows: columns ``RANKS`` (clean), common, display; "" is unknown.
    """
    known = [_known(rank) for rank in RANKS]
    tagged = [pl.lit(f"{rank} ") + _known(rank) for rank in RANKS]
    binomial = pl.when(pl.col("genus") != "").then(_joined(known[5:]))
    instead = (_known("common"), pl.col("display"))
    rows = rows.with_columns(sci=pl.coalesce(binomial, *reversed(known), *instead))
    rows = rows.with_columns(
        com=pl.coalesce(_known("common"), "sci"),
        taxon=pl.coalesce(_joined(known), "sci"),
        taxontag=pl.coalesce(_joined(tagged), "sci"),
    )
    return rows.with_columns(
        _with_common(name).alias(f"{name}_com") for name in ("sci", "taxon", "taxontag")
    )


def _published_names(rows: pl.DataFrame) -> pl.DataFrame:
    found = ~pl.col("resolution").is_in(_NOT_FOUND)
    ranks = [pl.when(found).then(rank).otherwise(f"given_{rank}").alias(rank) for rank in RANKS]
    names = [
        PublishedTaxon.from_ranks(row).texts(row["common"])
        for row in rows.select(*ranks, "common").iter_rows(named=True)
    ]
    table = pl.DataFrame(names, schema=dict.fromkeys(CLASS_TEXT_TYPES, pl.String))
    return pl.concat([rows.select("class_id", "taxon_id"), table], how="horizontal")


def _known(column: str) -> pl.Expr:
    return pl.when(pl.col(column) != "").then(pl.col(column))


def _joined(names: Sequence[pl.Expr]) -> pl.Expr:
    """The names that are there, by spaces; null where none is."""
    joined = pl.concat_str(names, separator=" ", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _with_common(name: str) -> pl.Expr:
    joined = pl.concat_str(name, pl.lit(" with common name "), "com")
    return pl.when(pl.col(name) == pl.col("com")).then(pl.col(name)).otherwise(joined)
