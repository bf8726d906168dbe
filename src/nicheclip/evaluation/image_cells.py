"""Cells that need no text: few-shot classification and the colour histogram; no torch."""

import time
from collections.abc import Collection, Mapping
from pathlib import Path

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.data.shard_reader import ShardSet
from nicheclip.evaluation.colour_histogram import judge_colour_histogram
from nicheclip.evaluation.few_shot import draw_folds, few_shot, read_folds, write_folds
from nicheclip.evaluation.metrics import (
    Cell,
    CellMetrics,
    Measure,
    judge_predictions,
    measure_cost,
    write_metrics,
)
from nicheclip.evaluation.predictions import read_classes, read_labels, write_predictions
from nicheclip.models.features import read_features
from nicheclip.runtime.manifest import Dropped


def make_folds(
    config: EvaluationConfig,
    *,
    catalog: Path,
    class_ids: Collection[str],
    split: str,
    seed: int,
    folds: Path,
) -> list[Dropped]:
    """Draw the support sets of ``config`` among ``class_ids`` and write them to ``folds``.

    Returns:
        The classes that are too small, with the number of shots.
    """
    labels = _among(read_labels(catalog, split), class_ids)
    drawn = draw_folds(labels, config.shots, config.folds, seed)
    write_folds(folds, drawn)
    return drawn.excluded


def evaluate_few_shot(
    cell: Cell,
    config: EvaluationConfig,
    *,
    features: Path,
    catalog: Path,
    class_ids: Collection[str],
    folds: Path,
    metrics: Path,
) -> CellMetrics:
    """Judge SimpleShot on stored support sets; writes ``metrics`` (mean and spread over folds).

    An image is a query in several folds, so there are no predictions of the cell as a whole.

    Args:
        cell: what is judged.
        config: the evaluation.
        features: file of image features of the split.
        catalog: schema ``CATALOG``, for the labels.
        class_ids: the classes that are judged; images of others are left out and counted.
        folds: schema ``FOLDS``.
        metrics: written, ``metrics.json``.
    """
    start = time.monotonic()
    everything = read_labels(catalog, cell.split)
    labels = _among(everything, class_ids)
    supports = read_folds(folds)
    accuracies = few_shot(read_features(features), everything, supports)
    measures, excluded = {}, []
    for shots, values in accuracies.items():
        classes = {labels[image_id] for image_id in supports[shots, 0]}
        measures[f"shots_{shots}"] = Measure(
            value=float(values.mean()),
            n=len(values),
            std=float(values.std(ddof=1)) if len(values) > 1 else None,
            chance=1 / len(classes),
        )
        excluded += [
            Dropped(key=c, reason=f"fewer than {shots + 1} images, {shots}-shot")
            for c in sorted(set(labels.values()) - classes)
        ]
    result = CellMetrics(
        **cell.model_dump(),
        protocol="few_shot",
        n=len(labels),
        classes=len(set(labels.values())),
        extra=measures,
        counts=_left_out(config, len(everything) - len(labels)),
        excluded=excluded,
        cost=measure_cost(time.monotonic() - start),
    )
    write_metrics(metrics, result)
    return result


def evaluate_colour_histogram(
    cell: Cell,
    config: EvaluationConfig,
    *,
    train: Path,
    judged: Path,
    classes: Path,
    class_ids: Collection[str],
    seed: int,
    predictions: Path,
    metrics: Path,
) -> CellMetrics:
    """Judge the colour-histogram baseline; writes ``predictions`` and ``metrics``.

    Args:
        cell: what is judged.
        config: the evaluation.
        train: folder of the train split's shards.
        judged: folder of the judged split's shards.
        classes: schema ``CLASSES``, for the ranks.
        class_ids: the classes that are learnt and judged; images of others are left out.
        seed: of the bootstrap, and of the sample of a large train split.
        predictions: written, schema ``PREDICTIONS``.
        metrics: written, ``metrics.json``.
    """
    start = time.monotonic()
    images = ShardSet(judged)
    result = judge_colour_histogram(ShardSet(train), images, class_ids, seed=seed)
    judgement = judge_predictions(
        cell,
        "colour_histogram",
        result.predictions,
        result.class_ids,
        read_classes(classes),
        config,
        seed=seed,
        cost=measure_cost(time.monotonic() - start),
    )
    counts = _left_out(config, len(images) - judgement.n)
    counts["training_images"] = result.training_images
    judgement = judgement.model_copy(update={"counts": counts})
    write_predictions(predictions, result.predictions)
    write_metrics(metrics, judgement)
    return judgement


def _among(labels: Mapping[str, str], class_ids: Collection[str]) -> dict[str, str]:
    chosen = set(class_ids)
    return {image_id: label for image_id, label in labels.items() if label in chosen}


def _left_out(config: EvaluationConfig, images: int) -> dict[str, int]:
    return {} if config.classes == "all" else {"images_of_other_classes": images}
