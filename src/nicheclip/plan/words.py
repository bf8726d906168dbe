"""What tables call text types, groups of classes, shots, states and the scale of their numbers."""

from typing import Literal

from nicheclip.subjects import STATES

Scale = Literal["demo", "paper", "own", "rehearsal"]

#: after a title, unless the numbers can be compared with the paper's
SCALE_MARKS: dict[Scale, str] = {
    "demo": " (demo scale, not comparable with the paper)",
    "own": " (own data, not comparable with the paper)",
    "paper": "",
    "rehearsal": " (rehearsal: drawn images and random models, the numbers mean nothing)",
}

TEXT_TYPES = {
    "sci": "scientific",
    "com": "common",
    "taxon": "taxonomic",
    "sci_com": "scientific + common",
    "taxon_com": "taxonomic + common",
    "taxontag": "taxonomic, ranks named",
    "taxontag_com": "taxonomic, ranks named, + common",
    "mixed": "all of them, mixed",
}

GROUPS = {
    "seen": "seen",
    "unseen": "unseen",
    "unseen_known_genus": "unseen, seen genus",
    "unseen_new_genus": "unseen, new genus",
}


def in_words(name: str, value: object) -> str:
    """``value`` of the key or axis ``name`` as a reader of a table knows it."""
    text = str(value)
    if name == "text_type":
        return TEXT_TYPES.get(text, text)
    if name == "group":
        return GROUPS.get(text, text)
    if name == "state":
        return next((word for kind, word in STATES.items() if kind == text), text)
    if name == "shots":
        return "zero-shot" if text == "0" else f"{text}-shot"
    return text
