"""The text types of many taxa at once: the columnar form of ``flatten.names``."""

import polars as pl

from nicheclip.config.base import RANKS
from nicheclip.tables import TEXTS
from nicheclip.taxonomy.flatten import SENTENCE


def taxon_texts(taxa: pl.LazyFrame) -> pl.LazyFrame:
    """Seven rows a taxon, schema ``TEXTS`` with the taxon's id for the class's.

    Args:
        taxa: columns taxon_id, ``RANKS`` (clean; "" is unknown, at least one is known), common.
    """
    known = [pl.when(pl.col(rank) != "").then(pl.col(rank)) for rank in RANKS]
    tagged = [pl.when(pl.col(rank) != "").then(pl.lit(f"{rank} ") + pl.col(rank)) for rank in RANKS]
    binomial = pl.concat_str(known[5:], separator=" ", ignore_nulls=True)
    scientific = (
        pl.when(pl.col("genus") != "").then(binomial).otherwise(pl.coalesce(reversed(known)))
    )
    common = pl.col("common").fill_null("")
    wide = taxa.select(
        class_id="taxon_id",
        taxon_id="taxon_id",
        sci=scientific,
        com=pl.when(common != "").then(common).otherwise(scientific),
        taxon=pl.concat_str(known, separator=" ", ignore_nulls=True),
        taxontag=pl.concat_str(tagged, separator=" ", ignore_nulls=True),
    )
    wide = wide.with_columns(
        _with_common(name).alias(f"{name}_com") for name in ("sci", "taxon", "taxontag")
    )
    before, after = SENTENCE.split("{name}")
    long = wide.unpivot(
        index=["class_id", "taxon_id"], variable_name="text_type", value_name="name"
    )
    sentence = pl.lit(before) + pl.col("name") + pl.lit(after)
    return long.with_columns(text=sentence).select(TEXTS.names)


def _with_common(name: str) -> pl.Expr:
    joined = pl.concat_str(name, pl.lit(" with common name "), "com")
    return pl.when(pl.col(name) == pl.col("com")).then(pl.col(name)).otherwise(joined)
