"""Calibration and selective accuracy of zero-shot classification.

The temperature is fitted to the validation split; every number is of the judged split.
"""

import logging

import numpy as np
import numpy.typing as npt

from nicheclip.config.text_sets import class_text_set
from nicheclip.evaluation.accuracy import check_images, image_interval, measure_share
from nicheclip.evaluation.calibration import (
    accuracy_at,
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability_bins,
    risk_coverage,
)
from nicheclip.evaluation.evaluation_split import EvaluationSplit
from nicheclip.evaluation.measures import Measure
from nicheclip.evaluation.predictions import Predictions
from nicheclip.evaluation.protocols.zero_shot import answers
from nicheclip.evaluation.task import Judged, Task
from nicheclip.evaluation.text_sets import ClassEmbeddings
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator

log = logging.getLogger(__name__)

#: shares of the images that are answered, in percent
COVERAGES = (50, 80, 90)

#: cosines of the validation images that are held while the temperature is fitted
MOST_NUMBERS = 50_000_000


def judge(task: Task) -> Judged:
    """Judge the model's probabilities of the chosen classes, without and with a temperature.

    Raises:
        InputError: there is no image to judge, or no validation image of the chosen classes.
    """
    split = task.split()
    classes = task.class_embeddings(class_text_set(task.options)).among(
        split.classes["class_id"].to_list()
    )
    temperature, fitted = _temperature(task.learnt_split("val"), classes, task)
    log.info("temperature %g, fitted to %d validation images", temperature, fitted)
    found = answers(split, classes)
    check_images(found, task.options)
    count, correct = len(classes.class_ids), found.correct()
    measures = [
        measure_share(
            "top1",
            correct,
            image_interval(correct, task.options, task.seed),
            chance=1 / count,
            classes=count,
        ),
        *_selective(found),
    ]
    scaled = answers(split, classes, temperature=temperature)
    for name, given, factor in (("", found, 1.0), ("_scaled", scaled, temperature)):
        measures += _calibration(name, given, split, classes, classes.logit_scale / factor)
    measures.append(Measure(name="temperature", value=temperature, n=fitted))
    return Judged(
        n=len(found.image_ids),
        classes=count,
        measures=measures,
        predictions=found,
        counts={"validation_images": fitted} | task.left_out(split),
    )


def _temperature(
    validation: EvaluationSplit, classes: ClassEmbeddings, task: Task
) -> tuple[float, int]:
    """The temperature, and how many images it was fitted to; a large split is sampled."""
    ids = sorted(validation.images.image_ids)
    if not ids:
        raise InputError(
            f"calibration: {task.options.dataset} has no validation image of the classes that are "
            f"judged. Give datasets.{task.options.dataset}.split some, or leave out the protocol."
        )
    most = max(1, MOST_NUMBERS // len(classes.class_ids))
    if len(ids) > most:
        draw = generator("calibration", task.seed)
        ids = [ids[one] for one in np.sort(draw.choice(len(ids), size=most, replace=False))]
    cosines = (validation.images.rows(ids) @ classes.embeddings.T).astype(np.float64)
    truth = _columns([validation.labels[one] for one in ids], classes)
    return fit_temperature(cosines, truth, classes.logit_scale), len(ids)


def _columns(labels: list[str], classes: ClassEmbeddings) -> npt.NDArray[np.int64]:
    """The column of each label among the classes."""
    column = {class_id: place for place, class_id in enumerate(classes.class_ids)}
    return np.array([column[label] for label in labels], dtype=np.int64)


def _selective(found: Predictions) -> list[Measure]:
    """Accuracy where the unsure are left out, and the mean error over all shares of images."""
    confidence, correct = found.confidence, found.correct()
    measures = []
    for coverage in COVERAGES:
        accuracy, kept = accuracy_at(confidence, correct, coverage / 100)
        measures.append(Measure(name=f"accuracy_at_{coverage}", value=accuracy, n=kept))
    _, risk = risk_coverage(confidence, correct)
    measures.append(Measure(name="risk_over_coverage", value=float(risk.mean()), n=len(risk)))
    return measures


def _calibration(
    suffix: str,
    given: Predictions,
    split: EvaluationSplit,
    classes: ClassEmbeddings,
    scale: float,
) -> list[Measure]:
    """The calibration error, what it is the mean of, and the loss that the temperature lowers."""
    confidence = given.confidence
    bins = reliability_bins(confidence, given.correct())
    n = len(confidence)
    # rows of images at once: the loss must not need all cosines of a large split
    loss, rows = 0.0, max(1, MOST_NUMBERS // (4 * len(classes.class_ids)))
    for start in range(0, n, rows):
        cosines = (split.images.features[start : start + rows] @ classes.embeddings.T).astype(
            np.float64
        )
        truth = _columns(given.labels[start : start + rows], classes)
        loss += len(truth) * negative_log_likelihood(cosines, truth, scale)
    measures = [
        Measure(name=f"ece{suffix}", value=calibration_error(bins), n=n),
        Measure(name=f"nll{suffix}", value=loss / n, n=n),
        Measure(name=f"confidence{suffix}", value=float(confidence.mean()), n=n),
    ]
    for one in bins:
        facets = {"bin": str(one.place)}
        measures += [
            Measure(name=f"bin_confidence{suffix}", facets=facets, value=one.confidence, n=one.n),
            Measure(name=f"bin_accuracy{suffix}", facets=facets, value=one.accuracy, n=one.n),
        ]
    return measures
