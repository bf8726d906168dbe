"""The language of a text, by the library py3langid."""

from functools import cache
from typing import Any

from nicheclip.runtime.errors import InputError

FEWEST_WORDS = 4
"""Shorter texts are in no certain language."""

SURE = 0.8
"""Probability from which on the library is believed."""

NAMES = "la"
"""Of scientific names: a list of them is in no language."""


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
    language, probability = library.classify(text)
    other = language not in (wanted, NAMES) and probability >= SURE
    return str(language) if other else None


@cache
def _library() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise InputError(
            "gates.language needs the library py3langid: pip install 'nicheclip[gates]'"
        ) from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
