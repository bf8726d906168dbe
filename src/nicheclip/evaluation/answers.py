"""What an adapted model answers for images of which no label is known; nobody judges it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa

from nicheclip.evaluation.predictions import TOP
from nicheclip.evaluation.ranking import order_by_score
from nicheclip.models.class_scores import ClassScores
from nicheclip.runtime.csv_file import write_csv
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import ANSWERS, CATALOG, read_table


@dataclass(frozen=True)
class Answer:
    """For one image."""

    image_id: str
    file: str
    """Its place in the source."""
    classes: tuple[str, ...]
    """Ids, best first, at most five."""
    scores: tuple[float, ...]
    """Their probabilities."""


def make_answers(scores: ClassScores, files: Mapping[str, str]) -> list[Answer]:
    """The best classes of each image, in the order of the files' names.

    Args:
        scores: of the adapted model.
        files: the name of each image's file, by image id.
    """
    best = order_by_score(scores.probabilities, scores.image_ids, TOP)
    found = [
        Answer(
            image_id,
            files.get(image_id, image_id),
            tuple(scores.class_ids[column] for column in columns),
            tuple(float(row[column]) for column in columns),
        )
        for image_id, row, columns in zip(
            scores.image_ids, scores.probabilities, best.tolist(), strict=True
        )
    ]
    return sorted(found, key=lambda one: (one.file, one.image_id))


def read_file_names(catalog: Path | str) -> dict[str, str]:
    """The name of each image's file, by image id, from the catalog (schema ``CATALOG``)."""
    table = read_table(catalog, CATALOG)
    columns = (table[name].to_pylist() for name in ("image_id", "key"))
    return dict(zip(*columns, strict=True))


def write_answers(folder: Path, answers: list[Answer], names: Mapping[str, str]) -> list[Path]:
    """Write ``predictions.parquet`` (schema ``ANSWERS``) and ``predictions.csv`` to ``folder``.

    The CSV file has the columns file, predicted, score, then the next best classes with their
    scores, and image_id.

    Args:
        folder: of one seed.
        answers: of all images.
        names: of the classes, by id.
    """
    paths = [folder / "predictions.parquet", folder / "predictions.csv"]
    columns = {name: [getattr(one, name) for one in answers] for name in ANSWERS.names}
    write_parquet(paths[0], pa.table(columns, schema=ANSWERS))
    more = [f"{name}_{place}" for place in range(2, TOP + 1) for name in ("predicted", "score")]
    write_csv(
        paths[1],
        chain([["file", "predicted", "score", *more, "image_id"]], _rows(answers, names)),
    )
    return paths


def _rows(answers: list[Answer], names: Mapping[str, str]) -> Iterator[list[str]]:
    for one in answers:
        pairs = zip(one.classes, one.scores, strict=True)
        cells = [[names.get(class_id, class_id), f"{score:.6g}"] for class_id, score in pairs]
        cells += [["", ""]] * (TOP - len(cells))
        yield [one.file, *chain.from_iterable(cells), one.image_id]
