"""Measures that follow from predictions."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.bootstrap import Interval, share_interval
from nicheclip.evaluation.measures import Measure
from nicheclip.evaluation.predictions import Predictions
from nicheclip.runtime.errors import InputError
from nicheclip.terms import RANKS

#: of credit [n] for images with these n labels
IntervalOf = Callable[[npt.NDArray[np.float64], Sequence[str]], Interval]


def measure_share(
    name: str,
    credit: npt.NDArray[np.float64],
    interval: Interval,
    *,
    chance: float | None = None,
    classes: int | None = None,
    facets: Mapping[str, str] | None = None,
) -> Measure:
    """Mean credit (0 to 1) of n images with its interval."""
    return Measure(
        name=name,
        facets=dict(facets or {}),
        value=float(credit.mean()),
        n=len(credit),
        classes=classes,
        chance=chance,
        **interval.model_dump(),
    )


def image_interval(
    credit: npt.NDArray[np.float64], options: EvaluationConfig, seed: int
) -> Interval:
    """The interval of mean credit over images, as the evaluation has it."""
    return share_interval(
        credit,
        resamples=options.bootstrap,
        confidence=options.confidence,
        seed=seed,
        kind=options.interval,
    )


def check_images(predictions: Predictions, options: EvaluationConfig) -> None:
    """See that there is something to judge.

    Raises:
        InputError: there is no image.
    """
    if not predictions.image_ids:
        raise InputError(
            f"evaluation on {options.dataset}: no image of split {options.split} to judge."
        )


def accuracy_measures(
    predictions: Predictions,
    count: int,
    classes: pl.DataFrame,
    options: EvaluationConfig,
    seed: int,
) -> list[Measure]:
    """All measures that follow from predictions.

    Top-k accuracies are left out where there are no more than k classes.

    Args:
        predictions: of n images.
        count: number of the classes that were chosen from.
        classes: classes table (schema ``CLASSES``), for the ranks.
        options: number of resamples and confidence.
        seed: of the bootstrap.

    Raises:
        InputError: there is no image.
    """
    check_images(predictions, options)
    measures = []
    for k in (1, 3, 5):
        if k == 1 or count > k:
            credit = predictions.correct(k)
            interval = image_interval(credit, options, seed)
            measures.append(
                measure_share(f"top{k}", credit, interval, chance=k / count, classes=count)
            )
    by_class = class_accuracies(predictions)
    n = len(predictions.image_ids)
    most = max(entry.n for entry in by_class)
    return [
        *measures,
        macro(by_class, n),
        Measure(name="majority", value=most / n, n=n),
        *by_class,
        *rank_accuracies(predictions, classes),
    ]


def class_accuracies(predictions: Predictions) -> list[Measure]:
    """Top-1 accuracy of each class that has images, sorted by class id."""
    table = pl.DataFrame({"label": predictions.labels, "hit": predictions.correct()})
    grouped = table.group_by("label").agg(pl.len().alias("n"), pl.col("hit").mean()).sort("label")
    return [
        Measure(name="class_accuracy", facets={"class_id": class_id}, value=share, n=n)
        for class_id, n, share in grouped.iter_rows()
    ]


def macro(by_class: list[Measure], n: int, facets: Mapping[str, str] | None = None) -> Measure:
    """Mean of the classes' accuracies on n images."""
    value = float(np.mean([entry.value for entry in by_class]))
    return Measure(name="macro", facets=dict(facets or {}), value=value, n=n)


def rank_accuracies(
    predictions: Predictions,
    classes: pl.DataFrame,
    facets: Mapping[str, str] | None = None,
    *,
    interval: IntervalOf | None = None,
) -> list[Measure]:
    """Hierarchical accuracy: does the predicted lineage agree with the true one at each rank?

    At a rank, an image counts when its true class has a name there. The prediction is right when
    it has the same name and contradicts the truth at no higher rank (names repeat in different
    kingdoms); a rank that either lineage leaves open contradicts nothing.

    Args:
        predictions: top-1 classes are judged.
        classes: classes table (schema ``CLASSES``).
        facets: of the measures, beside the rank.
        interval: of an accuracy; None gives none.

    Returns:
        One measure per rank that occurs, from kingdom to species; none when no class has ranks.
    """
    lineages = {row[0]: row[1:] for row in classes.select("class_id", *RANKS).iter_rows()}
    unknown = (None,) * len(RANKS)
    pairs = [
        (lineages.get(label, unknown), lineages.get(best, unknown))
        for label, best in zip(predictions.labels, predictions.best, strict=True)
    ]
    accuracies = []
    for depth, rank in enumerate(RANKS):
        named = [place for place, (true, _) in enumerate(pairs) if true[depth]]
        hits = [
            guess[depth] == true[depth] and _compatible(true[:depth], guess[:depth])
            for true, guess in (pairs[place] for place in named)
        ]
        if hits:
            labels = [predictions.labels[place] for place in named]
            around = interval(np.array(hits, dtype=float), labels) if interval else None
            accuracies.append(
                Measure(
                    name="rank_accuracy",
                    facets={**(facets or {}), "rank": rank},
                    value=sum(hits) / len(hits),
                    n=len(hits),
                    **(around.model_dump() if around else {}),
                )
            )
    return accuracies


def _compatible(first: tuple[str | None, ...], second: tuple[str | None, ...]) -> bool:
    return all(a == b for a, b in zip(first, second, strict=True) if a and b)
