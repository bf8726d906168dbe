"""What the images of each class say of it, from rows that come in pieces."""

import polars as pl

from nicheclip.runtime.manifest import Dropped
from nicheclip.schemas import CLASSES
from nicheclip.terms import RANKS

#: rows of unfinished pieces, a row for each class and piece, that may always wait to be joined
WAITING = 1 << 13


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
        # as many wait as are joined already: joining stays a constant share of the work
        waiting = sum(piece.height for piece in self._pieces[1:])
        if waiting > max(WAITING, self._pieces[0].height):
            self._pieces = [_joined(pl.concat(self._pieces))]

    def doubts(self) -> list[Dropped]:
        """Ranks that a class loses because its images disagree, and classes of the same name."""
        if not self._pieces:
            return []
        joined = self._all().sort("class_id")
        found = []
        for rank in RANKS:
            least, greatest = pl.col(f"least_{rank}"), pl.col(f"greatest_{rank}")
            rows = joined.filter(least != greatest).select("class_id", least, greatest).rows()
            found += [
                Dropped(key=class_id, reason=f"its images disagree on the {rank}: {one!r}, {two!r}")
                for class_id, one, two in rows
            ]
        plain = pl.col("name").str.to_lowercase().str.replace_all("_", " ").str.strip_chars()
        alike = joined.with_columns(plain=plain).group_by("plain", maintain_order=True)
        for (name,), classes in alike:
            if classes.height > 1:
                ids = ", ".join(map(repr, classes["class_id"]))
                found.append(Dropped(key=str(name), reason=f"several classes are called so: {ids}"))
        return found

    def table(self) -> pl.DataFrame:
        """All classes by id (schema ``CLASSES``)."""
        if not self._pieces:
            return pl.DataFrame(CLASSES.empty_table())
        joined = self._all()
        agreed = [
            pl.when(pl.col(f"least_{rank}") == pl.col(f"greatest_{rank}"))
            .then(f"least_{rank}")
            .otherwise(pl.lit(""))
            .alias(rank)
            for rank in RANKS
        ]
        named = joined.with_columns(*agreed, pl.col("common").fill_null(""))
        return named.sort("class_id").select(CLASSES.names)

    def _all(self) -> pl.DataFrame:
        self._pieces = [_joined(pl.concat(self._pieces))]
        return self._pieces[0]


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
