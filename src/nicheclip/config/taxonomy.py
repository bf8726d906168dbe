"""Which checklists names are resolved against, and how lineages become texts."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from nicheclip.config.base import ConfigModel

ProviderKind = Literal[
    "gbif",
    "inaturalist",
    "itis",
    "coldp",
    "text_tree",
    "eol",
    "open_tree",
    "bioscan",
    "inat21",
    "csv",
]

TextPolicy = Literal["finest_known", "as_published"]


class ProviderConfig(ConfigModel):
    """A checklist on disk."""

    name: str = Field(min_length=1)
    """What rows of this provider are marked with."""
    kind: ProviderKind
    path: Path
    """The file, or the unpacked folder with the file names that the provider publishes."""
    kingdom: str = ""
    """Of every name, for checklists whose tree begins below the kingdom."""
    vernaculars: Path | None = None
    """Common names, where they are not beside `path` under their published name."""


class VernacularConfig(ConfigModel):
    """Which common name a taxon gets."""

    languages: tuple[str, ...] = Field(default=("eng",), min_length=1)
    """ISO 639-3, best first."""
    providers: tuple[str, ...] = ()
    """Names of providers, best first; the others follow in the order of `providers`."""


class TaxonomyConfig(ConfigModel):
    """How the names of a data set are resolved and written out.

    Without providers the ranks that a data set gives are taken as they are.
    """

    providers: tuple[ProviderConfig, ...] = ()
    """Best first: a name is looked for in the next one only if this one has none."""
    vernaculars: VernacularConfig = VernacularConfig()
    policy: TextPolicy = "finest_known"
    """`as_published` writes BioCLIP's texts with their defects (empty and merged names)."""
    higher_rank_fallback: bool = True
    """Whether a genus or family that is known gives the ranks above it where the species is not."""
