"""Support sets of few-shot classification: drawn once, stored, the same for every model."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.predictions import read_labels
from nicheclip.evaluation.seen_classes import ClassGroup, choose_classes
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.seeding import generator
from nicheclip.schemas import FOLDS, read_table


@dataclass(frozen=True)
class DrawnFolds:
    """Support sets and the classes that were too small for them."""

    table: pa.Table
    """Schema ``FOLDS``, sorted."""
    excluded: list[Dropped]
    """Keys are ``class_id``; the reason names the number of shots."""


def draw_folds(
    labels: Mapping[str, str], shots: Sequence[int], folds: int, seed: int
) -> DrawnFolds:
    """Draw ``folds`` support sets for each number of ``shots``.

    Each (shots, fold, class) is drawn on its own: no draw depends on another one, on the order of
    the images, or on which other classes there are. A class needs one image more than the shots.

    Args:
        labels: the class of each image of the split, by image id.
        shots: numbers of support images per class.
        folds: support sets of each.
        seed: of the draw.

    Raises:
        InputError: no number of shots leaves two classes.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for image_id in sorted(labels):
        members[labels[image_id]].append(image_id)
    rows, excluded = [], []
    for count in sorted(set(shots)):
        large = [c for c in sorted(members) if len(members[c]) > count]
        excluded += [
            Dropped(key=c, reason=f"fewer than {count + 1} images, {count}-shot")
            for c in sorted(members.keys() - set(large))
        ]
        if len(large) < 2:
            continue
        for fold in range(folds):
            for class_id in large:
                draw = generator("few-shot", seed, count, fold, class_id)
                chosen = draw.choice(len(members[class_id]), size=count, replace=False)
                rows += [(count, fold, members[class_id][i]) for i in sorted(chosen)]
    if not rows:
        raise InputError(
            f"few-shot: with {min(shots)} or more support images per class, fewer than two classes "
            f"keep an image to judge (largest class: {max(map(len, members.values()), default=0)} "
            "images). Choose fewer shots, a larger split, or leave out the few_shot protocol."
        )
    columns = zip(*rows, strict=True)
    table = pa.table([pa.array(column) for column in columns], names=FOLDS.names)
    return DrawnFolds(table.cast(FOLDS), excluded)


def make_folds(
    options: EvaluationConfig,
    *,
    catalog: Path,
    groups: Mapping[ClassGroup, Sequence[str]],
    seed: int,
    path: Path,
) -> list[Dropped]:
    """Draw the support sets of an evaluation among the classes it chooses; write them to ``path``.

    Returns:
        The classes that are too small, with the number of shots.
    """
    chosen = set(choose_classes(options.classes, groups, seen_in=options.seen_in))
    labels = read_labels(catalog, options.split)
    drawn = draw_folds(
        {image_id: label for image_id, label in labels.items() if label in chosen},
        options.shots,
        options.folds,
        seed,
    )
    write_folds(path, drawn)
    return drawn.excluded


def write_folds(path: Path | str, folds: DrawnFolds) -> None:
    """Write the support sets (schema ``FOLDS``)."""
    write_parquet(path, folds.table)


def read_folds(path: Path | str) -> dict[tuple[int, int], list[str]]:
    """Image ids of each support set, by (shots, fold)."""
    table = pl.from_arrow(read_table(path, FOLDS))
    assert isinstance(table, pl.DataFrame)
    sets: dict[tuple[int, int], list[str]] = defaultdict(list)
    for shots, fold, image_id in table.sort("shots", "fold", "image_id").iter_rows():
        sets[shots, fold].append(image_id)
    return dict(sets)
