"""Why a cell of a paper's table has no number."""

from collections.abc import Collection

from nicheclip.plan.table_request import Row, TableColumn, TableRequest
from nicheclip.reporting.published import PublishedRow
from nicheclip.reporting.table import Missing, Reason


def why(
    request: TableRequest,
    column: TableColumn,
    row: Row | None,
    paper: PublishedRow | None,
    seeds: Collection[str],
) -> Missing:
    """The reason of an empty cell.

    Args:
        request: the table.
        column: of the cell.
        row: what the config runs for the cell's row; None where it runs nothing.
        paper: what the paper has of the row.
        seeds: keys of the columns that were measured in the row.
    """
    return Missing(_reason(request, column, row, paper, seeds))


def _reason(
    request: TableRequest,
    column: TableColumn,
    row: Row | None,
    paper: PublishedRow | None,
    seeds: Collection[str],
) -> Reason:
    if column.show == "published":
        return "not published"
    if row is None:
        return "not run"
    if column.show == "difference":
        published = paper is not None and column.published in paper.values
        return "not compared" if published else "not published"
    wanted = column.mean_of or ([column.key] if column.show == "value" else [])
    absent = [key for key in wanted if key not in seeds]
    # what the plan knows and nobody measured has no value here, such as a rank without names
    return "not run" if any(key not in row.entries for key in absent) else "not defined"
