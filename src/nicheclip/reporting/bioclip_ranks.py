"""BioCLIP: how far down the tree of life a prediction is right."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from nicheclip.evaluation.metrics import GroupAccuracy, Measure, rank_accuracies, read_metrics
from nicheclip.evaluation.predictions import Predictions
from nicheclip.reporting.bioclip_cells import AMONG, GROUPS, TEXT_TYPES, RunCells, group_accuracy
from nicheclip.reporting.over_seeds import mean_over_seeds
from nicheclip.reporting.scale import Scale, marked
from nicheclip.reporting.table import Column, Content, Measured, Number, Table
from nicheclip.runtime.errors import InputError


def rank_chances(labels: Sequence[str], classes: pl.DataFrame) -> dict[str, float]:
    """Expected accuracy at each rank of an answer drawn evenly from the classes of ``labels``.

    Args:
        labels: the true class of each image.
        classes: classes table (schema ``CLASSES``), for the ranks.
    """
    images = Counter(labels)
    guesses = sorted(images)
    right: dict[str, float] = defaultdict(float)
    judged: dict[str, int] = defaultdict(int)
    for label, count in images.items():
        every_answer = Predictions(
            image_ids=guesses,
            labels=[label] * len(guesses),
            classes=[[guess] for guess in guesses],
            scores=[[1.0]] * len(guesses),
        )
        for entry in rank_accuracies(every_answer, classes) or []:
            right[entry.rank] += count * entry.accuracy
            judged[entry.rank] += count
    return {rank: right[rank] / judged[rank] for rank in judged}


def ranks_table(
    runs: Sequence[RunCells],
    chances: Mapping[str, Mapping[str, float]],
    text_type: str,
    *,
    scale: Scale,
) -> Table:
    """A row for each run, group of species and rank.

    Args:
        runs: what is judged.
        chances: of each rank, by group of species.
        text_type: of the test.
        scale: of the config.
    """
    rows = [
        row
        for run in runs
        for group in GROUPS
        for row in _rows(run, group, text_type, chances.get(group, {}))
    ]
    title = f"BioCLIP: accuracy at each rank, tested with {TEXT_TYPES[text_type]} names"
    return Table(
        title=marked(title, scale),
        columns=(
            Column("model", "Model"),
            Column("species", "Species"),
            Column("rank", "Rank"),
            Column("accuracy", "Accuracy", interval=True),
            Column("before_training", "Before training", interval=True),
            Column("chance", "Chance"),
            Column("n", "Images"),
            Column("seeds", "Seeds"),
        ),
        rows=tuple(rows),
        notes=(
            "Right at a rank: the species in first place has the image's taxon at this rank and "
            "contradicts it at none above. Chance: a species drawn evenly from the same choice. "
            + AMONG,
            "Mean ± standard deviation over seeds with Student's interval; one seed has none.",
        ),
        constants=(("scale", scale),),
    )


def _rows(
    run: RunCells, group: str, text_type: str, chances: Mapping[str, float]
) -> list[tuple[Content, ...]]:
    accuracy = group_accuracy(run, text_type, group)
    return [
        (
            run.label,
            GROUPS[group],
            entry.rank,
            _over_seeds(run.trained, text_type, group, entry.rank),
            _over_seeds(run.untrained, text_type, group, entry.rank),
            Number(chances[entry.rank]),
            Number(entry.n, digits=0),
            Number(len(run.trained), digits=0),
        )
        for entry in (accuracy and accuracy.hierarchical) or []
    ]


def _over_seeds(paths: Sequence[Path], text_type: str, group: str, rank: str) -> Measured | None:
    if not paths:
        return None
    return mean_over_seeds([_at_rank(path, text_type, group, rank) for path in paths], paths)


def _at_rank(path: Path, text_type: str, group: str, rank: str) -> Measure:
    found: GroupAccuracy | None = read_metrics(path).group(text_type, group)
    for entry in (found and found.hierarchical) or []:
        if entry.rank == rank:
            return Measure(value=entry.accuracy, n=entry.n)
    raise InputError(
        f"{path}: has no accuracy at the rank {rank} ({text_type}, {group}). Delete the file and "
        "run the evaluate stage again."
    )
