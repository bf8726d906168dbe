"""How many images a task has to fit, and how many texts each class has."""

from collections.abc import Mapping
from pathlib import Path

from nicheclip.data.image_set import ImageSet
from nicheclip.data.task_files import FIT, TEXTS, read_sentences
from nicheclip.plan.table_request import Row, TableRequest
from nicheclip.reporting.table import Content, Number


def entries(request: TableRequest, row: Row) -> Mapping[str, Content] | None:
    """``fit``, and ``descriptions`` as a number or a range."""
    del request
    folder = Path("results/tasks") / row.entry.evaluation
    counts = [len(texts) for texts in read_sentences(folder / TEXTS).descriptions]
    low, high = min(counts), max(counts)
    return {
        "fit": Number(len(ImageSet(folder / FIT)), 0),
        "descriptions": str(low) if low == high else f"{low}-{high}",
    }
