"""The registry of public data sets: one YAML file each, facts only."""

import difflib
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from nicheclip.config.base import ConfigModel
from nicheclip.config.fetched_sources import ArchiveSource, HubSource, ManualSource
from nicheclip.config.yaml_file import read_yaml
from nicheclip.runtime.errors import InputError

SplitName = Literal["train", "val", "test", "all"]


class RegistryEntry(ConfigModel):
    """What is known about a data set, and how to get and read it."""

    name: str
    title: str
    source: Annotated[ArchiveSource | HubSource | ManualSource, Field(discriminator="kind")]
    size_bytes: int | None
    """Of the download; null where nobody states it."""
    licence: str | None
    """As its makers state it; null where they state none."""
    citation: str
    homepage: str
    classes: Annotated[int, Field(ge=2)] | None
    """Null where nobody states how many."""
    images: dict[SplitName, Annotated[int, Field(ge=0)]]
    """Expected images of each split; `all` where the source has no splits."""
    images_of: str | None = None
    """The entry whose images it splits in another way; what is published for that one, such as a
    method's hyperparameters, is meant for this one as well."""
    class_names: dict[str, str] = Field(default={})
    """Display names for labels that are not readable even without numbers and underscores."""
    tables: list[str] = Field(default=[])
    """The columns of published tables that it feeds, as `<paper>/<table>/<column>`."""
    missing: str | None = None
    """What the workflow lacks to read it, and what to do until then; null where it can be read."""
    notes: str
    """What a reader must know: which split it is, what is not wired, what was not verified."""

    @property
    def downloads_name(self) -> str:
        """Of the folder of its files: entries that cut the same archives in another way fetch them
        once."""
        shares = self.images_of if isinstance(self.source, ArchiveSource) else None
        return shares or self.name

    def display_name(self, label: str) -> str:
        """How a person would write the class ``label``."""
        cleaned = re.sub(r"^\d+[._](?=\D)", "", label).replace("_", " ").strip()
        return self.class_names.get(label, cleaned or label)


def load_entry(registry: Path | str, name: str) -> RegistryEntry:
    """The entry ``<registry>/<name>.yaml``.

    Raises:
        InputError: there is none, or it is malformed.
    """
    path = Path(registry) / f"{name}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in Path(registry).glob("*.yaml"))
        near = difflib.get_close_matches(name, known, n=1)
        raise InputError(
            f"{registry}: no data set {name!r}"
            + (f"; did you mean {near[0]!r}?" if near else "")
            + f" Known: {', '.join(known) or 'none'}."
        )
    try:
        entry = RegistryEntry.model_validate(read_yaml(path))
    except ValidationError as error:
        raise InputError(f"{path}: not a valid registry entry: {error}") from error
    if entry.name != name:
        raise InputError(f"{path}: 'name' is {entry.name!r}, but the file is called {name!r}.")
    return entry
