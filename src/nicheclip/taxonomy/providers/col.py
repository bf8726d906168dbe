"""Catalogue of Life: ColDP tables and the text tree."""

import io
import re
from pathlib import Path

import polars as pl

from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.provider_files import PUBLISHED
from nicheclip.taxonomy.providers.delimited import scan
from nicheclip.taxonomy.published_table import find_table, only_table

_TERMS = {
    "source_id": "ID",
    "parent_id": "parentID",
    "status": "status",
    "name": "scientificName",
    "authorship": "authorship",
    "rank": "rank",
}
_TREE_LINE = re.compile(
    r" *(?P<mark>[=≡†?$*]*)(?P<name>[^\s=].*) \[(?P<rank>\w+)\]\s*(?:\{.*|#.*)?"
)
_SYNONYM_MARKS = "=≡"


def read_coldp(path: Path) -> tuple[pl.DataFrame, Path]:
    """The rows of ``NameUsage.tsv``, for ``assemble``; a synonym's parent is its accepted taxon.

    Raises:
        InputError: the file or a needed column is absent.
    """
    table = find_table(path, PUBLISHED["coldp"])
    columns = {ours: (f"col:{term}", term) for ours, term in _TERMS.items()}
    comma = table.suffix == ".csv"
    frame = scan(
        table,
        columns,
        needed=("source_id", "parent_id", "status", "name", "rank"),
        separator="," if comma else "\t",
        quoted=comma,
    )
    status = pl.col("status").fill_null("").str.to_lowercase()
    synonym = status.str.contains("synonym|misapplied")
    bare = pl.when(status.str.contains("bare name"))
    frame = frame.with_columns(
        left_out=bare.then(pl.lit("a bare name, which the checklist does not place")),
        accepted_id=pl.when(synonym).then("parent_id"),
        parent_id=pl.when(~synonym).then("parent_id"),
    )
    return frame.collect(engine="streaming"), table.shown


def read_text_tree(path: Path) -> tuple[pl.DataFrame, Path]:
    """The rows of a text tree: two spaces a level, "=" before synonyms, the rank in brackets.

    A line that is left out keeps its place: what is below it does not come under another taxon.

    Returns:
        Rows for ``assemble`` (the line number is the id), and the file.

    Raises:
        InputError: there is no such file, or no line of it is a row.
    """
    table = only_table(path, ("*.txtree", "*.txt"))
    rows: list[dict[str, str | int | None]] = []
    chain: list[tuple[int, str]] = []  # (indent, id) from the root to the last accepted taxon
    readable = False
    with table.opened() as stream:
        lines = io.TextIOWrapper(stream, encoding="utf-8", errors="replace")
        for number, text in enumerate(lines, start=1):
            if not text.strip():
                continue
            indent = len(text) - len(text.lstrip(" "))
            while chain and chain[-1][0] >= indent:
                chain.pop()
            above = chain[-1][1] if chain else None
            row: dict[str, str | int | None] = {"line": number, "source_id": str(number)}
            rows.append(row)
            found = _TREE_LINE.fullmatch(text.rstrip("\n"))
            if found:
                readable = True
                row |= {"name": found["name"], "rank": found["rank"]}
            else:
                row |= {"name": text.strip()[:80], "left_out": "not 'indent name [rank]'"}
            synonym = found is not None and bool(set(found["mark"]) & set(_SYNONYM_MARKS))
            row["accepted_id" if synonym else "parent_id"] = above
            if not synonym:
                chain.append((indent, str(number)))
    if not readable:
        raise InputError(f"{table.shown}, line 1: expected lines 'name [rank]'. Give a text tree.")
    text_columns = ("source_id", "parent_id", "accepted_id", "name", "rank", "left_out")
    schema = {"line": pl.Int64} | dict.fromkeys(text_columns, pl.String)
    return pl.DataFrame(rows, schema=schema), table.shown
