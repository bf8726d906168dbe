"""Names of the world `arbor`: pseudo-Latin ones in the style of the codes, and English ones.

Names at every rank end as they do in nature (-idae, -aceae, -ales, ...); a family is called after
its first genus, and epithets agree with their genus in gender. English names tell of some looks:
"spotted marsh crawler".
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, count
from types import MappingProxyType

import numpy as np

from nicheclip.synthetic.arbor_traits import Plan, Traits

ENDINGS: tuple[Mapping[str, str], ...] = (
    MappingProxyType(
        {
            "kingdom": "alia",
            "phylum": "ozoa",
            "class": "omorpha",
            "order": "iformes",
            "family": "idae",
        }
    ),
    MappingProxyType(
        {
            "kingdom": "antae",
            "phylum": "ophyta",
            "class": "opsida",
            "order": "ales",
            "family": "aceae",
        }
    ),
    MappingProxyType(
        {
            "kingdom": "ungi",
            "phylum": "omycota",
            "class": "omycetes",
            "order": "ales",
            "family": "aceae",
        }
    ),
)
"""Of the three kingdoms: zoological, botanical and fungal."""
GENUS_ENDINGS = ("us", "a", "um", "is", "ia")
EPITHET_ENDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "us": ("us", "atus", "osus", "inus", "icus", "ensis", "oides"),
        "a": ("a", "ata", "osa", "ina", "ica", "ensis", "oides"),
        "ia": ("a", "ata", "osa", "ina", "ica", "ensis", "oides"),
        "is": ("is", "ata", "osa", "alis", "aris", "ensis", "oides"),
        "um": ("um", "atum", "osum", "inum", "icum", "ense", "oides"),
    }
)
ONSETS = (*"bcdfglmnprstvbcdlmnprst", "br", "cr", "dr", "fl", "gl", "pl", "pr", "tr", "th", "ph")
VOWELS = (*"aeiouaeio", "ae")
CODAS = ("", "", "", "n", "r", "l", "s", "m")

NOUNS: Mapping[Plan, tuple[str, ...]] = MappingProxyType(
    {
        "crawler": ("crawler", "beetle", "scuttler", "weevil"),
        "swimmer": ("darter", "fish", "glider", "minnow"),
        "flyer": ("moth", "butterfly", "flutterer", "skipper"),
        "star": ("star", "seastar", "armling"),
        "drifter": ("jelly", "bell", "drifter"),
        "bloom": ("daisy", "flower", "bloom", "aster"),
        "frond": ("fern", "frond", "bracken"),
        "rosette": ("rosette", "houseleek", "stonecrop"),
        "cap": ("mushroom", "cap", "toadstool", "bonnet"),
        "fan": ("bracket", "fan", "shelf"),
        "coral": ("coral fungus", "antler", "club"),
    }
)
"""What English calls the body plans: one word for all species of an order."""
MODIFIERS = ("common", "lesser", "greater", "northern", "southern", "eastern", "western", "dwarf")


class LatinNames:
    """Draws pseudo-Latin names, none twice."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._used: set[str] = set()

    def taxon(self, rank: str, kingdom: int) -> str:
        """A name of a rank above the family."""
        return self._new(lambda: self._stem(1, 2) + ENDINGS[kingdom][rank]).capitalize()

    def genera(self, number: int, kingdom: int) -> tuple[str, list[str]]:
        """A family's name and those of its ``number`` genera; the first names it."""
        while True:
            stem, ending = self._stem(2, 2), self._pick(GENUS_ENDINGS)
            genus, family = stem + ending, stem + ENDINGS[kingdom]["family"]
            if not self._used & {genus, family}:
                break
        self._used |= {genus, family}
        others = [
            self._new(lambda: self._stem(2, 2) + self._pick(GENUS_ENDINGS)).capitalize()
            for _ in range(number - 1)
        ]
        return family.capitalize(), [genus.capitalize(), *others]

    def epithet(self, genus: str) -> str:
        """An epithet that agrees with ``genus``."""
        gender = next(end for end in ("ia", "us", "um", "is", "a") if genus.endswith(end))
        return self._new(lambda: self._stem(1, 2) + self._pick(EPITHET_ENDINGS[gender]))

    def _new(self, draw: Callable[[], str]) -> str:
        while (name := draw()) in self._used:
            pass
        self._used.add(name)
        return name

    def _stem(self, fewest: int, most: int) -> str:
        """``fewest`` to ``most`` syllables and a consonant, ready for an ending."""
        syllables = int(self._rng.integers(fewest, most, endpoint=True))
        open_part = "".join(
            self._pick(ONSETS) + self._pick(VOWELS) + (self._pick(CODAS) if i == 0 else "")
            for i in range(syllables)
        )
        return open_part + self._pick("bcdglmnprstv")

    def _pick(self, choices: Sequence[str]) -> str:
        return choices[int(self._rng.integers(len(choices)))]


class EnglishNames:
    """Draws common names that tell of some of the looks; none twice."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._used: set[str] = set()

    def noun(self, plan: Plan) -> str:
        """What the species of an order with this body plan are called."""
        nouns = NOUNS[plan]
        return nouns[int(self._rng.integers(len(nouns)))]

    def species(self, traits: Traits, noun: str) -> str:
        """Two of the looks and ``noun``; if such names are taken, with a modifier or number."""
        pairs = _pairs(traits)
        self._rng.shuffle(pairs)
        names = [f"{pair} {noun}" for pair in pairs]
        names += [f"{modifier} {name}" for modifier in MODIFIERS for name in names]
        numbered = (f"{names[0]} {number}" for number in count(2))
        name = next(name for name in chain(names, numbered) if name not in self._used)
        self._used.add(name)
        return name


def _pairs(traits: Traits) -> list[str]:
    """Ways to tell of two looks, in the order of English adjectives."""
    texture = "" if traits.texture == "smooth" else traits.texture
    pattern = "" if traits.pattern == "plain" else traits.pattern
    marked = f"{traits.accent}-{pattern}" if pattern else f"plain {traits.colour}"
    first = [word for word in (marked, pattern, texture, traits.colour) if word]
    pairs = [f"{word} {traits.habitat}" for word in first]
    if texture:
        pairs.append(f"{texture} {traits.colour}")
    if pattern:
        pairs.append(f"{pattern} {traits.colour}")
    return pairs
