"""Config of the sources of images."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from nicheclip.config.archive_readers import (
    ArchiveReader,
    ClassFoldersReader,
    ListedReader,
    Ranks,
)
from nicheclip.config.base import ConfigModel
from nicheclip.config.source_files import matching_files, table_columns
from nicheclip.config.worlds import World
from nicheclip.config.yaml_file import read_yaml_once
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path
from nicheclip.runtime.urls import file_name


class _Source(ConfigModel):
    """What all kinds of sources answer."""

    kind: str

    def inputs(self, registry: Path) -> list[Path]:
        """Files, outside the data set itself, whose change makes it stale.

        Args:
            registry: the folder of the registry's data sets.
        """
        del registry
        return []

    def modules(self, registry: Path) -> list[str]:
        """The modules of the library that read a source of this kind."""
        del registry
        return [f"nicheclip.data.sources.{self.kind}"]

    def expected_images(self, registry: Path) -> dict[str, int]:
        """How many images of each split (`all`: of all) there should be, where that is known."""
        del registry
        return {}

    def gives_splits(self, registry: Path) -> str:
        """What says that the source names each image's split; empty where nothing is known to."""
        del registry
        return ""

    def by_hand(self, registry: Path) -> str:
        """Which files a person must get, from where and to where; empty where there are none."""
        del registry
        return ""


class SyntheticSource(_Source):
    """Images drawn by a procedural world; needs nothing from outside."""

    kind: Literal["synthetic"]
    world: World

    def modules(self, registry: Path) -> list[str]:
        """See ``_Source``."""
        return [*super().modules(registry), f"nicheclip.synthetic.{self.world.name}_world"]


class FolderSource(_Source):
    """A folder with one sub-folder per class."""

    kind: Literal["folder"]
    path: str
    """The folder; environment variables and `~` are expanded."""
    split_folders: bool | None = None
    """The first level is `train`, `val` (or `valid`, `validation`), `test`; classes lie below. Null
    stops where the first level is called like that; false takes it for classes."""
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
        return self

    def gives_splits(self, registry: Path) -> str:
        """See ``_Source``."""
        del registry
        return "split_folders: true" if self.split_folders else ""


class UnlabelledSource(_Source):
    """A folder of images, at any depth, of which nobody has written down what they show.

    A model can be adapted to them, not trained on or judged by them. All are in the split `train`.
    """

    kind: Literal["unlabelled"]
    path: str
    """The folder; environment variables and `~` are expanded."""
    classes: str | list[str]
    """The names of the classes to tell apart: a list, or a text file with one on each line."""
    watch: bool = True
    """As of `folder`."""


ExtraColumn = Literal[
    "split",
    "group",
    "licence",
    "rights_holder",
    "url",
    "kingdom",
    "phylum",
    "class",
    "order",
    "family",
    "genus",
    "species",
    "common",
]


class TableSource(_Source):
    """A CSV or Parquet table with one row per image.

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
    encoding: str = "utf-8"
    """Of a CSV: `utf-16`, `cp1252` (Windows), `latin-1`, ..."""
    watch: bool = True
    """Each start looks for images that were lost or replaced, and acquires the table anew. A
    changed table is seen in any case."""

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except (LookupError, ValueError) as error:
            raise ValueError(f"{encoding!r} is no encoding of text that Python knows") from error
        return encoding

    def inputs(self, registry: Path) -> list[Path]:
        """The table; see ``_Source``."""
        del registry
        return [expand_path(self.path)]

    def gives_splits(self, registry: Path) -> str:
        """See ``_Source``."""
        del registry
        column = self.columns.get("split", "split")
        there = column in table_columns(expand_path(self.path), self.delimiter, self.encoding)
        return f"the column {column!r} of {self.path}" if there else ""


class ArchiveSource(_Source):
    """Tar or zip archives behind URLs, read as a stream."""

    kind: Literal["archive"]
    urls: list[str] = Field(min_length=1)
    """http(s) or file URLs of the archives. A text, CSV or MATLAB file counts as an archive with
    itself as the only member."""
    checksums: list[str | None] | None = None
    """`sha256:<hex>` or `md5:<hex>` of each URL's file, in order. Where none is published, the
    first download's sha256 is recorded and enforced from then on."""
    inner: str | None = None
    """A tar inside the archive that holds the images."""
    reader: ArchiveReader = ClassFoldersReader()
    downloads: str = "results/downloads"
    """Where the archives are kept."""

    @field_validator("urls")
    @classmethod
    def _each_names_a_file(cls, urls: list[str]) -> list[str]:
        names = [file_name(url) for url in urls]
        if len(set(names)) < len(names):
            raise ValueError(f"two of {names} have the same file name; make two data sets of them")
        return urls

    @model_validator(mode="after")
    def _one_checksum_each(self) -> "ArchiveSource":
        if self.checksums is not None and len(self.checksums) != len(self.urls):
            raise ValueError(f"{len(self.urls)} urls but {len(self.checksums)} checksums")
        return self

    def inputs(self, registry: Path) -> list[Path]:
        """The list of members, where there is one; see ``_Source``."""
        return [registry / self.reader.list] if isinstance(self.reader, ListedReader) else []

    def gives_splits(self, registry: Path) -> str:
        """See ``_Source``."""
        if isinstance(self.reader, ClassFoldersReader):
            return "reader.split_folders: true" if self.reader.split_folders else ""
        if isinstance(self.reader, ListedReader):
            there = "split" in table_columns(registry / self.reader.list)
            return f"the column 'split' of {self.reader.list}" if there else ""
        return f"the reader {self.reader.kind}"


class ManualSource(_Source):
    """Archives that only a person can download; once in place they are read like others."""

    kind: Literal["manual"]
    page: str
    """Where a person gets them."""
    files: list[str] = Field(min_length=1)
    """Their file names."""
    checksums: list[str | None] | None = None
    inner: str | None = None
    reader: ArchiveReader = ClassFoldersReader()
    folder: str = "results/downloads"
    """They are put into the folder below this one that is called like the registry entry."""


class HubSource(_Source):
    """A data-set repository on the Hugging Face hub, stored as Parquet with encoded images."""

    kind: Literal["hub"]
    repository: str
    """`owner/name` of the data-set repository."""
    revision: str = "main"
    """A commit hash pins the bytes. A branch is pinned to the commit that it had at the first
    download."""
    files: dict[Literal["train", "val", "test", "all"], str] = Field(
        default={"all": "**/*.parquet"}
    )
    """Glob of the Parquet files of each split; `all` leaves the split to `split`."""
    image_column: str = "image"
    label_column: str = "label"
    columns: dict[ExtraColumn, str] = Field(default={})
    """What further columns are called in the files, where the name differs from ours."""
    downloads: str = "results/downloads"
    """Where the files are kept."""

    def gives_splits(self, registry: Path) -> str:
        """See ``_Source``."""
        del registry
        if "split" in self.columns:
            return f"columns.split: {self.columns['split']}"
        return "" if set(self.files) == {"all"} else f"files: {', '.join(self.files)}"


class WebDatasetSource(_Source):
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
        """The tars and the names of the classes; see ``_Source``."""
        del registry
        tars = [tar for pattern in self.files.values() for tar in matching_files(pattern)]
        return tars + ([expand_path(self.classes)] if self.classes else [])

    def gives_splits(self, registry: Path) -> str:
        """See ``_Source``."""
        del registry
        return "" if set(self.files) == {"all"} else f"files: {', '.join(self.files)}"


class RegistrySource(_Source):
    """A data set that the registry describes."""

    kind: Literal["registry"]
    name: str
    """File name without suffix in `workflow/registry/datasets/`."""

    def inputs(self, registry: Path) -> list[Path]:
        """The entry; see ``_Source``."""
        return [registry / f"{self.name}.yaml"]

    def modules(self, registry: Path) -> list[str]:
        """See ``_Source``; those of the entry's kind, none where there is no readable entry."""
        try:
            return [f"nicheclip.data.sources.{self._entry(registry)['source']['kind']}"]
        except (TypeError, KeyError):
            return []

    def expected_images(self, registry: Path) -> dict[str, int]:
        """See ``_Source``."""
        try:
            return dict(self._entry(registry)["images"])
        except (TypeError, KeyError, ValueError):
            return {}

    def gives_splits(self, registry: Path) -> str:
        """See ``_Source``."""
        splits = [split for split in self.expected_images(registry) if split != "all"]
        return f"the entry's splits {', '.join(splits)}" if splits else ""

    def by_hand(self, registry: Path) -> str:
        """See ``_Source``."""
        entry = self._entry(registry)
        source = entry.get("source") if isinstance(entry, dict) else None
        if not isinstance(source, dict) or source.get("kind") != "manual":
            return ""
        folder = expand_path(source.get("folder", "results/downloads")) / self.name
        absent = [file for file in source.get("files", []) if not (folder / file).is_file()]
        return f"put {', '.join(absent)} from {source.get('page')} into {folder}" * bool(absent)

    def known_as(self, registry: Path) -> str:
        """The data set under whose name others publish: another entry's, if this one is a split of
        its images."""
        try:
            return str(self._entry(registry).get("images_of") or self.name)
        except AttributeError:
            return self.name

    def _entry(self, registry: Path) -> Any:
        """None where it cannot be read: the job that acquires says what is wrong."""
        try:
            return read_yaml_once(registry / f"{self.name}.yaml")
        except InputError:
            return None


Source = Annotated[
    SyntheticSource
    | FolderSource
    | UnlabelledSource
    | TableSource
    | ArchiveSource
    | HubSource
    | WebDatasetSource
    | RegistrySource,
    Field(discriminator="kind"),
]
