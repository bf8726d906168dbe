"""What the images of each class say of it, from rows that come in pieces."""

import polars as pl

from nicheclip.schemas import CLASSES
from nicheclip.terms import RANKS

#: rows of unfinished pieces, a row for each class and piece, that wait to be joined
WAITING = 1 << 18


class ClassTally:
    """Takes rows (columns of ``ACQUIRED``) in any order; ``table`` gives the classes.

    A class is called as the first of its images in the source says, and has the first common name
    that one gives. It keeps the ranks on which all its images agree that have them.
    """

    def __init__(self) -> None:
        self._pieces: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Add images."""
        own = rows.select(
            "class_id",
            "name",
            *(_unless_empty(rank).alias(f"least_{rank}") for rank in RANKS),
            *(_unless_empty(rank).alias(f"greatest_{rank}") for rank in RANKS),
            _unless_empty("common"),
            named="position",
            called=pl.when(pl.col("common") != "").then("position"),
            images=pl.lit(1, pl.Int64),
        )
        self._pieces.append(_joined(own))
        if sum(piece.height for piece in self._pieces) > WAITING:
            self._pieces = [_joined(pl.concat(self._pieces))]

    def table(self) -> pl.DataFrame:
        """All classes by id (schema ``CLASSES``)."""
        if not self._pieces:
            return pl.DataFrame(CLASSES.empty_table())
        joined = _joined(pl.concat(self._pieces))
        agreed = [
            pl.when(pl.col(f"least_{rank}") == pl.col(f"greatest_{rank}"))
            .then(f"least_{rank}")
            .otherwise(pl.lit(""))
            .alias(rank)
            for rank in RANKS
        ]
        named = joined.with_columns(*agreed, pl.col("common").fill_null(""))
        return named.sort("class_id").select(CLASSES.names)


def _joined(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each class. Images agree on a rank where the least name equals the greatest."""
    return rows.group_by("class_id").agg(
        pl.col("name").sort_by("named").first(),
        *(pl.col(f"least_{rank}").min() for rank in RANKS),
        *(pl.col(f"greatest_{rank}").max() for rank in RANKS),
        pl.col("common").sort_by("called", nulls_last=True).first(),
        pl.col("named").min(),
        pl.col("called").min(),
        pl.col("images").sum(),
    )


def _unless_empty(column: str) -> pl.Expr:
    return pl.when(pl.col(column) != "").then(pl.col(column))
