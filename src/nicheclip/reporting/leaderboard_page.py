"""The leaderboard as a page and as texts, made from its lines alone."""

import html
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nicheclip.config.leaderboard import LeaderboardLine
from nicheclip.evaluation.rank_intervals import RankIntervals, rank_intervals
from nicheclip.reporting.leaderboard import Board, Model, Task, boards
from nicheclip.reporting.table import Column, Content, Measured, Missing, Table
from nicheclip.reporting.table_html import page, section
from nicheclip.subjects import STATES

TITLE = "NicheCLIP: leaderboard"

_STATES: dict[str, str] = {str(kind): text for kind, text in STATES.items()}

_MEANING = (
    "Bold: the highest score of a task. Underlined: no interval lies above its own, so it may be "
    "the best as well. Intervals: over images or classes for one seed, Student's of the "
    "mean for several. Mean rank: 1 is the best; in brackets the means of the best and of the "
    "worst places that the intervals leave a model. A score without an interval counts as exact. "
    "Models that were not judged on all tasks of a board have no mean rank."
)


def leaderboard_page(lines: Sequence[LeaderboardLine]) -> str:
    """HTML of all boards of ``lines``; a board sorts by each of its columns."""
    found = boards(lines)
    parts = [
        f"<h1>{html.escape(TITLE)}</h1>",
        f"<p>{html.escape(_MEANING)}</p>",
        *(f'<div class="wide">{section(board_table(board))}</div>' for board in found.boards),
    ]
    if not found.boards:
        parts.append("<p>No task has been judged with two models.</p>")
    if found.left_out:
        items = "".join(f"<li>{html.escape(text)}</li>" for text in found.left_out)
        parts.append(f"<h2>Not ranked</h2><ul>{items}</ul>")
    return page(TITLE, "\n".join(parts))


def leaderboard_text(lines: Sequence[LeaderboardLine], write: Callable[[Table], str]) -> str:
    """All boards of ``lines`` as ``table_files.to_markdown`` or ``to_latex`` writes a table."""
    tables = [replace(board_table(one), notes=(_MEANING,)) for one in boards(lines).boards]
    return "\n".join(map(write, tables))


def board_table(board: Board) -> Table:
    """A row for each model, the best mean rank first; then those without one, by name."""
    ranks = {task: _ranks(board, task) for task in board.tasks}
    rows = [(_mean_rank(board, ranks, model), model) for model in board.models]
    rows.sort(key=lambda row: (row[0] is None, row[0].value if row[0] else 0, row[1].name))
    others = any(model.by for model in board.models)
    columns = [
        Column("model", "Model"),
        Column("state", "State"),
        *([Column("by", "Measured by")] if others else []),
        Column("rank", "Mean rank"),
        *(Column(f"task_{i}", one) for i, one in enumerate(_labels(board.tasks))),
    ]
    contents = [
        (
            model.name,
            _STATES.get(model.kind, model.kind),
            *([model.by or "this run"] if others else []),
            rank or Missing("not run"),
            *(_cell(board, ranks[task], task, model) for task in board.tasks),
        )
        for rank, model in rows
    ]
    first = board.tasks[0]
    what = f"{board.protocol}, {first.measure}".replace("_shot", "-shot").replace("top1", "top-1")
    what = what.replace("_", " ")
    where = sorted({f"{task.evaluation} on {task.dataset}/{task.split}" for task in board.tasks})
    shown = ", ".join(where[:3]) + (f" and {len(where) - 3} more" if len(where) > 3 else "")
    return Table(f"{what}: {shown}", tuple(columns), tuple(contents))


def _ranks(board: Board, task: Task) -> RankIntervals:
    """Of all models of the board on one task."""
    ends = [_ends(board.scores[task].get(model)) for model in board.models]
    values, low, high = np.array(ends, dtype=np.float64).T
    return rank_intervals(values, low, high)


def _ends(cell: Measured | None) -> tuple[float, float, float]:
    """Value and interval of a score, which is exact where it has none; NaN of no score."""
    if cell is None:
        return (float("nan"),) * 3
    if cell.low is None or cell.high is None:
        return (cell.value,) * 3
    return cell.value, min(cell.low, cell.value), max(cell.high, cell.value)


def _mean_rank(board: Board, ranks: dict[Task, RankIntervals], model: Model) -> Measured | None:
    """Over the board's tasks; None where the model was not judged on all of them."""
    place = board.models.index(model)
    found = [(one.rank[place], one.best[place], one.worst[place]) for one in ranks.values()]
    rank, best, worst = np.mean(np.array(found, dtype=np.float64), axis=0)
    if np.isnan(rank):
        return None
    return Measured(float(rank), (), low=float(best), high=float(worst), digits=1)


def _cell(board: Board, ranks: RankIntervals, task: Task, model: Model) -> Content:
    cell = board.scores[task].get(model)
    if cell is None:
        return Missing("not run")
    place = board.models.index(model)
    if ranks.rank[place] == np.nanmin(ranks.rank):
        return replace(cell, emphasis="bold")
    return replace(cell, emphasis="underline") if ranks.may_be_first[place] else cell


def _labels(tasks: Sequence[Task]) -> list[str]:
    """What tells each task from the others: data set, evaluation, facets."""
    several = {
        key: len({getattr(task, key) for task in tasks}) > 1
        for key in ("evaluation", "dataset", "split")
    }
    labels = []
    for task in tasks:
        parts = [getattr(task, key) for key, differ in several.items() if differ]
        parts += [f"{name} {value}".replace("_", " ") for name, value in task.facets]
        labels.append(", ".join(parts) or task.dataset)
    return labels
