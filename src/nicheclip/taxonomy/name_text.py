"""The text of a name before it is parsed: mark-up, entities, spaces, capitals, letters."""

import html
import re
import unicodedata

#: longer texts are no names; it bounds the time that a row can take
LONGEST_NAME = 400

_TAG = re.compile(r"<[^<>]{0,80}>")
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
    around the whole and commas at the end go. Names in capitals alone are put into lower case.
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
    words = text.split()
    shouted = bool(words) and text.isupper() and not any(c.isdigit() for c in text)
    if not shouted or len(words[0]) < 3 or "." in words[0]:
        return text
    return text.capitalize()
