"""Marks for the highest and second highest measured value of a column."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nicheclip.plan.table_request import TableRequest
from nicheclip.reporting.table import Content, Emphasis, Measured


def marked(request: TableRequest, rows: Sequence[dict[str, Any]]) -> list[dict[str, Content]]:
    """``rows``, by key of the column, with the marks that the table asks for; equals share one."""
    found: list[dict[str, Content]] = [dict(row) for row in rows]
    mark = request.mark
    for key in mark.columns if mark else []:
        measured = {
            i: cell for i, row in enumerate(found) if isinstance(cell := row.get(key), Measured)
        }
        values = sorted({cell.value for cell in measured.values()}, reverse=True)
        emphasis: dict[float, Emphasis | None] = dict(
            zip(values, (mark.best, mark.second), strict=False)  # type: ignore[union-attr]
        )
        for place, cell in measured.items():
            found[place][key] = replace(cell, emphasis=emphasis.get(cell.value))
    return found
