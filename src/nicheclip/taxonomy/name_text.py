"""The text of a name before it is parsed: mark-up, entities, spaces, capitals, letters."""

import html
import re
import unicodedata

from nicheclip.taxonomy import name_words as vocabulary

#: longer texts are not names; it bounds the time that a row can take
LONGEST_NAME = 400

_TAG = re.compile(r"<[^<>]{0,80}>")
_JOINT = "(?:&|AND|ET|EX|IN) "
_BEFORE_AUTHOR = "|".join([r"[A-Z]\.", *sorted(vocabulary.PARTICLES)]).upper()
_AUTHOR = rf"(?:(?!{_JOINT})(?:{_BEFORE_AUTHOR}) )*[^\s\d,]+"
#: the authors and year that end a name in capitals: the last word and what is joined to it
_AUTHORS_IN_CAPITALS = re.compile(
    rf" (?:\([^()]*\) )?\(?(?:(?:{_AUTHOR}, )*{_AUTHOR} {_JOINT})*{_AUTHOR},?"
    r" [(\[]?(?:1[5-9]|20)\d\d[)\]]*$"
)
_TIMES_AGAINST_A_WORD = re.compile(r"([×✕✖⨉])\s*")
_LIGATURES = {
    "æ": "ae", "œ": "oe", "ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "ß": "ss", "ſ": "s",
    "ĳ": "ij", "ł": "l", "đ": "d", "ı": "i",
}  # fmt: skip
_LETTERS = str.maketrans(
    _LIGATURES
    | {
        key.upper(): v.capitalize()
        for key, v in _LIGATURES.items()
        if key.upper() != key and len(key.upper()) == 1
    }
)


def cleaned(text: str) -> str:
    """``text`` without mark-up and entities, composed (NFC), words divided by one space.

    Underscores divide words where nothing else does. A hybrid sign stands alone. A dagger, quotes
    around the whole and commas at the end go. Names in capitals alone are put into lower case, but
    for the first letters of genus, subgenus and the authors before a year.
    """
    text = _TAG.sub(" " if "<br" in text.lower() else "", _unescaped(text))
    text = unicodedata.normalize("NFC", text).replace("’", "'").replace("\u200b", "")
    if "_" in text and not any(c.isspace() for c in text.strip()):
        text = text.replace("_", " ")
    text = text.replace(" [incertae sedis]", "")
    text = _TIMES_AGAINST_A_WORD.sub(" × ", text)
    text = " ".join(text.split()).strip('†‡"“” ,;')
    return _without_capitals(text)


def _unescaped(text: str) -> str:
    """Entities can be escaped themselves ("&amp;amp;"); each round makes the text shorter."""
    while "&" in text and (shorter := html.unescape(text)) != text:
        text = shorter
    return text


def plain_letters(word: str) -> str:
    """``word`` in ASCII letters as the codes of nomenclature write them: ö is oe, é is e."""
    if word.isascii():
        return word
    decomposed = unicodedata.normalize("NFD", word.translate(_LETTERS))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _without_capitals(text: str) -> str:
    first = text.partition(" ")[0]
    if not text.isupper() or len(first) < 3 or "." in first:
        return text
    found = _AUTHORS_IN_CAPITALS.search(text)
    name, authors = (text[: found.start()], found[0]) if found else (text, "")
    if any(c.isdigit() for c in name):  # a label
        return text
    name = re.sub(r"\(\w", lambda letter: letter[0].upper(), name.capitalize())
    return name + " ".join(
        word.lower() if word.lower() in vocabulary.PARTICLES | {"ex"} else word.title()
        for word in authors.split(" ")
    )
