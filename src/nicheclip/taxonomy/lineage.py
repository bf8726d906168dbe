"""A lineage: the names of a taxon from kingdom to species, and the texts made of them."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass

from nicheclip.taxonomy.kingdoms import context
from nicheclip.taxonomy.species import read_name_above, read_species
from nicheclip.terms import RANKS


@dataclass(frozen=True)
class Lineage:
    """Seven names, "" where unknown; ``species`` holds what follows the genus."""

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

        Authors, mark-up and words for "unknown" go. A genus inside the species name is taken out:
        "Agaricus augustus" of the genus Agaricus becomes "augustus", and without a genus it gives
        one. Metazoa and the like get the kingdom's usual name.
        """
        above = {rank: read_name_above(ranks.get(rank) or "") for rank in RANKS[:6]}
        species = read_species(above["genus"], ranks.get("species") or "")
        return cls(
            context(above["kingdom"]),
            above["phylum"],
            above["class"],
            above["order"],
            above["family"],
            species.genus,
            species.epithets,
        )

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
