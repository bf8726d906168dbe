"""Lineages as a tree in Newick format, as Open Tree writes it: every inner node is named."""

from collections.abc import Iterable, Mapping

from nicheclip.terms import RANKS

Tree = dict[str, "Tree"]


def newick(lineages: Iterable[Mapping[str, str]], *, root: str = "life") -> str:
    """One tree over all lineages; unknown ranks are left out, names are sorted.

    A tip is called by genus and epithet with an underscore between; names with signs that Newick
    reserves are in quotes. Homonyms are different nodes, since they have different parents.

    Args:
        lineages: names by rank, "" where unknown.
        root: the name of the node above the kingdoms.
    """
    tree: Tree = {}
    for lineage in lineages:
        node = tree
        for rank in RANKS:
            name = lineage[rank]
            if rank == "species" and name:
                name = f"{lineage['genus']} {name}".strip()
            if name:
                node = node.setdefault(name, {})
    return _written(tree) + _label(root) + ";"


def _written(children: Tree) -> str:
    """Seven levels deep at most, so the recursion is short."""
    if not children:
        return ""
    parts = [_written(below) + _label(name) for name, below in sorted(children.items())]
    return f"({','.join(parts)})"


def _label(name: str) -> str:
    if any(sign in name for sign in "()[]{}:;,'\"/\\=_") or not name:
        return "'" + name.replace("'", "''") + "'"
    return name.replace(" ", "_")
