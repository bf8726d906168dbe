"""The difference of the two runs of a comparison on the same images, with a verdict."""

from collections.abc import Mapping

from nicheclip.evaluation.paired import paired_difference
from nicheclip.plan.table_request import Row, TableRequest
from nicheclip.reporting.judged import predictions_of
from nicheclip.reporting.table import Content, Measured, Number

#: ends a verdict that another seed of a run might turn
ONE_SEED = " (one seed)"


def entries(request: TableRequest, row: Row) -> Mapping[str, Content] | None:
    """``difference`` (first less second), ``verdict`` and the counts of a comparison.

    Raises:
        InputError: the two runs were not judged on the same images.
    """
    sides = [row.entries["first"], row.entries["second"]]
    first, second = (predictions_of(side) for side in sides)
    if not first or not second:
        return None
    difference = paired_difference(
        first,
        second,
        resamples=request.bootstrap,
        confidence=request.confidence,
        seed=request.seed,
    )
    return {
        "difference": Measured(
            difference.value,
            tuple(cell.predictions for side in sides for cell in side.cells),
            low=difference.low,
            high=difference.high,
            signed=True,
        ),
        "verdict": difference.verdict + ONE_SEED * (difference.seeds == 1),
        "n": Number(difference.n_images, digits=0),
        "classes": Number(difference.n_classes, digits=0),
        "seeds": f"{len(first)} and {len(second)}",
    }
