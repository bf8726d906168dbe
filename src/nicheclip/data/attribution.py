"""Whose images a data set is made of, and under which licences."""

from pathlib import Path
from typing import Self

import polars as pl
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from nicheclip.config.fetched_sources import RegistrySource
from nicheclip.config.sources import Source
from nicheclip.data.registry import load_entry
from nicheclip.schemas import reading_parquet

#: rights holders that are named; the others are counted
MOST_NAMED = 10


class Attribution(BaseModel):
    """What is known of a data set's images of one split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    """By its name in the config."""
    source: str
    """Its kind of source, or its title in the registry."""
    split: str
    images: int
    classes: int
    licence: str | None = None
    """Of the data set as a whole, as its makers state it."""
    citation: str | None = None
    homepage: str | None = None
    licences: dict[str, int] = {}
    """Images under each licence, most frequent first; "" counts those without one."""
    holders: dict[str, int] = {}
    """Images of the most frequent rights holders."""
    more_holders: int = 0
    """Rights holders that are not named in ``holders``."""
    unattributed: int = 0
    """Images without a rights holder."""

    @classmethod
    def read(
        cls, catalog: Path, *, dataset: str, source: Source, registry: Path, split: str = "train"
    ) -> Self:
        """From the catalog of a data set.

        Args:
            catalog: schema ``CATALOG``.
            dataset: its name.
            source: of the config.
            registry: of data sets.
            split: whose images count.

        Raises:
            InputError: the catalog or the registry's entry cannot be read.
        """
        columns = ["class_id", "licence", "rights_holder"]
        with reading_parquet(catalog):  # these columns alone: a catalog may have many millions
            table = pq.read_table(catalog, columns=columns, filters=[("split", "=", split)])
        rows = pl.DataFrame(table)
        holders = _counts(rows, "rights_holder")
        unattributed = holders.pop("", 0)
        named = dict(list(holders.items())[:MOST_NAMED])
        entry = load_entry(registry, source.name) if isinstance(source, RegistrySource) else None
        return cls(
            dataset=dataset,
            source=entry.title if entry else source.kind,
            split=split,
            images=len(rows),
            classes=rows["class_id"].n_unique(),
            licence=entry.licence if entry else None,
            citation=entry.citation if entry else None,
            homepage=entry.homepage if entry else None,
            licences=_counts(rows, "licence"),
            holders=named,
            more_holders=len(holders) - len(named),
            unattributed=unattributed,
        )


def _counts(rows: pl.DataFrame, column: str) -> dict[str, int]:
    """How often each text occurs, the most frequent first, equal ones by name; "" for none."""
    counted = rows.group_by(pl.col(column).fill_null("")).len()
    return dict(counted.sort(["len", column], descending=[True, False]).iter_rows())
