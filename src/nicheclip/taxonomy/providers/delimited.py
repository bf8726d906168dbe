"""Delimited text files with a header, read lazily and checked before anything is made of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from nicheclip.runtime.errors import InputError

_SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}


def scan(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    *,
    needed: Sequence[str],
    separator: str,
    quoted: bool = False,
) -> pl.LazyFrame:
    """The columns of a file by our names, all text, with the ``line`` that a row begins in.

    Bytes that are no UTF-8 become U+FFFD. A row that is too short has nulls at its end.

    Args:
        path: the file.
        columns: our name to the header's possible names, the first that is there is taken; names
            that are absent and not needed give no column.
        needed: which of ours must be there.
        separator: between fields.
        quoted: whether fields may be in quotation marks.

    Raises:
        InputError: no such file, an empty one, another separator, or a needed column is absent.
    """
    _refuse_absent_or_empty(path)
    frame = pl.scan_csv(
        path,
        separator=separator,
        quote_char='"' if quoted else None,
        infer_schema=False,
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        row_index_name="line",
        row_index_offset=2,
    )
    fields = frame.collect_schema().names()[1:]
    header = {name.strip().strip('"'): name for name in fields}
    chosen = {
        ours: next((header[name] for name in theirs if name in header), None)
        for ours, theirs in columns.items()
    }
    for ours in needed:
        if chosen.get(ours) is None:
            raise InputError(_missing(path, columns[ours], list(header), separator))
    if quoted:  # a field in quotation marks may go over several lines
        breaks = pl.col(fields).str.count_matches("\n", literal=True).fill_null(0)
        before = pl.sum_horizontal(breaks).cum_sum().shift(1, fill_value=0)
        frame = frame.with_columns(line=pl.col("line") + before)
    return frame.select(
        "line", *(pl.col(theirs).alias(ours) for ours, theirs in chosen.items() if theirs)
    )


def published_file(path: Path, *names: str) -> Path:
    """``path`` itself, or in a folder the first of ``names`` that is there.

    Raises:
        InputError: neither is there, or it is an archive.
    """
    if path.suffix == ".zip":
        raise InputError(f"{path}: an archive. Unpack it and give the folder as `path`.")
    if path.is_file():
        return path
    found = next((path / name for name in names if (path / name).is_file()), None)
    if found is None:
        raise InputError(
            f"{path}: expected a file, or a folder with {' or '.join(names)}. Download the "
            "checklist again or correct `path`."
        )
    return found


def _refuse_absent_or_empty(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path}: no such file. Correct `path` in the provider's config.")
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        if not stream.readline(1_000_000).strip():
            raise InputError(f"{path}, line 1: empty; expected a header. Download the file again.")


def _missing(path: Path, theirs: Sequence[str], header: Sequence[str], separator: str) -> str:
    expected = f"a column {' or '.join(repr(name) for name in theirs)}"
    if len(header) == 1:
        other = max(_SEPARATORS, key=header[0].count)
        if header[0].count(other):
            return (
                f"{path}, line 1: fields are divided by {_SEPARATORS[other]}, expected "
                f"{_SEPARATORS[separator]}. Give the file that the provider publishes."
            )
    shown = ", ".join(repr(name) for name in header[:12])
    return (
        f"{path}, line 1: expected {expected}, found {shown}. Check that `kind` fits the file, or "
        "name the columns as the provider does."
    )
