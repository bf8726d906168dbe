"""Config of data sets: source, images, splits, shards."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nicheclip.config.base import ConfigModel
from nicheclip.config.worlds import ArborWorld, Fraction, World
from nicheclip.config.yaml_file import read_yaml
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path


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
    split_folders: bool = False
    """The first level is `train`, `val` (or `valid`, `validation`), `test`; classes lie below."""


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
    """A CSV or Parquet table with one row per image."""

    kind: Literal["table"]
    path: str
    """The table; environment variables and `~` are expanded."""
    images: str | None = None
    """The folder that image paths are relative to; default: the table's own folder."""
    columns: dict[Literal["path", "label"] | ExtraColumn, str] = Field(default={})
    """What each column is called in the table, where the name differs from ours. Columns that
    carry our names are found without it; ranks only where at least two of them are there."""

    def inputs(self, registry: Path) -> list[Path]:
        """The table; see ``_Source``."""
        del registry
        return [expand_path(self.path)]


class ClassFoldersReader(ConfigModel):
    """Members lie in class folders; the class is the name of the member's parent folder."""

    kind: Literal["class_folders"] = "class_folders"
    root: str = ""
    """Only members below this folder of the archive count."""
    split_folders: bool = False
    """The folder above the class names the split."""
    exclude: list[str] = Field(default=[])
    """Classes to leave out."""


class ListedReader(ConfigModel):
    """Members are named in a split list that ships with the registry."""

    kind: Literal["listed"]
    list: str
    """Path of a CSV with the columns key (member), label and, if wanted, split, relative to the
    registry's folder."""


class MemberListsReader(ConfigModel):
    """Text files inside the archives list the images of each split, one on a line."""

    kind: Literal["member_lists"]
    lists: dict[Literal["train", "val", "test"], str] = Field(min_length=1)
    """The member that lists each split's images."""
    line: str
    """Regular expression of a line with the named groups `key` and `label`."""
    member: str
    """The image's member, made from the groups, for example `images/{key}.jpg`."""


class MatlabReader(ConfigModel):
    """MATLAB files hold the class of each image and the image numbers (from 1) of each split."""

    kind: Literal["matlab"]
    labels: str
    """`member:variable` of the class numbers, in the order of the image numbers."""
    splits: dict[Literal["train", "val", "test"], str] = Field(min_length=1)
    """`member:variable` of the image numbers of each split."""
    member: str
    """The image's member, made from its number, for example `jpg/image_{number:05d}.jpg`."""


ArchiveReader = Annotated[
    ClassFoldersReader | ListedReader | MemberListsReader | MatlabReader,
    Field(discriminator="kind"),
]


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

    @model_validator(mode="after")
    def _one_checksum_each(self) -> "ArchiveSource":
        if self.checksums is not None and len(self.checksums) != len(self.urls):
            raise ValueError(f"{len(self.urls)} urls but {len(self.checksums)} checksums")
        return self

    def inputs(self, registry: Path) -> list[Path]:
        """The list of members, where there is one; see ``_Source``."""
        return [registry / self.reader.list] if isinstance(self.reader, ListedReader) else []


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

    def _entry(self, registry: Path) -> Any:
        """None where it cannot be read: the job that acquires says what is wrong."""
        try:
            return read_yaml(registry / f"{self.name}.yaml")
        except InputError:
            return None


Source = Annotated[
    SyntheticSource | FolderSource | TableSource | ArchiveSource | HubSource | RegistrySource,
    Field(discriminator="kind"),
]


class ImageConfig(ConfigModel):
    """How images are stored."""

    max_side: Annotated[int, Field(ge=16)] | None = None
    """Larger images are shrunk so that their longer side has this many pixels; null keeps all."""
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 95
    """Of images that must be encoded again; an RGB JPEG that fits already keeps its bytes."""


class SplitConfig(ConfigModel):
    """Train, validation and test."""

    method: Literal["stratified", "hash", "given"] = "stratified"
    """`stratified`: exact shares of each class, one image at least in each wanted split where the
    class has enough. `hash`: each image's place is drawn by its own bytes with the same chances in
    every class, so that images added later do not move others, save one: the first image of a
    class, in the order of the hash, always trains, and a new image may take that place. Small
    classes may miss a split. `given`: the source says. None depends on names of files, classes or
    the data set."""
    val: Fraction = 0.1
    test: Fraction = 0.1
    keep_together: list[Literal["near_duplicates", "group"]] = Field(default=[])
    """What never stands in two splits, unless the source says so: versions of one photograph, or
    images of one `group` (a slide, an animal, a day), which is a column of the source or is read
    off the file names by `group_pattern`. Shares are then as near as whole groups allow."""
    group_pattern: str | None = None
    """Regular expression found in an image's key (its path); its first group, or all that it
    matches, names the image's group. Images that it does not match have no group."""
    near_duplicate_bits: Annotated[int, Field(ge=0, le=16)] | None = 4
    """Two images are versions of one photograph when their 64-bit perceptual hashes differ in at
    most so many bits. null does not look for any."""

    @model_validator(mode="after")
    def _is_found_before_it_is_kept_together(self) -> "SplitConfig":
        if "near_duplicates" in self.keep_together and self.near_duplicate_bits is None:
            raise ValueError("keep_together: near_duplicates needs near_duplicate_bits")
        return self

    @field_validator("group_pattern")
    @classmethod
    def _is_an_expression(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"not a regular expression ({error})") from error
        return pattern

    @model_validator(mode="after")
    def _something_trains(self) -> "SplitConfig":
        if self.val + self.test >= 1:
            raise ValueError("val + test must be below 1")
        return self


class DatasetConfig(ConfigModel):
    """One data set."""

    source: Source
    image: ImageConfig = ImageConfig()
    split: SplitConfig = SplitConfig()
    captions: str | None = None
    """The caption set whose texts the images carry, by its name under `captions`."""
    parts: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Jobs that acquire it side by side, each a share of the source."""
    shards: Annotated[int, Field(ge=1, le=99_999)] = 1
    """Tars that hold the images, a multiple of `parts`. Each part spreads its images over its own
    by their id."""

    @property
    def shards_of_part(self) -> int:
        """Tars that each part writes."""
        return self.shards // self.parts

    @model_validator(mode="after")
    def _each_part_has_as_many_shards(self) -> "DatasetConfig":
        if self.shards % self.parts:
            raise ValueError(f"shards ({self.shards}) must be a multiple of parts ({self.parts})")
        return self

    @model_validator(mode="after")
    def _arbor_makes_its_splits(self) -> "DatasetConfig":
        world = getattr(self.source, "world", None)
        if isinstance(world, ArborWorld) and self.split.method != "given":
            raise ValueError(
                "split: {method: given} is needed with the world arbor, which holds species out; "
                "a hash would put their images into training"
            )
        return self

    def determines_images(self) -> dict[str, Any]:
        """What of it can change the images and their rows, as plain values."""
        return self.model_dump(mode="json", include={"source", "image", "parts", "shards"})

    def determines_splits(self) -> dict[str, Any]:
        """What of it can change the catalog of given images, as plain values."""
        if self.split.method == "given":  # shares that are drawn by nobody
            return self.split.model_dump(mode="json", include={"method", "near_duplicate_bits"})
        return self.split.model_dump(mode="json")
