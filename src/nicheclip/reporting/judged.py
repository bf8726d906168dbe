"""The predictions behind an entry of a table."""

from functools import cache

from nicheclip.evaluation.predictions import (
    Predictions,
    read_group_predictions,
    read_predictions,
)
from nicheclip.plan.table_request import Selection
from nicheclip.runtime.errors import InputError


def predictions_of(selection: Selection) -> list[Predictions]:
    """Of each seed; none where its group of classes has too few.

    Raises:
        InputError: some seeds have predictions, others have none.
    """
    paths = [cell.predictions for cell in selection.cells]
    group = (selection.facets.get("text_type"), selection.facets.get("group"))
    if group == (None, None):
        return [read_predictions(path) for path in paths]
    found = [_by_group(path).get((str(group[0]), str(group[1]))) for path in paths]
    missing = [path for path, one in zip(paths, found, strict=True) if one is None]
    if missing and len(missing) < len(found):
        raise InputError(
            f"{missing[0]}: has no predictions by {group[0]} of {group[1]} species, other seeds "
            f"have them. Delete {selection.cells[0].job} and run the evaluate stage again."
        )
    return [one for one in found if one is not None]


@cache
def _by_group(path: str) -> dict[tuple[str, str], Predictions]:
    return read_group_predictions(path)
