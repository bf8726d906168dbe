"""Config of sources that are fetched, or kept by a person, as archives and files of a hub."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from nicheclip.config.archive_readers import (
    ArchiveReader,
    ClassFoldersReader,
    ListedReader,
    MemberTableReader,
)
from nicheclip.config.source_base import ExtraColumn, SourceBase
from nicheclip.config.source_files import table_columns
from nicheclip.config.yaml_file import read_yaml_once
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path
from nicheclip.runtime.urls import file_name


class ArchiveSource(SourceBase):
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
        """The list of members, where there is one; see ``SourceBase``."""
        return [registry / name for name in lists_of(self.reader)]

    def gives_splits(self, registry: Path) -> str:
        """See ``SourceBase``."""
        if isinstance(self.reader, ClassFoldersReader):
            if self.reader.test_list:
                return f"reader.test_list: {self.reader.test_list}"
            return "reader.split_folders: true" if self.reader.split_folders else ""
        if isinstance(self.reader, ListedReader):
            there = "split" in table_columns(registry / self.reader.list)
            return f"the column 'split' of {self.reader.list}" if there else ""
        if isinstance(self.reader, MemberTableReader):
            if "split" in self.reader.columns:
                return f"reader.columns.split: {self.reader.columns['split']}"
            return "" if set(self.reader.tables) == {"all"} else "reader.tables"
        return f"the reader {self.reader.kind}"


def lists_of(reader: ArchiveReader) -> list[str]:
    """The files beside the registry's entries that ``reader`` reads."""
    if isinstance(reader, ListedReader):
        return [reader.list]
    if isinstance(reader, ClassFoldersReader) and reader.test_list:
        return [reader.test_list]
    return []


class ManualSource(SourceBase):
    """Archives that only a person can download; once in place they are read like others."""

    kind: Literal["manual"]
    page: str
    """Where a person gets them."""
    files: list[str] = Field(min_length=1)
    """Their file names."""
    content: str = ""
    """What they must hold, where a person packs them."""
    checksums: list[str | None] | None = None
    inner: str | None = None
    reader: ArchiveReader = ClassFoldersReader()
    folder: str = "results/downloads"
    """They are put into the folder below this one that is called like the registry entry."""


class HubSource(SourceBase):
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
        """See ``SourceBase``."""
        del registry
        if "split" in self.columns:
            return f"columns.split: {self.columns['split']}"
        return "" if set(self.files) == {"all"} else f"files: {', '.join(self.files)}"


class RegistrySource(SourceBase):
    """A data set that the registry describes."""

    kind: Literal["registry"]
    name: str
    """File name without suffix in `workflow/registry/datasets/`."""

    def inputs(self, registry: Path) -> list[Path]:
        """The entry, and the list of members that it names; see ``SourceBase``."""
        entry = self._entry(registry)
        try:
            reader = entry["source"]["reader"]
            lists = [reader[key] for key in ("list", "test_list") if key in reader]
        except (TypeError, KeyError):
            lists = []
        return [registry / name for name in (f"{self.name}.yaml", *lists)]

    def modules(self, registry: Path) -> list[str]:
        """See ``SourceBase``; those of the entry's kind, none where there is no readable entry."""
        try:
            return [f"nicheclip.data.sources.{self._entry(registry)['source']['kind']}"]
        except (TypeError, KeyError):
            return []

    def expected_images(self, registry: Path) -> dict[str, int]:
        """See ``SourceBase``."""
        try:
            return dict(self._entry(registry)["images"])
        except (TypeError, KeyError, ValueError):
            return {}

    def gives_splits(self, registry: Path) -> str:
        """See ``SourceBase``."""
        expected = self.expected_images(registry)
        if splits := [split for split in expected if split != "all"]:
            return f"the entry's splits {', '.join(splits)}"
        return "" if expected else self._splits_of_the_reader(registry)

    def _splits_of_the_reader(self, registry: Path) -> str:
        """What of an entry without counts names splits."""
        try:
            return ArchiveSource.model_validate(self._entry(registry)["source"]).gives_splits(
                registry
            )
        except (TypeError, KeyError, ValueError):  # another kind, or malformed: its job says so
            return ""

    def lacks(self, registry: Path) -> str:
        """See ``SourceBase``."""
        entry = self._entry(registry)
        if not isinstance(entry, dict):
            return ""
        if entry.get("missing"):
            return f"cannot be read yet. Missing: {entry['missing']}"
        source = entry.get("source")
        if not isinstance(source, dict) or source.get("kind") != "manual":
            return ""
        folder = expand_path(source.get("folder", "results/downloads")) / self.name
        absent = [file for file in source.get("files", []) if not (folder / file).is_file()]
        content = f" ({source['content']})" if source.get("content") else ""
        wanted = f"{', '.join(absent)}{content}"
        return f"put {wanted} from {source.get('page')} into {folder}" * bool(absent)

    def known_as(self, registry: Path, name: str) -> str:
        """See ``SourceBase``: the entry's, or that of the entry whose images it splits anew."""
        del name
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
