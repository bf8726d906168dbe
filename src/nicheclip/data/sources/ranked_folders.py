"""Folders that are taxa, one below the other."""

from collections.abc import Sequence

from nicheclip.data.sources.base import readable


def ranked_class(folders: Sequence[str], ranks: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The class of an image in ``folders``, the first of which are of ``ranks``, and its lineage.

    The class is the last rank; of a species with its genus, since genera share epithets.
    """
    lineage = {rank: readable(folder) for rank, folder in zip(ranks, folders, strict=False)}
    genus, name = lineage.get("genus", ""), lineage[ranks[-1]]
    if ranks[-1] != "species" or name.startswith(f"{genus} "):
        return name, lineage
    return f"{genus} {name}".strip(), lineage
