"""Where the tables of a judged split are."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nicheclip.evaluation.predictions import Names, read_names


@dataclass(frozen=True)
class SplitTables:
    """A split of a data set, by its names, with the tables that it is judged by."""

    dataset: str
    split: str
    catalog: Path
    """Schema ``CATALOG``, for labels and file names."""
    classes: Path
    """Schema ``CLASSES``."""
    trained_on: tuple[Path, ...] = ()
    """Schema ``CATALOG``, of each other data set that the judged model was trained on."""

    @cached_property
    def names(self) -> Names:
        """The names of its images and of all classes."""
        return read_names(self.catalog, self.classes, self.split)
