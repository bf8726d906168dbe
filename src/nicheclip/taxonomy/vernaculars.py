"""Common names: read from the providers, and one chosen for each taxon."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from nicheclip.config.taxonomy import VernacularConfig
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import VERNACULARS
from nicheclip.taxonomy.providers import itis
from nicheclip.taxonomy.providers.delimited import scan
from nicheclip.taxonomy.published_table import COMMON, Table, common_tables, holds

#: ISO 639-3 of the words that providers use
LANGUAGES = {
    "en": "eng", "english": "eng", "de": "deu", "german": "deu", "ger": "deu", "fr": "fra",
    "french": "fra", "fre": "fra", "es": "spa", "spanish": "spa", "pt": "por",
    "portuguese": "por", "it": "ita", "italian": "ita", "nl": "nld", "dutch": "nld",
    "dut": "nld", "ru": "rus", "russian": "rus", "zh": "zho", "chinese": "zho", "chi": "zho",
    "ja": "jpn", "japanese": "jpn",
}  # fmt: skip

#: what the columns of a table of common names are called
_COLUMNS = {
    "source_id": ("taxonID", "col:taxonID", "id", "page_id"),
    "name": ("vernacularName", "col:name", "name", "vernacular_string"),
    "language": ("language", "col:language", "language_code"),
    "preferred": ("isPreferredName", "is_preferred_by_eol", "col:preferred", "preferred"),
}
_YES = ("true", "t", "1", "yes", "preferred")


def read_vernaculars(path: Path, provider: str) -> pl.DataFrame:
    """The common names of a provider; schema ``VERNACULARS``.

    A name is preferred where its cell says so in a word: EOL's and GBIF's cells may hold anything.
    Names are kept as written, but for the white space.

    Args:
        path: a table of common names, a folder or archive with one or several, or ITIS's SQLite
            file.
        provider: its name.

    Raises:
        InputError: there is no such file, or a needed column is absent.
    """
    if path.suffix == ".sqlite" or holds(path, "ITIS.sqlite"):
        frame = itis.read_vernaculars(path).lazy()
    else:
        frame = pl.concat([_rows(table) for table in _tables(path)], how="diagonal")
    if "preferred" not in frame.collect_schema().names():
        frame = frame.with_columns(preferred=pl.lit(None, dtype=pl.String))
    language = pl.col("language").fill_null("").str.strip_chars().str.to_lowercase()
    frame = frame.select(
        provider=pl.lit(provider),
        source_id=pl.col("source_id").str.strip_chars().str.extract(r"([^/]*)$"),
        name=pl.col("name").str.replace_all(r"\s+", " ").str.strip_chars(),
        language=language.replace(LANGUAGES),
        preferred=pl.col("preferred").fill_null("").str.to_lowercase().is_in(_YES),
    )
    named = (
        pl.col("name").is_not_null() & (pl.col("name") != "") & pl.col("source_id").is_not_null()
    )
    return frame.filter(named).select(VERNACULARS.names).collect(engine="streaming")


def common_names(
    vernaculars: pl.DataFrame,
    names: pl.DataFrame,
    config: VernacularConfig,
    providers: Sequence[str],
) -> pl.DataFrame:
    """One common name for each canonical name in a kingdom context, whichever provider gives it.

    The order of preference is language, provider, the provider's own preference, then the alphabet.

    Args:
        vernaculars: schema ``VERNACULARS``.
        names: schema ``TAXON_NAMES``; a synonym's common names count for the accepted taxon.
        config: languages and providers, best first; other languages are left out.
        providers: the order of those that ``config`` does not name.

    Returns:
        Columns canonical, context, common.
    """
    order = list(dict.fromkeys([*config.providers, *providers]))
    languages = {code: place for place, code in enumerate(config.languages)}
    chosen = vernaculars.filter(pl.col("language").is_in(config.languages))
    of_name = names.select("provider", "source_id", "accepted_id")
    chosen = chosen.join(of_name, on=["provider", "source_id"])
    accepted = names.filter(pl.col("status") == "accepted").select(
        "provider", "canonical", "context", accepted_id="source_id"
    )
    chosen = chosen.join(accepted, on=["provider", "accepted_id"]).with_columns(
        language_place=pl.col("language").replace_strict(languages, return_dtype=pl.Int64),
        provider_place=pl.col("provider").replace_strict(
            {name: place for place, name in enumerate(order)}, default=len(order)
        ),
        not_preferred=~pl.col("preferred"),
    )
    best = ("canonical", "context", "language_place", "provider_place", "not_preferred", "name")
    return (
        chosen.sort(best)
        .group_by("canonical", "context", maintain_order=True)
        .agg(common=pl.col("name").first())
    )


def _tables(path: Path) -> list[Table]:
    tables = common_tables(path)
    if not tables:
        raise InputError(
            f"{path}: expected a file, or a folder or archive with {' or '.join(COMMON)}. Correct "
            "`vernaculars` in the provider's config."
        )
    return tables


def _rows(table: Table) -> pl.LazyFrame:
    if not table.path.is_file():
        raise InputError(
            f"{table.path}: no such file. Correct `vernaculars` in the provider's config."
        )
    comma = table.suffix == ".csv"
    needed = ("source_id", "name", "language")
    return scan(table, _COLUMNS, needed=needed, separator="," if comma else "\t", quoted=comma)
