"""The chance of being right at a rank, of an answer drawn evenly from the classes."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache

import polars as pl

from nicheclip.evaluation.accuracy import rank_accuracies
from nicheclip.evaluation.predictions import Predictions, read_classes
from nicheclip.plan.table_request import Row, TableRequest
from nicheclip.reporting.judged import predictions_of, version
from nicheclip.reporting.table import Content, Number


def entries(request: TableRequest, row: Row) -> Mapping[str, Content] | None:
    """``chance``: among the classes of the row's group, at its rank."""
    selection = row.entry.model_copy(update={"variants": row.entry.variants[:1]})
    rank = selection.facets["rank"]
    predictions = predictions_of(selection)
    if not predictions:
        return None
    classes = version(request.acquired("classes.parquet"))
    chances = _chances(tuple(predictions[0].labels), *classes)
    return {"chance": Number(chances[str(rank)])}


@lru_cache(maxsize=8)
def _chances(labels: tuple[str, ...], classes: str, written: int) -> dict[str, float]:
    return rank_chances(labels, read_classes(classes))


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
        for measure in rank_accuracies(every_answer, classes):
            right[measure.facets["rank"]] += count * measure.value
            judged[measure.facets["rank"]] += count
    return {rank: right[rank] / judged[rank] for rank in judged}
