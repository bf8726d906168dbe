"""A lineage: the names of a taxon from kingdom to species, and the texts made of them."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass

from nicheclip.config.base import RANKS


@dataclass(frozen=True)
class Lineage:
    """Seven names, "" where unknown; ``species`` holds the epithet alone."""

    kingdom: str = ""
    phylum: str = ""
    class_: str = ""
    order: str = ""
    family: str = ""
    genus: str = ""
    species: str = ""

    @classmethod
    def from_ranks(cls, ranks: Mapping[str, str | None]) -> "Lineage":
        """The lineage of the names in ``ranks`` (keys of ``RANKS``; absent or null is unknown).

        Only white space and a genus inside the species name are put right: "Agaricus augustus"
        of the genus Agaricus becomes "augustus", and without a genus it gives one.
        """
        names = {rank: " ".join((ranks.get(rank) or "").split()) for rank in RANKS}
        names["genus"], names["species"] = _genus_and_epithet(names["genus"], names["species"])
        return cls(*names.values())

    @property
    def names(self) -> dict[str, str]:
        """The seven names by rank, in the order of ``RANKS``."""
        return dict(zip(RANKS, astuple(self), strict=True))

    @property
    def finest_rank(self) -> str:
        """The lowest rank with a name; "" where none has one."""
        return next((rank for rank in reversed(RANKS) if self.names[rank]), "")

    @property
    def scientific(self) -> str:
        """Genus and epithet; without a genus the finest known name."""
        if self.genus:
            return f"{self.genus} {self.species}".rstrip()
        return self.names.get(self.finest_rank, "")

    @property
    def taxonomic(self) -> str:
        """The known names from kingdom to epithet, joined by spaces."""
        return " ".join(name for name in self.names.values() if name)

    @property
    def tagged(self) -> str:
        """The known names, each after its rank: "kingdom Animalia phylum Chordata"."""
        return " ".join(f"{rank} {name}" for rank, name in self.names.items() if name)


def _genus_and_epithet(genus: str, species: str) -> tuple[str, str]:
    first, _, rest = species.partition(" ")
    if genus and rest and first.casefold() == genus.casefold():
        return genus, rest
    # A capital tells a binomial from an epithet with its subspecies ("lupus familiaris").
    if not genus and rest and first[0].isupper():
        return first, rest
    return genus, species
