"""The classes of the world `farm`: leaves with lesions, coats of livestock, fish, fruit.

A class is a subject (a crop, a breed's species, a fish, a fruit) with a pattern in a colour. Every
other combination of pattern and colour trains, the rest are in the downstream tasks, so that no
task shows a combination that training has seen, and most tasks show another subject as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from types import MappingProxyType
from typing import Literal

Form = Literal["leaf", "beast", "fish", "fruit"]
Part = Literal["training", "tasks"]
Pattern = Literal[
    "spots", "rings", "margin", "veins", "blotch", "cracks", "patched", "striped", "dappled",
    "belted", "barred", "spotted", "saddled",
]  # fmt: skip


@dataclass(frozen=True)
class FarmClass:
    """What the images of a class show."""

    label: str
    common: str
    """Its name in plain words."""
    form: Form
    subject: str
    pattern: Pattern
    ground: str
    """Colour of the body, a key of ``farm_images.COLOURS``."""
    mark: str
    """Colour of the pattern."""
    lineage: Mapping[str, str]
    """The host's or the animal's names by rank, down to the genus."""


@dataclass(frozen=True)
class _Kind:
    """The combinations of one form, and how a class is called."""

    form: Form
    patterns: tuple[Pattern, ...]
    colours: tuple[tuple[str, str], ...]
    """(ground, mark); without a ground it is the subject's own."""
    name: str


LEAVES = _Kind(
    "leaf",
    ("spots", "rings", "margin", "veins", "blotch"),
    (("", "yellow"), ("", "brown"), ("", "white"), ("", "black")),
    "{subject} leaf with {mark} {pattern}",
)
COATS = _Kind(
    "beast",
    ("patched", "striped", "dappled", "belted"),
    (("black", "white"), ("brown", "cream"), ("white", "black"), ("cream", "red")),
    "{pattern} {ground} and {mark} {subject}",
)
FISHES = _Kind(
    "fish",
    ("barred", "striped", "spotted", "saddled"),
    (("silver", "black"), ("yellow", "blue"), ("blue", "yellow"), ("red", "white")),
    "{pattern} {ground} and {mark} {subject} fish",
)
FRUITS = _Kind(
    "fruit",
    ("spots", "rings", "blotch", "cracks"),
    (("", "brown"), ("", "black"), ("", "white"), ("", "green")),
    "{subject} fruit with {mark} {pattern}",
)


@dataclass(frozen=True)
class _Subject:
    name: str
    kind: _Kind
    ground: str
    ranks: tuple[str, str, str, str]
    """Kingdom, class, family, genus."""
    task: int | None = None
    """Of a downstream task: which of the combinations that are kept from training, 0 or 1."""


RANKS = ("kingdom", "class", "family", "genus")
BONY_FISH = "Actinopterygii"
SUBJECTS = (
    _Subject("tomato", LEAVES, "green", ("Plantae", "Magnoliopsida", "Solanaceae", "Solanum")),
    _Subject("grape", LEAVES, "green", ("Plantae", "Magnoliopsida", "Vitaceae", "Vitis")),
    _Subject("wheat", LEAVES, "green", ("Plantae", "Liliopsida", "Poaceae", "Triticum")),
    _Subject("cattle", COATS, "", ("Animalia", "Mammalia", "Bovidae", "Bos")),
    _Subject("horse", COATS, "", ("Animalia", "Mammalia", "Equidae", "Equus")),
    _Subject("carp", FISHES, "", ("Animalia", BONY_FISH, "Cyprinidae", "Cyprinus")),
    _Subject("goby", FISHES, "", ("Animalia", BONY_FISH, "Gobiidae", "Gobius")),
    _Subject("apple", FRUITS, "red", ("Plantae", "Magnoliopsida", "Rosaceae", "Malus")),
    _Subject("pear", FRUITS, "yellow", ("Plantae", "Magnoliopsida", "Rosaceae", "Pyrus")),
    _Subject("banana", LEAVES, "green", ("Plantae", "Liliopsida", "Musaceae", "Musa"), 0),
    _Subject("bean", LEAVES, "green", ("Plantae", "Magnoliopsida", "Fabaceae", "Phaseolus"), 1),
    _Subject("cattle", COATS, "", ("Animalia", "Mammalia", "Bovidae", "Bos"), 0),
    _Subject("horse", COATS, "", ("Animalia", "Mammalia", "Equidae", "Equus"), 1),
    _Subject("bream", FISHES, "", ("Animalia", BONY_FISH, "Sparidae", "Sparus"), 0),
    _Subject("citrus", FRUITS, "orange", ("Plantae", "Magnoliopsida", "Rutaceae", "Citrus"), 1),
)


@lru_cache
def farm_classes(part: Part) -> Mapping[str, FarmClass]:
    """The classes of one part, by label."""
    chosen = [one for one in SUBJECTS if (one.task is None) == (part == "training")]
    found = [farm_class for subject in chosen for farm_class in _of(subject)]
    return MappingProxyType({one.label: one for one in found})


def _of(subject: _Subject) -> Iterator[FarmClass]:
    kind = subject.kind
    for (i, pattern), (j, (ground, mark)) in product(
        enumerate(kind.patterns), enumerate(kind.colours)
    ):
        trains = (i + j) % 2 == 1
        # of the others, each task has one for each pattern
        drawn = trains if subject.task is None else (i + j) % 4 == 2 * subject.task
        if not drawn:
            continue
        words = {"subject": subject.name, "pattern": pattern, "ground": ground, "mark": mark}
        common = kind.name.format_map(words)
        yield FarmClass(
            label="-".join(one for one in (subject.name, ground, mark, pattern) if one),
            common=common,
            form=kind.form,
            subject=subject.name,
            pattern=pattern,
            ground=ground or subject.ground,
            mark=mark,
            lineage=dict(zip(RANKS, subject.ranks, strict=True)),
        )
