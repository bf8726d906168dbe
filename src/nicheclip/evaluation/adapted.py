"""Judge what was adapted to a task: the scores that a method gave each image, against the labels.

Whoever adapted saw no label; whoever judges sees no method.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nicheclip.config.tasks import TaskConfig
from nicheclip.evaluation.accuracy import accuracy_measures
from nicheclip.evaluation.cell_files import write_cell
from nicheclip.evaluation.measures import Measure, measure_cost
from nicheclip.evaluation.predictions import (
    TOP,
    Predictions,
    make_predictions,
    read_classes,
    read_labels,
)
from nicheclip.evaluation.ranking import order_by_score
from nicheclip.evaluation.split_tables import SplitTables
from nicheclip.evaluation.task import Judged
from nicheclip.evaluation.trained_images import measure_all_trained
from nicheclip.models.class_scores import SCORES_FILE, ClassScores, read_scores
from nicheclip.models.pseudo_labels import EPOCH_ANSWERS_FILE, read_pseudo_labels
from nicheclip.models.signals import SIGNALS_FILE, read_signals
from nicheclip.runtime.errors import InputError
from nicheclip.subjects import Subject

PROTOCOL = "zero_shot"


@dataclass(frozen=True)
class Adapted:
    """What one entry of the config made for a task."""

    name: str
    """Of the entry."""
    subjects: Sequence[Subject]
    """Seed by seed."""


def judge_adapted(
    adapted: Sequence[Adapted],
    task: TaskConfig,
    tables: SplitTables,
    *,
    name: str,
    models: Path,
    seed: int,
    job: Path,
) -> None:
    """Judge all subjects of a task; writes the cells into ``job``.

    Args:
        adapted: who is judged.
        task: what on.
        tables: of the judged split of the task.
        name: of the task.
        models: ``results/models``.
        seed: of the bootstrap.
        job: the folder of the job.

    Raises:
        InputError: scores are missing, or are of other images than the task's.
    """
    labels, table = read_labels(tables.catalog, tables.split), read_classes(tables.classes)
    options = task.evaluation()
    trained = measure_all_trained(tables)
    for one in adapted:
        for subject in one.subjects:
            start = time.monotonic()
            folder = models / str(subject)
            scores = read_scores(folder / SCORES_FILE)
            predictions = scores_as_predictions(scores, labels)
            count = len(scores.class_ids)
            best, chosen = best_epoch(folder, labels)
            judged = Judged(
                n=len(scores.image_ids),
                classes=count,
                measures=[
                    *accuracy_measures(predictions, count, table, options, seed),
                    *_signals(folder, len(scores.image_ids)),
                    *batch_measures(predictions.correct(), scores.batches),
                    *best,
                    *trained,
                ],
                predictions=predictions,
                counts={"images_of_other_classes": len(labels) - len(scores.image_ids), **chosen},
            )
            write_cell(
                job / one.name,
                tables,
                subject,
                name,
                PROTOCOL,
                judged,
                measure_cost(time.monotonic() - start),
            )


def _signals(folder: Path, images: int) -> list[Measure]:
    """What the adaptation measured without labels, beside what labels say."""
    found = read_signals(folder / SIGNALS_FILE).measured()
    return [Measure(name=f"signal_{name}", value=one, n=images) for name, one in found.items()]


def best_epoch(folder: Path, labels: Mapping[str, str]) -> tuple[list[Measure], dict[str, int]]:
    """The share of judged images that the best epoch decided right, and which epoch (from 1) of how
    many it was; the first of equals. Nothing where no epochs were asked for.

    It is selected on the images that it is measured on, so it says what a method could reach if
    somebody knew when to stop, and is compared with numbers of that kind alone.
    """
    if not (folder / EPOCH_ANSWERS_FILE).is_file():
        return [], {}
    answers = read_pseudo_labels(folder / EPOCH_ANSWERS_FILE)
    places = {name: place for place, name in enumerate(answers.class_ids)}
    truth = np.asarray([places[labels[image]] for image in answers.image_ids])
    shares = (answers.labels == truth).mean(axis=1)
    best = int(shares.argmax())
    measure = Measure(name="best_epoch_top1", value=float(shares[best]), n=len(truth))
    return [measure], {"best_epoch_on_test": best + 1, "epochs": len(shares)}


def batch_measures(credit: NDArray[np.float64], batches: Sequence[int] | None) -> list[Measure]:
    """The mean of the batches' accuracies, and that of the worst tenth of them, at least one batch;
    from the credit of each image. None where there are no batches.
    """
    if batches is None:
        return []
    numbers = np.asarray(batches)
    found = np.sort([credit[numbers == number].mean() for number in np.unique(numbers)])
    worst = found[: math.ceil(len(found) / 10)]
    return [
        Measure(name="batch_top1", value=float(found.mean()), n=len(found)),
        Measure(name="batch_top1_worst_tenth", value=float(worst.mean()), n=len(worst)),
    ]


def scores_as_predictions(scores: ClassScores, labels: Mapping[str, str]) -> Predictions:
    """The best classes of each image, beside its label.

    Raises:
        InputError: an image has no label, or one that is no class of the scores.
    """
    known = set(scores.class_ids)
    wrong = [image for image in scores.image_ids if labels.get(image) not in known]
    if wrong:
        raise InputError(
            f"scores: {len(wrong)} of {len(scores.image_ids)} images, the first {wrong[0]}, are "
            "not of the task. Add --forcerun draw_task to the same command."
        )
    return make_predictions(
        scores.image_ids,
        [labels[image] for image in scores.image_ids],
        scores.class_ids,
        order_by_score(scores.probabilities, scores.image_ids, TOP),
        scores.probabilities,
    )
