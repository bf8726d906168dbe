"""The id of a taxon: a digest of its seven names."""

import hashlib
from collections.abc import Mapping

from nicheclip.config.base import RANKS


def taxon_id(lineage: Mapping[str, str]) -> str | None:
    """First 16 hex digits of sha256 over the seven names; None where all are empty."""
    names = [lineage.get(rank) or "" for rank in RANKS]
    if not any(names):
        return None
    return hashlib.sha256("\x1f".join(names).encode()).hexdigest()[:16]
