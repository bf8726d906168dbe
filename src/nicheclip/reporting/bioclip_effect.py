"""BioCLIP: does taxonomic text help on species that training never saw, and by how much?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nicheclip.evaluation.paired import Difference, paired_difference
from nicheclip.evaluation.predictions import Predictions, read_group_predictions
from nicheclip.reporting.bioclip_cells import AMONG, PANELS, TEXT_TYPES
from nicheclip.reporting.scale import Scale, marked
from nicheclip.reporting.table import Column, Content, Measured, Number, Table
from nicheclip.runtime.errors import InputError

#: ends a verdict that another seed of an arm might turn
ONE_SEED = " (one seed)"


@dataclass(frozen=True)
class Arm:
    """One side of a comparison."""

    label: str
    """What the run was trained on: a text type, or ``mixed``."""
    text_type: str
    """Of the test."""
    predictions: tuple[Path, ...]
    """Group predictions, one file per seed."""


def effect_table(
    comparisons: Sequence[tuple[Arm, Arm]],
    *,
    resamples: int,
    confidence: float,
    seed: int,
    scale: Scale,
) -> Table:
    """A row for each pair of arms and group of species.

    Args:
        comparisons: what is compared with what.
        resamples: of the bootstrap.
        confidence: of its interval.
        seed: of the bootstrap.
        scale: of the config.

    Raises:
        InputError: the arms were not judged on the same images.
    """
    rows: list[tuple[Content, ...]] = []
    for group in reversed(PANELS):  # unseen species are the question
        for first, second in comparisons:
            arms = [_predictions(arm, group) for arm in (first, second)]
            if not all(arms):
                continue
            difference = paired_difference(
                arms[0], arms[1], resamples=resamples, confidence=confidence, seed=seed
            )
            rows.append(_row(first, second, group, arms, difference))
    return Table(
        title=marked("BioCLIP: what the text of training changes, in top-1 accuracy", scale),
        columns=(
            Column("comparison", "Trained on"),
            Column("species", "Species"),
            Column("first", "First"),
            Column("second", "Second"),
            Column("difference", "Difference", interval=True),
            Column("verdict", "First is"),
            Column("n", "Images"),
            Column("classes", "Species judged"),
            Column("seeds", "Seeds"),
        ),
        rows=tuple(rows),
        notes=(
            "Each run is tested with the text type that it was trained on, the mixture with "
            f"{_mixture(comparisons)}. " + AMONG,
            f"Difference: first minus second, with the {confidence:.0%} bootstrap interval over "
            "species, and over the seeds of a run that has several. How a run of one seed would "
            "have come out by another seed is not in the interval.",
        ),
        constants=(("scale", scale),),
    )


def _mixture(comparisons: Sequence[tuple[Arm, Arm]]) -> str:
    mixed = [arm for pair in comparisons for arm in pair if arm.label == "mixed"]
    return f"{TEXT_TYPES[mixed[0].text_type]} names" if mixed else "one of its text types"


def _predictions(arm: Arm, group: str) -> list[Predictions]:
    """Of each seed; none where the group has too few classes."""
    found = [read_group_predictions(path).get((arm.text_type, group)) for path in arm.predictions]
    missing = [path for path, one in zip(arm.predictions, found, strict=True) if one is None]
    if missing and len(missing) < len(found):
        raise InputError(
            f"{missing[0]}: has no predictions by {arm.text_type} of {group} species, other seeds "
            "have. Delete the file and run the evaluate stage again."
        )
    return [one for one in found if one is not None]


def _row(
    first: Arm,
    second: Arm,
    group: str,
    arms: Sequence[Sequence[Predictions]],
    difference: Difference,
) -> tuple[Content, ...]:
    accuracies = []
    for arm, seeds in zip((first, second), arms, strict=True):
        value = float(np.mean([one.correct().mean() for one in seeds]))
        accuracies.append(Measured(value, _sources(arm)))
    return (
        f"{TEXT_TYPES[first.label]} vs. {TEXT_TYPES[second.label]}",
        group,
        *accuracies,
        Measured(
            difference.value,
            _sources(first) + _sources(second),
            low=difference.low,
            high=difference.high,
            signed=True,
        ),
        difference.verdict + ONE_SEED * (difference.seeds == 1),
        Number(difference.n_images, digits=0),
        Number(difference.n_classes, digits=0),
        f"{len(arms[0])} and {len(arms[1])}",
    )


def _sources(arm: Arm) -> tuple[str, ...]:
    return tuple(path.as_posix() for path in arm.predictions)
