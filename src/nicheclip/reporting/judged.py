"""The predictions behind an entry of a table."""

from functools import lru_cache
from pathlib import Path

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
    found = [_by_group(*version(path)).get((str(group[0]), str(group[1]))) for path in paths]
    missing = [path for path, one in zip(paths, found, strict=True) if one is None]
    if missing and len(missing) < len(found):
        raise InputError(
            f"{missing[0]}: has no predictions by {group[0]} of {group[1]} species, other seeds "
            f"have them. Delete {selection.cells[0].job} and run the evaluate stage again."
        )
    return [one for one in found if one is not None]


def version(path: Path | str) -> tuple[str, int]:
    """A file as a cache should know it: its full path and when it was written."""
    return str(Path(path).resolve()), Path(path).stat().st_mtime_ns


# the rows of a table come back to the same few files
@lru_cache(maxsize=8)
def _by_group(path: str, written: int) -> dict[tuple[str, str], Predictions]:
    return read_group_predictions(path)
