"""The files of a task of adaptation: images without labels, and the classes' texts."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from nicheclip.data.image_set import INDEX_FILE, ImageSet
from nicheclip.data.mapped import MappedTable, write_mapped
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, write_json
from nicheclip.schemas import IMAGE_INDEX

#: in a task's folder: the images that are fitted, those that are judged, the texts
FIT, JUDGE, TEXTS = "fit", "judge", "texts.json"
#: there as well: a task for each batch, where the images come in batches
BATCHES = "batches"


class TaskSentences(BaseModel):
    """Ids, names and texts of C classes, in one order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    templates: tuple[str, ...]
    """Sentences in which a class's name takes the place of ``{}``."""
    descriptions: tuple[tuple[str, ...], ...]
    """Of each class at least one."""
    details: tuple[tuple[str, ...], ...] | None = None
    """Attributes and analogies of each class, maybe none."""


def write_sentences(path: Path, sentences: TaskSentences) -> None:
    """Write JSON."""
    write_json(path, sentences.model_dump(mode="json"))


def read_sentences(path: Path) -> TaskSentences:
    """The file that ``write_sentences`` wrote.

    Raises:
        InputError: no such file.
    """
    try:
        return TaskSentences.model_validate(read_json(path))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: no texts of a task ({error}). Delete the task's folder and run the adapt "
            "stage again."
        ) from error


def batch_folders(task: Path) -> list[Path]:
    """The folders of the batches of the task in ``task``, in their order; none without batches."""
    return sorted(path.parent for path in (task / BATCHES).glob(f"*/{TEXTS}"))


def write_subset(images: ImageSet, keep: NDArray[np.bool_], folder: Path) -> None:
    """Write into ``folder`` an index of those of ``images`` that ``keep`` [n] is true for.

    It leads to the same tars, says nothing of any label, and is read as an ``ImageSet``.
    """
    source = MappedTable(images.index_file, IMAGE_INDEX)
    tars = [os.path.relpath(tar.resolve(), folder.resolve()) for tar in images.tars]

    def batches() -> Iterator[pa.Table]:
        first = 0
        for batch in source.batches:
            mask = pa.array(keep[first : first + batch.num_rows])
            yield pa.Table.from_batches([batch.select(IMAGE_INDEX.names)]).filter(mask)
            first += batch.num_rows

    folder.mkdir(parents=True, exist_ok=True)
    write_mapped(folder / INDEX_FILE, IMAGE_INDEX, batches(), facts={"tars": tars})


def rows_of(labels: NDArray[np.int32], known: Sequence[str], wanted: set[str]) -> NDArray[np.bool_]:
    """[n]: whether an image's label, a place in ``known``, is one of ``wanted``."""
    places = np.asarray([class_id in wanted for class_id in known], dtype=bool)
    return places[labels] if len(labels) else np.zeros(0, dtype=bool)
