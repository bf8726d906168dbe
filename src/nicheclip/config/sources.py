"""Config of the sources of images."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from nicheclip.config.archive_readers import ArchiveReader, ClassFoldersReader, ListedReader
from nicheclip.config.base import ConfigModel
from nicheclip.config.worlds import World
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
            return yaml.safe_load((registry / f"{self.name}.yaml").read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, UnicodeDecodeError):
            return None


Source = Annotated[
    SyntheticSource | FolderSource | TableSource | ArchiveSource | HubSource | RegistrySource,
    Field(discriminator="kind"),
]
