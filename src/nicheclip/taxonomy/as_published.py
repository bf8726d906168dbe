"""BioCLIP's texts as they were made for TreeOfLife-10M, with their defects.

Kept to reproduce published training texts; the rules are those of the reference implementation
(Imageomics/bioclip, ``naming_reproduce``). Its defects: an image without a genus gets the text
"a photo of .", barcode index numbers lose their digits and so become one name, authors after a
hybrid stay in the name.
"""

import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from nicheclip.terms import RANKS

_UNKNOWN = ("(unidentified)", "unknown", "pleasehelp")
_KINGDOMS = {"metazoa": "animalia", "archaeplastida": "plantae", "chloroplastida": "plantae"}
_ELEMENT = re.compile(r"<.*?>(.*?)</.*?>")

#: the name ends before the first match of each in turn
_CUTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\(",
        r"ssp\.",
        r"subsp\.",
        r"var\.",
        r"\w+, \w+ & \w+",
        r"\w+ & \w+",
        r"\w+ \d{4}",
        r"\w+, \d{4}",
        r"\d{4}",
        r" [A-z]\.",
        r"<br ?>",
    )
)


@dataclass(frozen=True)
class PublishedTaxon:
    """Seven names as the reference cleans them: lower case but for the first letter of a rank."""

    kingdom: str
    phylum: str
    class_: str
    order: str
    family: str
    genus: str
    species: str

    @classmethod
    def from_ranks(cls, ranks: Mapping[str, str | None]) -> "PublishedTaxon":
        """The taxon of the names in ``ranks`` (keys of ``RANKS``; absent or null is unknown)."""
        names = {rank: _clean(ranks.get(rank) or "") for rank in RANKS}
        names["kingdom"] = _KINGDOMS.get(names["kingdom"], names["kingdom"])
        names["genus"], names["species"] = _genus_and_species(
            names["genus"], _without_authors(names["species"])
        )
        names = {rank: _clean(name) for rank, name in names.items()}
        return cls(
            names["kingdom"].capitalize(),
            names["phylum"].capitalize(),
            names["class"].capitalize(),
            names["order"].capitalize(),
            names["family"].capitalize(),
            names["genus"].capitalize(),
            names["species"],
        )

    @property
    def scientific(self) -> str:
        """Genus and species; "" without both."""
        return " ".join(f"{self.genus} {self.species}".split()).capitalize()

    @property
    def taxonomic(self) -> str:
        """The known names from kingdom to species."""
        return " ".join(" ".join(astuple(self)).split())

    @property
    def tagged(self) -> str:
        """The known names, each after its rank."""
        pairs = zip(RANKS, astuple(self), strict=True)
        return " ".join(f"{rank} {name}" for rank, name in pairs if name)

    def texts(self, common: str) -> dict[str, str]:
        """The bare name of each text type; without a common name the scientific or taxonomic."""
        common = common or self.scientific or self.taxonomic
        return {
            "sci": self.scientific,
            "com": common,
            "taxon": self.taxonomic,
            "sci_com": f"{self.scientific} with common name {common}",
            "taxon_com": f"{self.taxonomic} with common name {common}",
            "taxontag": self.tagged,
            "taxontag_com": f"{self.tagged} with common name {common}",
        }


def _without_elements(text: str) -> str:
    while (shorter := _ELEMENT.sub(r"\1", text)) != text:
        text = shorter
    return text


def _clean(name: str) -> str:
    name = _without_elements(name).lower()
    return "" if name in _UNKNOWN else name


def _without_authors(species: str) -> str:
    species = _without_elements(species.lower()).strip()
    for cut in _CUTS:
        if found := cut.search(species):
            species = species[: found.start()].strip()
    return species


def _genus_and_species(genus: str, species: str) -> tuple[str, str]:
    first, *rest = species.split() or [""]
    if rest and first == genus:
        species = " ".join(rest)
    if rest and not genus:
        genus, species = first, " ".join(rest)
    words = species.split()
    if len(words) == 2 and words[0] == words[1]:
        species = words[0]
    return genus, species
