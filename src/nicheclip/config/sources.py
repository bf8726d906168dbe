"""Config of the sources of images."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from nicheclip.config.archive_readers import (
    Ranks,
)
from nicheclip.config.fetched_sources import ArchiveSource, HubSource, RegistrySource
from nicheclip.config.source_base import ExtraColumn, SourceBase
from nicheclip.config.source_files import WORKBOOKS, Encoding, matching_files, table_columns
from nicheclip.config.url_source import GbifSource, UrlsSource
from nicheclip.config.worlds import FungiWorld, StandInWorld, World
from nicheclip.runtime.paths import expand_path


class SyntheticSource(SourceBase):
    """Images drawn by a procedural world; needs nothing from outside."""

    kind: Literal["synthetic"]
    world: World

    def modules(self, registry: Path) -> list[str]:
        """See ``SourceBase``."""
        return [*super().modules(registry), f"nicheclip.synthetic.{self.world.name}_world"]

    def expected_images(self, registry: Path) -> dict[str, int]:
        """See ``SourceBase``; of the fungi, whose classes are always the same."""
        del registry
        if not isinstance(self.world, FungiWorld):
            return {}
        counts = self.world.images_per_class
        return {split: FungiWorld.CLASSES * count for split, count in counts.items() if count}

    def known_as(self, registry: Path, name: str) -> str:
        """See ``SourceBase``; of a stand-in, that of the data set that it stands for."""
        del registry
        return self.world.of if isinstance(self.world, StandInWorld) else name


class FolderSource(SourceBase):
    """A folder with one sub-folder per class."""

    kind: Literal["folder"]
    path: str
    """The folder; environment variables and `~` are expanded."""
    split_folders: bool | Literal["below_class"] | None = None
    """The first level is `train`, `val` (or `valid`, `validation`), `test`; classes lie below. With
    `below_class` the classes are the first level and hold these three. Null stops where folders of
    either level are called like that; false takes no folder for a split."""
    class_folder: Literal["first", "last"] = "first"
    """Which of the folders that an image lies in is its class: the first one, images may lie
    deeper; or the last one, whatever lies above."""
    ranks: Ranks = Field(default=[])
    """What the folders are, from the first: [kingdom, class, genus, species] for
    `Animalia/Aves/Turdus/merula/1.jpg`. The last of them is the class; of species with their
    genus."""
    watch: bool = True
    """Each start looks for images that were added, lost or replaced (a second for some 100,000),
    and acquires the folder anew. False looks for none: `-R acquire_part` reads it again."""

    @model_validator(mode="after")
    def _ranks_have_the_class(self) -> "FolderSource":
        if self.ranks and self.class_folder == "last":
            raise ValueError("class_folder: with ranks the class is the last rank; leave it out")
        if self.split_folders == "below_class" and (self.ranks or self.class_folder == "last"):
            raise ValueError("split_folders: below_class needs classes in the first level")
        return self

    def gives_splits(self, registry: Path) -> str:
        """See ``SourceBase``."""
        del registry
        if self.split_folders:
            return f"split_folders: {str(self.split_folders).lower()}"
        return ""


class UnlabelledSource(SourceBase):
    """A folder of images, at any depth, of which nobody has written down what they show.

    A model can be adapted to them, and an image model learn from them by self-supervision; nothing
    is judged by them. All are in the split `train`.
    """

    kind: Literal["unlabelled"]
    path: str
    """The folder; environment variables and `~` are expanded."""
    classes: str | list[str]
    """The names of the classes to tell apart: a list, or a text file with one on each line."""
    watch: bool = True
    """As of `folder`."""


class TableSource(SourceBase):
    """A CSV, Parquet or Excel (.xlsx, with the extra `xlsx`) table with one row per image.

    Read are the columns path and label, and if there: split, group, licence, rights_holder, url,
    common (the name that people use) and the ranks from kingdom to species. Others are passed over.
    """

    kind: Literal["table"]
    path: str
    """The table; environment variables and `~` are expanded."""
    images: str | None = None
    """The folder that image paths are relative to; default: the table's own folder."""
    columns: dict[Literal["path", "label"] | ExtraColumn, str] = Field(default={})
    """What each column is called in the table, where the name differs from ours. Columns that
    carry our names are found without it; ranks only where at least two of them are there. White
    space around the table's names does not count."""
    delimiter: Annotated[str, StringConstraints(pattern=r'^[^"\r\n]$')] = ","
    """What stands between the cells of a CSV: `";"`, `"\\t"`, `"|"`."""
    encoding: Encoding = "utf-8"
    """Of a CSV: `utf-16`, `cp1252` (Windows), `latin-1`, ..."""
    sheet: str | None = None
    """Of a workbook: the sheet by its name; null takes the first."""
    watch: bool = True
    """Each start looks for images that were lost or replaced, and acquires the table anew. A
    changed table is seen in any case."""

    @model_validator(mode="after")
    def _sheets_are_of_workbooks(self) -> "TableSource":
        if self.sheet is not None and not self.path.lower().endswith(WORKBOOKS):
            raise ValueError(f"sheet: only a workbook has sheets; {self.path} is none")
        return self

    def inputs(self, registry: Path) -> list[Path]:
        """The table; see ``SourceBase``."""
        del registry
        return [expand_path(self.path)]

    def gives_splits(self, registry: Path) -> str:
        """See ``SourceBase``."""
        del registry
        column = self.columns.get("split", "split")
        names = table_columns(expand_path(self.path), self.delimiter, self.encoding, self.sheet)
        there = column in names
        return f"the column {column!r} of {self.path}" if there else ""


class WebDatasetSource(SourceBase):
    """Tars that others have packed as WebDataset: members whose names are the same up to the first
    dot are one sample, for example `0001.jpg` and `0001.cls`."""

    kind: Literal["webdataset"]
    files: dict[Literal["train", "val", "test", "all"], str] = Field(min_length=1)
    """Path of the tars of each split, with `*` for any characters and `~` and environment variables
    expanded, for example `~/shards/train-*.tar`; `all` leaves the split to `split`."""
    label: str = "cls"
    """What has a sample's class: the end of a member's name (`cls`, `txt`), or a field of its JSON
    (`json:label`)."""
    classes: str | None = None
    """A text file with the name of class 0, 1, ... on each line, where labels are numbers."""
    columns: dict[ExtraColumn, str] = Field(default={})
    """What further fields are called in the JSON, where the name differs from ours."""

    def inputs(self, registry: Path) -> list[Path]:
        """The tars and the names of the classes; see ``SourceBase``."""
        del registry
        tars = [tar for pattern in self.files.values() for tar in matching_files(pattern)]
        return tars + ([expand_path(self.classes)] if self.classes else [])

    def gives_splits(self, registry: Path) -> str:
        """See ``SourceBase``."""
        del registry
        return "" if set(self.files) == {"all"} else f"files: {', '.join(self.files)}"


Source = Annotated[
    SyntheticSource
    | FolderSource
    | UnlabelledSource
    | TableSource
    | ArchiveSource
    | HubSource
    | WebDatasetSource
    | UrlsSource
    | GbifSource
    | RegistrySource,
    Field(discriminator="kind"),
]
