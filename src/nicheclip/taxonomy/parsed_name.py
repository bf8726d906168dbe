"""Scientific names taken apart by rules, to the behaviour of GNparser (canonical forms).

Where we differ on purpose: a comma after an epithet does not end the name, names in capitals alone
are read, and the label of an undescribed taxon (``sp. BOLD:AAA1234``, ``aff. alba``) stays in the
canonical form, because distinct labels are distinct taxa.
"""

from dataclasses import dataclass, field
from typing import Literal

from nicheclip.taxonomy import name_words as vocabulary
from nicheclip.taxonomy.name_text import LONGEST_NAME, cleaned, plain_letters

Kind = Literal["name", "formula", "provisional", "virus", "unparsed"]


@dataclass(frozen=True, slots=True)
class ParsedName:
    """The parts of one name; "" where a part is absent.

    ``kind``: ``name``; ``formula`` (two parents of a hybrid); ``provisional`` (an undescribed or
    uncertain taxon below its genus); ``virus``; ``unparsed``.
    """

    kind: Kind = "unparsed"
    genus: str = ""
    """The first word: a genus, or a name above it."""
    subgenus: str = ""
    epithets: str = ""
    """What follows the genus in texts: "lupus familiaris", "× damascena", "alba var. rubra"."""
    canonical: str = ""
    """The key that names are matched by: no authors, no rank markers, no hybrid sign."""
    authorship: str = ""
    year: str = ""
    hybrid: bool = False
    qualifier: str = ""
    """cf., aff., nr., sp. or ? where the identification is open."""
    tail: str = ""
    """What no rule explains."""

    @property
    def full(self) -> str:
        """Genus and epithets, with rank markers and hybrid sign."""
        return f"{self.genus} {self.epithets}".rstrip()


def parse_name(text: str) -> ParsedName:
    """The parts of the scientific name in ``text``; it never raises, in time linear in it.

    A text that holds no name (empty, a spreadsheet formula, "unidentified", longer than
    ``LONGEST_NAME`` characters) comes back as ``unparsed``.
    """
    if len(text) > LONGEST_NAME:
        return ParsedName()
    text = cleaned(text)
    if not text or text[0] in "=+-@" or vocabulary.NO_NAME.match(plain_letters(text)):
        return ParsedName()
    if vocabulary.VIRUS.search(text):
        return ParsedName(kind="virus", genus=text, canonical=text)
    barcode = vocabulary.BARCODE_INDEX.search(text)
    words = (text[: barcode.start()] + text[barcode.end() :] if barcode else text).split()
    if barcode:
        return _Reader([*words, "sp."], barcode[0].replace("BOLD-", "BOLD:")).name()
    return _Reader(words, "").name()


@dataclass
class _Reader:
    """Walks over the words of one name once."""

    words: list[str]
    barcode: str
    at: int = 0
    genus: str = ""
    subgenus: str = ""
    hybrid: bool = False
    qualifier: str = ""
    shown: list[str] = field(default_factory=list)
    key: list[str] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)

    def name(self) -> ParsedName:
        if not self._read_genus():
            if self.barcode:
                return ParsedName("provisional", genus=self.barcode, canonical=self.barcode)
            return ParsedName()
        self._read_section()
        self._read_species()
        if self.qualifier in ("sp.", "aff.", "nr.", "?") or (self.barcode and not self.key):
            return self._provisional()
        self._read_below_species()
        if self._word() == "×" and self.key and self.at + 1 < len(self.words):
            return self._formula()
        return self._finished("name", self.shown, self.key)

    def _word(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.words[place] if place < len(self.words) else ""

    def _read_genus(self) -> bool:
        if self._word() in ("×", "x", "X") and self._word(1)[:1].isupper():
            self.hybrid, self.at = True, self.at + 1
        elif self._word() == "Candidatus" or self._word().lower() in vocabulary.SECTIONS:
            self.at += 1
        word = self._word().strip("'\",;")
        if not (vocabulary.GENUS.fullmatch(word) or vocabulary.ABBREVIATED_GENUS.fullmatch(word)):
            return False
        if word.endswith("?"):
            self.qualifier = "?"
        self.genus = plain_letters(word.rstrip("?"))
        self.at += 1
        return True

    def _read_section(self) -> None:
        """A subgenus in brackets, or a section after its marker."""
        word, following = self._word(), self._word(1)
        bracketed = vocabulary.SUBGENUS.fullmatch(word)
        if bracketed and (
            not following
            or self._is_epithet(following)
            or self._opens(following)
            or vocabulary.YEAR.search(" ".join(self.words))  # otherwise a botanist in brackets
        ):
            self.subgenus, self.at = plain_letters(bracketed[1]), self.at + 1
        elif word.lower() in vocabulary.SECTIONS and vocabulary.GENUS.fullmatch(following):
            self.subgenus, self.at = plain_letters(following), self.at + 2

    def _opens(self, word: str) -> bool:
        opening = vocabulary.UNDESCRIBED | vocabulary.COMPARED | vocabulary.NEAR
        return word.lower() in opening or bool(vocabulary.NUMBERED_SPECIES.fullmatch(word))

    def _is_epithet(self, word: str) -> bool:
        bare = word.rstrip(",")
        return bool(vocabulary.EPITHET.fullmatch(bare)) and bare not in vocabulary.NEVER_EPITHETS

    def _takes(self, ahead: int = 0) -> bool:
        """An epithet, and not the particle that an author's name begins with."""
        word, follows = self._word(ahead), self._word(ahead + 1)
        return self._is_epithet(word) and not (word in vocabulary.PARTICLES and follows)

    def _read_species(self) -> None:
        word = self._word()
        lowered = word.lower()
        if word in ("×", "x", "X") and self._takes(1):
            self.hybrid, self.at = True, self.at + 1
            self.shown.append("×")
            self._add_epithet()
        elif (
            lowered in vocabulary.UNDESCRIBED
            or (lowered in ("n.", "nov.") and self._word(1) in vocabulary.UNDESCRIBED)
            or vocabulary.NUMBERED_SPECIES.fullmatch(word)
        ):
            self.qualifier = "sp."
        elif lowered in vocabulary.NEAR:
            self.qualifier = "aff." if lowered.startswith("aff") else "nr."
        elif word.startswith("?"):
            self.qualifier = "?"
        elif lowered in vocabulary.COMPARED and self._takes(1):
            self.qualifier, self.at = "cf.", self.at + 1
            self._add_epithet()
        elif self._takes():
            self._add_epithet()

    def _add_epithet(self, marker: str = "") -> None:
        epithet = plain_letters(self._word().rstrip(",")).replace("'", "")
        number = epithet[: len(epithet) - len(epithet.lstrip("0123456789"))]
        if number:
            rest = epithet[len(number) :].lstrip("-")
            epithet = vocabulary.NUMBERS.get(int(number), number + "-") + rest
        if marker:
            self.shown.append(marker)
        self.shown.append(epithet)
        self.key.append(epithet)
        self.at += 1

    def _read_below_species(self) -> None:
        """Infraspecific epithets, each with or without a marker, and authors between them."""
        while self.at < len(self.words):
            word = self._word()
            marker = vocabulary.MARKERS.get(word.rstrip(".").lower())
            before_epithet = bool(self.key) and self._takes(1)
            if before_epithet and marker:
                self.authors.clear()  # of the name above
                self.at += 1
                self._add_epithet(marker)
            elif before_epithet and word.lower() in vocabulary.COMPARED:
                self.qualifier, self.at = "cf.", self.at + 1
                self._add_epithet()
            elif self.key and word.lower() in vocabulary.UNDESCRIBED | vocabulary.NEAR:
                self.qualifier = self.qualifier or "sp."
                self.at = len(self.words)
            elif self.key and not self.authors and len(self.key) < 4 and self._takes():
                self._add_epithet()
            elif word in ("×", "x", "X") and self.key and self._word(1):
                self.words[self.at] = "×"
                return
            else:
                self.authors.append(word)
                self.at += 1

    def _provisional(self) -> ParsedName:
        label = self.barcode or _label(self.words[self.at :], self.qualifier)
        shown = [*self.shown, f"sp. {label}" if self.barcode else label]
        if not label:
            return self._finished("provisional", self.shown, self.key)
        return self._finished("provisional", shown, [*self.key, shown[-1]])

    def _formula(self) -> ParsedName:
        """Two parents ("Salix alba × S. fragilis"); a shortened second genus is the first one."""
        second = _Reader(self.words[self.at + 1 :], "")
        if self._is_epithet(second._word()):
            second.genus = self.genus
            second._add_epithet()
        elif second._read_genus():
            second._read_species()
        else:
            return self._finished("name", self.shown, self.key)
        second._read_below_species()
        self.hybrid = True
        shortened = second.genus.endswith(".") and second.genus[0] == self.genus[0]
        genus = self.genus if shortened else second.genus
        other = [*second.key] if genus == self.genus else [genus, *second.key]
        key = [*self.key, "×", genus, *second.key]
        self.authors, self.at = [], len(self.words)
        return self._finished("formula", [*self.shown, "×", *other], key)

    def _finished(self, kind: Kind, shown: list[str], key: list[str]) -> ParsedName:
        authorship, tail = _authorship(self.authors)
        year = vocabulary.YEAR.search(authorship)
        alone = self.subgenus and not key
        first = self.subgenus if alone and kind == "name" else self.genus
        if self.barcode and kind == "name":
            tail = f"{tail} {self.barcode}".strip()
        return ParsedName(
            kind=kind,
            genus=self.genus,
            subgenus=self.subgenus,
            epithets=" ".join(shown),
            canonical=" ".join([first, *key]),
            authorship=authorship,
            year=year[0] if year else "",
            hybrid=self.hybrid,
            qualifier=self.qualifier,
            tail=tail,
        )


def _label(words: list[str], qualifier: str) -> str:
    """What tells an undescribed taxon from its neighbours; "" where only an author follows."""
    text = " ".join(words)
    empty = vocabulary.UNDESCRIBED | {"n.", "nov.", "nov"}
    bare = " ".join(word for word in words if word.lower() not in empty)
    if not bare:
        return ""
    if qualifier != "sp.":
        return " ".join(words[:1] if qualifier == "?" else words[:2])
    labelled = (
        any(c.isdigit() for c in vocabulary.YEAR.sub("", bare))
        or bare.split()[0].lower() in vocabulary.NEAR | vocabulary.COMPARED
        or len(bare) == 1
        or bare[0] in "'\"‘"
    )
    return text if labelled and "(" not in text else ""


def _authorship(words: list[str]) -> tuple[str, str]:
    """Authors with their year, and what follows them unexplained."""
    for place, word in enumerate(words):
        plain = word.strip("[](),;.").lower()
        if word[:1] == "[" and not vocabulary.YEAR.search(" ".join(words[place:])):
            return " ".join(words[:place]), " ".join(words[place:])
        if plain in vocabulary.REMARKS and word[:1].islower() and not (place and plain == "ex"):
            return " ".join(words[:place]), " ".join(words[place:])
    text = " ".join(words)
    bare = text.lstrip("([?'")
    starts = bare[:1].isupper() or bare.startswith("d'") or text == "?"
    starts = starts or bare.split(" ")[0] in vocabulary.PARTICLES
    return (text.rstrip(", "), "") if starts else ("", text)
