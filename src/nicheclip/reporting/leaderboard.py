"""From judged cells to the lines of the leaderboard, and from such lines to its boards.

A task is one measure of one protocol of one evaluation on one data set. A board holds the tasks
that the same models of this run were judged on; whoever else was judged there stands beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from nicheclip.config.leaderboard import VERSION, LeaderboardLine, Score
from nicheclip.plan.table_request import FACETS
from nicheclip.reporting.evaluation_table import SHOWN
from nicheclip.reporting.over_seeds import SeedMeasure, over_seeds
from nicheclip.reporting.table import Measured

#: what a protocol's models are ranked by; higher is better
HEADLINES = {
    "zero_shot": "top1",
    "retrieval": "recall_at_1",
    "few_shot": "top1",
    "text_types": "top1",
    "open_set": "harmonic_mean",
    "linear_probe": "top1",
    "knn": "top1",
}
#: one model ranks nothing
FEWEST_MODELS = 2


@dataclass(frozen=True)
class Model:
    """A model of the leaderboard; its seeds are one."""

    name: str
    kind: str
    by: str = ""


@dataclass(frozen=True)
class Task:
    """A column of the leaderboard."""

    protocol: str
    evaluation: str
    dataset: str
    split: str
    measure: str
    facets: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Board:
    """Models and the tasks that they were judged on."""

    protocol: str
    scores: Mapping[Task, Mapping[Model, Measured]]
    """Those that there are, task by task; seeds together."""

    @property
    def tasks(self) -> list[Task]:
        """The columns."""
        return list(self.scores)

    @property
    def models(self) -> list[Model]:
        """The rows, as they come."""
        return list(dict.fromkeys(model for models in self.scores.values() for model in models))


@dataclass(frozen=True)
class Boards:
    """All boards of some lines."""

    boards: list[Board]
    left_out: list[str] = field(default_factory=list)
    """What is ranked with nobody, and why."""


def lines_of(frame: pl.DataFrame) -> list[LeaderboardLine]:
    """A line for each cell of ``evaluation.frame.read_cells``, with the measures that tables show;
    of cells without any such measure none.
    """
    shown = pl.col("class_id").is_null() & pl.col("bin").is_null()
    wanted = [
        (pl.col("protocol") == protocol) & pl.col("measure").is_in(names)
        for protocol, names in SHOWN.items()
    ]
    found = frame.filter(shown, pl.any_horizontal(wanted))
    return [_line(cell) for cell in found.partition_by("source", maintain_order=True)]


def _line(cell: pl.DataFrame) -> LeaderboardLine:
    first = cell.row(0, named=True)
    name = first["name"]
    if first["kind"] == "adapted":  # its task is the evaluation
        name = name.removesuffix(f"/{first['evaluation']}")
    return LeaderboardLine(
        version=VERSION,
        model=name,
        kind=first["kind"],
        variant=first["variant"],
        **{key: first[key] for key in ("evaluation", "dataset", "split", "protocol", "source")},
        n=first["cell_n"],
        classes=first["cell_classes"],
        scores=[_score(row) for row in cell.iter_rows(named=True)],
    )


def _score(row: Mapping[str, object]) -> Score:
    facets = {key: str(row[key]) for key in FACETS if row[key] is not None}
    keys = ("value", "low", "high", "confidence", "method", "std", "n", "chance")
    given = {"name": row["measure"], "facets": facets} | {key: row[key] for key in keys}
    return Score.model_validate(given)


def boards(lines: Sequence[LeaderboardLine]) -> Boards:
    """The boards of ``lines``, those with the most tasks first."""
    seeds: dict[tuple[Task, Model], list[SeedMeasure]] = {}
    sizes: dict[Task, tuple[int, int]] = {}
    left_out: list[str] = []
    for line in sorted(lines, key=lambda line: bool(line.by)):  # ours say how large a task is
        model = Model(line.model, line.kind, line.by)
        for task, score in _headlines(line):
            size = (line.n, line.classes)
            expected = sizes.setdefault(task, size)
            if size == expected:
                seeds.setdefault((task, model), []).append(_seed(line, score))
            else:
                left_out.append(_other_size(line, expected))
    scores: dict[Task, dict[Model, Measured]] = {}
    for (task, model), some in seeds.items():
        scores.setdefault(task, {})[model] = over_seeds(some)
    groups: dict[tuple[str, frozenset[Model]], list[Task]] = {}
    for task, models in scores.items():
        ours = frozenset(model for model in models if not model.by)
        groups.setdefault((task.protocol, ours), []).append(task)
    found = [
        Board(protocol, {task: scores[task] for task in tasks})
        for (protocol, _), tasks in groups.items()
    ]
    ranked = [one for one in found if len(one.models) >= FEWEST_MODELS]
    ranked.sort(key=lambda one: (-len(one.tasks), -len(one.models)))
    return Boards(ranked, list(dict.fromkeys(left_out)))


def _headlines(line: LeaderboardLine) -> list[tuple[Task, Score]]:
    where = (line.protocol, line.evaluation, line.dataset, line.split)
    wanted = HEADLINES.get(line.protocol)
    return [
        (Task(*where, score.name, tuple(sorted(score.facets.items()))), score)
        for score in line.scores
        if score.name == wanted
    ]


def _seed(line: LeaderboardLine, score: Score) -> SeedMeasure:
    return SeedMeasure(
        source=line.source,
        value=score.value,
        n=score.n,
        classes=line.classes,
        low=score.low,
        high=score.high,
        confidence=score.confidence,
        std=score.std,
        chance=score.chance,
        shots=None,
        cell_n=line.n,
        cell_classes=line.classes,
        measure=score.name,
    )


def _other_size(line: LeaderboardLine, expected: tuple[int, int]) -> str:
    whose = f"{line.model}, {line.by}" if line.by else f"{line.model} ({line.variant})"
    return (
        f"{whose}: judged by {line.protocol} on {line.n} images of {line.classes} classes of "
        f"{line.dataset}, where the others have {expected[0]} of {expected[1]}"
    )
