"""What all kinds of sources answer."""

from pathlib import Path
from typing import Literal

from nicheclip.config.base import ConfigModel

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


class SourceBase(ConfigModel):
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

    def known_as(self, registry: Path, name: str) -> str:
        """Under which name others publish for the data set that the config calls ``name``."""
        del registry
        return name

    def lacks(self, registry: Path) -> str:
        """What is missing before the source can be read: a reader, a list, files that a person must
        get; empty where nothing is known to be.
        """
        del registry
        return ""
