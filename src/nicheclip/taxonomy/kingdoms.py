"""One name for each kingdom, whichever a provider uses: the context that homonyms differ by."""

import polars as pl

#: names for the same group of organisms, in lower case
CONTEXTS = {
    "animalia": "Animalia", "metazoa": "Animalia", "animals": "Animalia",
    "plantae": "Plantae", "archaeplastida": "Plantae", "chloroplastida": "Plantae",
    "viridiplantae": "Plantae", "plants": "Plantae",
    "fungi": "Fungi",
    "bacteria": "Bacteria", "eubacteria": "Bacteria",
    "archaea": "Archaea", "archaebacteria": "Archaea",
    "chromista": "Chromista", "protozoa": "Protozoa", "viruses": "Viruses",
}  # fmt: skip


def context(kingdom: str) -> str:
    """The context of a kingdom's name: "Metazoa" is Animalia; others stay as they are."""
    kingdom = kingdom.strip()
    return CONTEXTS.get(kingdom.lower(), kingdom)


def context_column(kingdom: pl.Expr) -> pl.Expr:
    """``context`` of every row; null is ""."""
    kingdom = kingdom.fill_null("").str.strip_chars()
    return kingdom.str.to_lowercase().replace_strict(CONTEXTS, default=kingdom)
