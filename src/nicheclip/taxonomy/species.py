"""Names of a rank table's cells: the genus and epithets of a species, a name above it."""

from dataclasses import dataclass

from nicheclip.taxonomy import name_words as vocabulary
from nicheclip.taxonomy.name_text import LONGEST_NAME, cleaned, plain_letters
from nicheclip.taxonomy.parsed_name import parse_name

#: stands for a genus that is not given, so that a bare epithet can be read; no name has it
_PLACEHOLDER = "Ignotaignotaignota"
#: what a garbled name leaves may read otherwise; each reading takes a part away
MOST_READINGS = 4
_UNKNOWN_LABELS = ("not_classified", "no_match")


@dataclass(frozen=True, slots=True)
class SpeciesName:
    """``canonical`` is the key of genus and epithets, "" without a species or a genus."""

    genus: str = ""
    epithets: str = ""
    canonical: str = ""


def read_species(genus: str, species: str) -> SpeciesName:
    """The name in the cells ``genus`` (clean) and ``species`` (as found).

    A genus inside ``species``, also a shortened one, is taken out; where it differs from ``genus``,
    the binomial wins. A single word beside a genus is an epithet, whatever its capitals, unless it
    is the genus once more. What is not a scientific name stays as it is. "sp." alone says nothing
    and is "". What was read reads the same again.
    """
    read = _read_once(genus, species)
    for _ in range(MOST_READINGS):
        again = _read_once(read.genus, read.epithets)
        if again == read:
            break
        read = again
    return read


def _read_once(genus: str, species: str) -> SpeciesName:
    species = cleaned(species[: 2 * LONGEST_NAME])
    if not species or _says_nothing(species):
        return SpeciesName(genus)
    first, _, rest = species.partition(" ")
    if genus and rest and _stands_for(first, genus):
        full = f"{genus} {rest}"
    elif first[0].isupper() or (first == "×" and rest[:1].isupper()):
        full = species
    else:
        full = f"{genus or _PLACEHOLDER} {species}"
    parsed = parse_name(full)
    one_word = parsed.kind == "name" and not parsed.epithets
    if genus and one_word and not _stands_for(parsed.genus, genus):
        parsed = parse_name(f"{genus} {species[0].lower()}{species[1:]}")
    own_genus = "" if parsed.genus == _PLACEHOLDER else parsed.genus
    if parsed.kind in ("unparsed", "virus"):
        return SpeciesName(genus, species[:LONGEST_NAME], species[:LONGEST_NAME])
    if vocabulary.BARCODE_INDEX.fullmatch(parsed.genus):
        in_genus = parse_name(genus)
        if in_genus.epithets:  # a whole species in the genus cell
            genus = in_genus.genus
        return SpeciesName(genus, f"sp. {parsed.genus}" if genus else parsed.genus, parsed.genus)
    if not parsed.epithets:
        return SpeciesName(own_genus or genus)
    return SpeciesName(own_genus, parsed.epithets, parsed.canonical if own_genus else "")


def _stands_for(word: str, genus: str) -> bool:
    bare = genus.removeprefix("× ")
    shortened = vocabulary.ABBREVIATED_GENUS.fullmatch(word) and bare.startswith(word[:-1])
    return word.casefold() == bare.casefold() or (
        bool(shortened) and word.lower() not in vocabulary.UNDESCRIBED
    )


def read_name_above(name: str) -> str:
    """A name above the species without its author and "sp."; "" for "unknown" and the like."""
    name = cleaned(name[: 2 * LONGEST_NAME])
    if not name or _says_nothing(name):
        return ""
    if name.isalpha() and name.islower():
        name = name.capitalize()
    parsed = parse_name(name)
    read = parsed.kind == "name" or (parsed.kind == "provisional" and parsed.qualifier == "sp.")
    if read and not parsed.tail and not parsed.epithets:
        hybrid = "× " if parsed.hybrid else ""
        return hybrid + parsed.canonical
    return name[:LONGEST_NAME].rstrip()


def _says_nothing(name: str) -> bool:
    return name in _UNKNOWN_LABELS or bool(vocabulary.NO_NAME.match(plain_letters(name)))
