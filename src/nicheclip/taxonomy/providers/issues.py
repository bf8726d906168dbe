"""What is wrong with the rows of a checklist: counted by reason, with the first of each shown."""

from collections import Counter
from pathlib import Path

import polars as pl

from nicheclip.runtime.manifest import Dropped, Tally

#: of each reason, how many rows are shown: a backbone can have a million rows of one reason
EXAMPLES = 1000


class Issues:
    """Collects what is wrong with which row of a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.dropped = Tally()
        self.noted = Tally()
        self._links: list[pl.DataFrame] = []

    def drop(
        self, rows: pl.DataFrame, reasons: pl.Series | pl.Expr, cell: pl.Expr | None = None
    ) -> pl.DataFrame:
        """``rows`` without those that have a reason (null is none).

        Args:
            rows: ``line`` (null where the file has none), ``source_id``, ``parent_id``, ``name``.
            reasons: few different ones; what differs from row to row belongs into ``cell``.
            cell: shown beside the row's name.
        """
        rows = rows.with_columns(reason=reasons)
        bad = rows.filter(pl.col("reason").is_not_null())
        self.dropped.add(self._tally(bad, cell))
        self._links.append(bad.select("source_id", "parent_id"))
        return rows.filter(pl.col("reason").is_null()).drop("reason")

    def note(self, rows: pl.DataFrame, reason: str, cell: pl.Expr | None = None) -> None:
        """Count ``rows``, which stay, as doubtful."""
        self.noted.add(self._tally(rows.with_columns(reason=pl.lit(reason)), cell))

    def with_dropped(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Ids and parents of ``rows``, then those of what was dropped, which parents lead over."""
        links = pl.concat(self._links).drop_nulls("source_id")
        links = links.unique("source_id", keep="first", maintain_order=True)
        return pl.concat([rows.select(links.columns), links.join(rows, on="source_id", how="anti")])

    def _tally(self, rows: pl.DataFrame, cell: pl.Expr | None) -> Tally:
        counts = Counter(dict(rows["reason"].value_counts().iter_rows()))
        shown = rows.filter(pl.int_range(pl.len()).over("reason") < EXAMPLES).select(
            "reason",
            "line",
            "source_id",
            pl.col("name").fill_null("").str.head(80),
            cell=pl.lit(None, pl.String) if cell is None else cell.str.head(80),
        )
        return Tally(counts, [self._example(row) for row in shown.iter_rows(named=True)])

    def _example(self, row: dict[str, str | int | None]) -> Dropped:
        place = f"id {row['source_id']}" if row["line"] is None else f"line {row['line']}"
        cell = "" if row["cell"] is None else f", {row['cell']!r}"
        return Dropped(
            key=f"{self._file}, {place}: {row['name']!r}{cell}", reason=str(row["reason"])
        )
