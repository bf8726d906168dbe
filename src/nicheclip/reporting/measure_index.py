"""Finds the measures of a table's entries in the frame of all cells."""

from dataclasses import fields

import polars as pl

from nicheclip.plan.table_request import FACETS, Selection
from nicheclip.reporting.over_seeds import SeedMeasure
from nicheclip.runtime.errors import InputError

#: of the frame: the cell, the measure, what the measure is about
CELL = ("kind", "name", "variant", "evaluation", "dataset", "protocol")
SEED = tuple(field.name for field in fields(SeedMeasure))


class MeasureIndex:
    """The measures of ``evaluation.frame.read_cells``, but for those of single classes and bins."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """Index ``frame`` by cell, measure and facets."""
        rows = frame.filter(pl.col("class_id").is_null(), pl.col("bin").is_null())
        keys = rows.select(*CELL, "measure", *FACETS).iter_rows()
        self._measures = dict(
            zip(keys, (SeedMeasure(*row) for row in rows.select(SEED).iter_rows()), strict=True)
        )

    def find(self, selection: Selection) -> list[SeedMeasure]:
        """What each seed measured; empty where none did.

        Raises:
            InputError: some seeds measured it, others did not.
        """
        facets = tuple(selection.facets.get(key) for key in FACETS)
        found = {}
        for cell in selection.cells:
            subject = cell.subject
            judged = (subject.kind, subject.name, subject.variant)
            key = (*judged, cell.evaluation, cell.dataset, cell.protocol, selection.measure)
            found[cell.metrics] = self._measures.get((*key, *facets))
        missing = [path for path, measure in found.items() if measure is None]
        if missing and len(missing) < len(found):
            raise unmeasured(selection, missing[0], "other seeds have it. ")
        return [measure for measure in found.values() if measure is not None]


def unmeasured(selection: Selection, path: str | None = None, note: str = "") -> InputError:
    """The error of a measure that a cell lacks."""
    cell = selection.cells[0]
    return InputError(
        f"{path or cell.metrics}: has no {selection} (its protocol is {cell.protocol}); {note}"
        f"Delete {cell.job} and run the evaluate stage again."
    )
