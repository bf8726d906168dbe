"""What a data set leaves out: all of it counted, and the first in the source listed."""

from collections import Counter

import polars as pl

from nicheclip.runtime.manifest import Dropped, Tally
from nicheclip.schemas import DROPPED

#: what is listed with its names
LISTED = 20_000


class LeftOut:
    """Takes rows of schema ``DROPPED`` in any order; ``tally`` gives them in that of the source."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """By reason."""
        self._first = pl.DataFrame(DROPPED.empty_table())

    def add(self, dropped: pl.DataFrame) -> None:
        """Count rows, and list them if they are among the first."""
        self.count(dropped["reason"])
        self._first = pl.concat([self._first, dropped]).sort("position").head(LISTED)

    def count(self, reasons: pl.Series) -> None:
        """Count rows that are not listed."""
        counted = reasons.value_counts()
        self.counts.update(dict(counted.iter_rows()))

    def tally(self) -> Tally:
        """The counts, and the first of all."""
        listed = [Dropped(key=key, reason=reason) for _, key, reason in self._first.rows()]
        return Tally(self.counts, listed)
