"""The language of a text, by the library py3langid."""

from functools import cache
from typing import Any

from nicheclip.captions.words import words_of
from nicheclip.runtime.errors import InputError

FEWEST_WORDS = 4
"""Shorter texts are in no certain language."""

SURE = 0.8
"""Probability from which on the library is believed."""

NAMES = "la"
"""Of scientific names: a list of them is in no language."""

OWN = {
    "en": {"the", "and", "with", "of", "that", "this", "which", "are", "from", "by", "its", "their"}
}
"""Frequent words of a language that others do not have."""

SHARED = {
    "en": {"a", "an", "in", "on", "is", "it", "at", "to", "or", "as", "for", "has", "was", "be"}
}
"""Frequent words that some other language has as well."""

MOSTLY = 0.25
"""Share of frequent words from which on a text is in their language: the library, which takes ten
times as long, need not be asked."""

FEWEST_OWN = 2
"""How many different ones of ``OWN`` there must be."""


def other_language(text: str, wanted: str) -> str | None:
    """The language (ISO 639-1) of ``text`` where it surely is another than ``wanted``.

    Raises:
        InputError: the library is not installed, or does not know the wanted language.
    """
    library = _library()
    if wanted not in library.labels:
        raise InputError(
            f"gates.language: {wanted!r} is not known; expected one of "
            f"{', '.join(sorted(library.labels))}."
        )
    if len(text.split()) < FEWEST_WORDS and text.isascii():
        return None
    if _is_plainly(wanted, text):
        return None
    language, probability = library.classify(text)
    other = language not in (wanted, NAMES) and probability >= SURE
    return str(language) if other else None


def _is_plainly(language: str, text: str) -> bool:
    """Whether the common words of ``language`` alone say that ``text`` is in it."""
    if language not in OWN or not text.isascii():
        return False
    spoken = words_of(text)
    own = [word for word in spoken if word in OWN[language]]
    if len(set(own)) < FEWEST_OWN:
        return False
    shared = sum(word in SHARED[language] for word in spoken)
    return len(own) + shared >= MOSTLY * len(spoken)


@cache
def _library() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise InputError(
            "gates.language needs the library py3langid: pip install 'nicheclip[gates]'"
        ) from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
