"""Columns of names, parsed: each different name once, well-formed ones without Python."""

import polars as pl

from nicheclip.taxonomy import name_words as vocabulary
from nicheclip.taxonomy.parsed_name import parse_name

#: the columns that ``parse_column`` makes; names of ``ParsedName``'s fields
PARSED = {
    "kind": pl.String,
    "genus": pl.String,
    "subgenus": pl.String,
    "epithets": pl.String,
    "canonical": pl.String,
    "authorship": pl.String,
    "qualifier": pl.String,
}

_AUTHOR = r"\p{Lu}\p{Ll}+\.?"
#: a name without anything that needs a rule: the genus, the epithets, authors with a year
WELL_FORMED = (
    r"^(?<genus>[A-Z][a-z]{2,})(?: (?<epithets>[a-z]{3,}(?:-[a-z]{2,})*"
    r"(?: [a-z]{3,}(?:-[a-z]{2,})*){0,2}))?"
    rf"(?: (?<authorship>{_AUTHOR}(?: & {_AUTHOR})?, 1[789]\d\d"
    rf"|\({_AUTHOR}(?: & {_AUTHOR})?, 1[789]\d\d\)))?$"
)
_RESERVED = sorted(
    word
    for word in vocabulary.PARTICLES | vocabulary.NEVER_EPITHETS | vocabulary.MARKERS.keys()
    if len(word) > 2 and word.isalpha()
)
_NOT_PLAIN = (
    rf" (?:{'|'.join(_RESERVED)})(?: |$)|{vocabulary.VIRUS.pattern}"
    rf"|^(?:{vocabulary.NO_NAME.pattern}|(?:candidatus|sect|subgen|subg)\b)"
)


def parse_column(names: pl.Series) -> pl.DataFrame:
    """``parse_name`` of every row, in order: the columns of ``PARSED`` (null is unparsed).

    The time is that of the different names; the rows cost a join.
    """
    rows = names.alias("name").cast(pl.String).fill_null("").to_frame()
    different = rows.unique()
    plain = well_formed(pl.col("name"))
    parsed = pl.concat(
        [_parsed_plainly(different.filter(plain)), _parsed_by_rules(different.filter(~plain))]
    )
    return rows.join(parsed, on="name", how="left", maintain_order="left").select(list(PARSED))


def well_formed(name: pl.Expr) -> pl.Expr:
    """Where ``WELL_FORMED`` finds what ``parse_name`` would: no word has a meaning of its own."""
    return name.str.contains(WELL_FORMED) & ~name.str.contains(_NOT_PLAIN)


def _parsed_plainly(names: pl.DataFrame) -> pl.DataFrame:
    parts = names.select("name", pl.col("name").str.extract_groups(WELL_FORMED).alias("parts"))
    parts = parts.unnest("parts").with_columns(pl.exclude("name").fill_null(""))
    empty = pl.lit("")
    canonical = pl.concat_str("genus", "epithets", separator=" ").str.strip_chars_end()
    return parts.select(
        "name",
        kind=pl.lit("name"),
        genus="genus",
        subgenus=empty,
        epithets="epithets",
        canonical=canonical,
        authorship="authorship",
        qualifier=empty,
    )


def _parsed_by_rules(names: pl.DataFrame) -> pl.DataFrame:
    texts = names["name"].to_list()
    parsed = [parse_name(text) for text in texts]
    columns = {column: [getattr(one, column) for one in parsed] for column in PARSED}
    return pl.DataFrame({"name": texts} | columns, schema={"name": pl.String} | PARSED)
