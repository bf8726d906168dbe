"""What a model said of each image: made, written, read, compared with the truth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from nicheclip.runtime.csv_file import write_csv
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CATALOG, CLASSES, GROUP_PREDICTIONS, PREDICTIONS, read_table

#: classes kept per image
TOP = 5


@dataclass(frozen=True)
class Predictions:
    """The best classes of n images (schema ``PREDICTIONS``)."""

    image_ids: list[str]
    labels: list[str]
    """The true classes."""
    classes: list[list[str]]
    """Best first, at most five."""
    scores: list[list[float]]
    """Of ``classes``."""

    def correct(self, top: int = 1) -> npt.NDArray[np.float64]:
        """1 where the label is among the best ``top`` classes, else 0 [n]."""
        hits = [label in best[:top] for label, best in zip(self.labels, self.classes, strict=True)]
        return np.asarray(hits, dtype=np.float64)

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """The score of the class in first place, of each image [n]."""
        return np.array([scores[0] for scores in self.scores], dtype=np.float64)

    @property
    def best(self) -> list[str]:
        """The class in first place, of each image."""
        return [best[0] for best in self.classes]


def make_predictions(
    image_ids: list[str],
    labels: list[str],
    class_ids: list[str],
    order: npt.NDArray[np.intp],
    scores: npt.NDArray[np.floating],
) -> Predictions:
    """Predictions from ``order`` [n, k] (columns, best first) and ``scores`` [n, classes]."""
    kept = np.take_along_axis(scores, order, axis=1)
    return Predictions(
        image_ids=image_ids,
        labels=labels,
        classes=[[class_ids[column] for column in row] for row in order],
        scores=[[float(score) for score in row] for row in kept],
    )


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """The predictions of all ``parts``, in their order."""
    return Predictions(
        image_ids=[x for part in parts for x in part.image_ids],
        labels=[x for part in parts for x in part.labels],
        classes=[x for part in parts for x in part.classes],
        scores=[x for part in parts for x in part.scores],
    )


def write_predictions(path: Path | str, predictions: Predictions) -> None:
    """Write schema ``PREDICTIONS``, in the order of the image ids."""
    write_parquet(path, _table(predictions))


def read_predictions(path: Path | str) -> Predictions:
    """The file that ``write_predictions`` wrote."""
    return _predictions(read_table(path, PREDICTIONS))


def write_group_predictions(
    path: Path | str, predictions: Mapping[tuple[str, str], Predictions]
) -> None:
    """Write schema ``GROUP_PREDICTIONS``: the predictions of each (text type, group)."""
    tables = []
    for (text_type, group), found in predictions.items():
        rows = _table(found)
        for place, value in enumerate((text_type, group)):
            column = pa.repeat(pa.scalar(value), len(rows))
            rows = rows.add_column(place, GROUP_PREDICTIONS.field(place), column)
        tables.append(rows)
    write_parquet(path, pa.concat_tables([GROUP_PREDICTIONS.empty_table(), *tables]))


def read_group_predictions(path: Path | str) -> dict[tuple[str, str], Predictions]:
    """The file that ``write_group_predictions`` wrote: predictions by (text type, group)."""
    table = read_table(path, GROUP_PREDICTIONS)
    rows: dict[tuple[str, str], list[int]] = {}
    keys = zip(table["text_type"].to_pylist(), table["group"].to_pylist(), strict=True)
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return {key: _predictions(table.take(chosen)) for key, chosen in rows.items()}


@dataclass(frozen=True)
class Names:
    """What a person calls images and classes."""

    files: Mapping[str, str]
    """Of each image its place in the source: the file's name or path."""
    classes: Mapping[str, str]


def read_names(catalog: Path | str, classes: Path | str, split: str) -> Names:
    """The names of a split's images and of all classes.

    Args:
        catalog: schema ``CATALOG``.
        classes: schema ``CLASSES``.
        split: its name.
    """
    table = read_table(catalog, CATALOG, where=pc.field("split") == split)
    columns = (table[name].to_pylist() for name in ("image_id", "key"))
    files = {image_id: key or image_id for image_id, key in zip(*columns, strict=True)}
    return Names(files, read_class_names(classes))


def write_readable(
    path: Path | str,
    predictions: Predictions | Mapping[tuple[str, str], Predictions],
    names: Names,
) -> None:
    """Write what a person or a spreadsheet reads: a row for each image, in the order of the files.

    Columns file, class, predicted, right (1 or 0), score, then the next best classes with their
    scores, and image_id. Predictions by text type and group have these two as first columns.
    """
    if isinstance(predictions, Predictions):
        write_csv(path, chain([_readable_header()], _readable(predictions, names)))
        return
    rows = ([*key, *row] for key, found in predictions.items() for row in _readable(found, names))
    write_csv(path, chain([["text_type", "group", *_readable_header()]], rows))


def _readable_header() -> list[str]:
    more = [f"{name}_{place}" for place in range(2, TOP + 1) for name in ("predicted", "score")]
    return ["file", "class", "predicted", "right", "score", *more, "image_id"]


def _readable(predictions: Predictions, names: Names) -> Iterator[list[str]]:
    files = [names.files[image_id] for image_id in predictions.image_ids]
    for row in sorted(range(len(files)), key=files.__getitem__):
        label, best = predictions.labels[row], predictions.classes[row]
        cells = [
            [names.classes.get(class_id, class_id), f"{score:.6g}"]
            for class_id, score in zip(best, predictions.scores[row], strict=True)
        ]
        cells += [["", ""]] * (TOP - len(cells))
        first, *others = cells
        right = str(int(label == best[0]))
        yield [
            files[row],
            names.classes.get(label, label),
            first[0],
            right,
            first[1],
            *chain.from_iterable(others),
            predictions.image_ids[row],
        ]


def _table(predictions: Predictions) -> pa.Table:
    columns = {
        "image_id": predictions.image_ids,
        "label": predictions.labels,
        "classes": predictions.classes,
        "scores": predictions.scores,
    }
    return pa.table(columns, schema=PREDICTIONS).sort_by("image_id")


def _predictions(table: pa.Table) -> Predictions:
    columns = table.to_pydict()
    return Predictions(columns["image_id"], columns["label"], columns["classes"], columns["scores"])


def read_labels(catalog: Path | str, split: str) -> dict[str, str]:
    """Class of each image of ``split``, by image id, from the catalog (schema ``CATALOG``)."""
    table = pl.from_arrow(read_table(catalog, CATALOG))
    assert isinstance(table, pl.DataFrame)
    rows = table.filter(pl.col("split") == split).sort("image_id")
    if rows.is_empty():
        raise InputError(
            f"{catalog}: the split {split!r} has no image. Change the data set's split section, or "
            "the split of the evaluation."
        )
    return dict(rows.select("image_id", "class_id").iter_rows())


def read_classes(path: Path | str) -> pl.DataFrame:
    """The classes table (schema ``CLASSES``), sorted by class id."""
    table = pl.from_arrow(read_table(path, CLASSES))
    assert isinstance(table, pl.DataFrame)
    return table.sort("class_id")


def read_class_names(path: Path | str) -> dict[str, str]:
    """The name of each class, by class id, from the classes table (schema ``CLASSES``)."""
    return dict(read_classes(path).select("class_id", "name").iter_rows())
