"""The data set of a finished run, dealt to tasks, for ``clip_benchmark.py``."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nicheclip.data.image_set import EncodedImage, ImageSet
from nicheclip.evaluation.predictions import read_classes, read_labels


@dataclass(frozen=True)
class Part:
    """The images of some classes, to ``encode_images`` like an ``ImageSet``."""

    whole: ImageSet
    rows: list[int]

    @property
    def folder(self) -> Path:
        """Of the whole set."""
        return self.whole.folder

    @property
    def image_ids(self) -> list[str]:
        """In order."""
        return [self.whole.image_id(row) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def read_many(self, numbers: Iterable[int]) -> Iterator[EncodedImage]:
        """Images by their numbers here."""
        return self.whole.read_many([self.rows[number] for number in numbers])


@dataclass(frozen=True)
class Data:
    """A run's data set with its texts, dealt to tasks."""

    results: Path
    dataset: str
    text_type: str
    tasks: int

    def classes(self, task: int) -> list[str]:
        """The class ids of a task."""
        ids = read_classes(self._acquired / "classes.parquet")["class_id"].to_list()
        return list(ids[task :: self.tasks])

    def labels(self, split: str) -> dict[str, str]:
        """The class of each image."""
        return read_labels(self._acquired / "catalog.parquet", split)

    def images(self, split: str, classes: Sequence[str]) -> Part:
        """Those of ``classes``."""
        whole, labels, chosen = ImageSet(self._acquired / split), self.labels(split), set(classes)
        rows = [row for row, one in enumerate(whole.image_ids) if labels[one] in chosen]
        return Part(whole, rows)

    def names(self, classes: Sequence[str]) -> list[str]:
        """What each class is called."""
        table = pl.read_parquet(self.results / f"taxonomy/{self.dataset}/texts.parquet")
        table = table.filter(pl.col("text_type") == self.text_type)
        names = dict(table.select("class_id", "text").iter_rows())
        return [names[one] for one in classes]

    @property
    def _acquired(self) -> Path:
        return self.results / "acquire" / self.dataset
