"""Licence and rights holder of each image, where a table of its own has them."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nicheclip.config.archive_readers import RightsTable
from nicheclip.data.hashed_keys import NOWHERE, hashes_of, places_of
from nicheclip.data.sources.table_blocks import Facts, TableFile, blocks, stripped

#: of an image that the table does not have
UNKNOWN = -1


@dataclass(frozen=True)
class Rights:
    """What the table says, found by the hashes of its keys."""

    _hashes: NDArray[np.uint64]
    """Of the keys, sorted."""
    _facts_of: NDArray[np.int32]
    _facts: pl.DataFrame

    def codes(self, keys: pl.Series) -> NDArray[np.int32]:
        """For each key a number that ``of`` takes; ``UNKNOWN`` where the table has none."""
        places = places_of(keys, self._hashes)
        codes = np.full(len(keys), UNKNOWN, np.int32)
        found = (places != NOWHERE) & keys.is_not_null().to_numpy()
        codes[found] = self._facts_of[places[found]]
        return codes

    def of(self, code: int) -> dict[str, str]:
        """Licence and holder, as far as they are known."""
        if code == UNKNOWN:
            return {}
        return {name: cell for name, cell in self._facts.row(code, named=True).items() if cell}


def read_rights(file: TableFile, rights: RightsTable, delimiter: str) -> Rights:
    """Read the table. Of several rows with one key the first counts.

    Raises:
        InputError: it is damaged, or lacks a column.
    """
    facts = Facts(list(rights.columns))
    hashes, codes = [np.empty(0, np.uint64)], [np.empty(0, np.int32)]
    wanted = list(dict.fromkeys([rights.key, *rights.columns.values()]))
    for block in blocks(file, wanted, delimiter):
        rows = stripped(block, rights.nothing).filter(pl.col(rights.key).is_not_null())
        hashes.append(hashes_of(rows[rights.key]))
        said = rows.select(pl.col(theirs).alias(ours) for ours, theirs in rights.columns.items())
        codes.append(facts.codes(said))
    every = np.concatenate(hashes)
    order = np.argsort(every, kind="stable")
    return Rights(every[order], np.concatenate(codes)[order], facts.rows)
