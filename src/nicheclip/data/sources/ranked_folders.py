"""Folders that are taxa, one below the other or all ranks in one name."""

import re
from collections.abc import Sequence

from nicheclip.data.sources.base import readable
from nicheclip.runtime.errors import InputError
from nicheclip.terms import RANKS

#: the folder of a species of iNaturalist's competitions: a number and seven ranks
_NUMBERED = re.compile(
    r"\d+_" + "_".join(rf"(?P<{rank}>[^_]*)" for rank in RANKS[:-1]) + "_(?P<species>.+)"
)


def ranked_class(folders: Sequence[str], ranks: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The class of an image in ``folders``, the first of which are of ``ranks``, and its lineage.

    The class is the last rank; of a species with its genus, since genera share epithets.
    """
    lineage = {rank: readable(folder) for rank, folder in zip(ranks, folders, strict=False)}
    genus, name = lineage.get("genus", ""), lineage[ranks[-1]]
    if ranks[-1] != "species" or name.startswith(f"{genus} "):
        return name, lineage
    return f"{genus} {name}".strip(), lineage


def class_in_name(folder: str, *, where: str) -> tuple[str, dict[str, str]]:
    """The class of an image in a folder that is called by a number and its ranks; its lineage.

    Raises:
        InputError: it is called otherwise; ``where`` names the image.
    """
    found = _NUMBERED.fullmatch(folder)
    if found is None:
        raise InputError(
            f"{where}: the class folder {folder!r} is not a number and {', '.join(RANKS)}, joined "
            "by `_`, as 00001_Animalia_..._Lumbricus_terrestris. If other folders lie in the "
            "archive, set reader.root; else leave out reader.ranks_in_name."
        )
    folders = [found[rank] for rank in RANKS]
    label, lineage = ranked_class(folders, RANKS)
    return label, {rank: name for rank, name in lineage.items() if name}
