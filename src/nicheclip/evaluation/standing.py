"""Which classes were seen in training, and how near to those the others are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import polars as pl

from nicheclip.evaluation.predictions import read_classes, read_labels
from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.lineage import Lineage
from nicheclip.terms import RANKS

Group = Literal["all", "seen", "unseen", "unseen_known_genus", "unseen_new_genus"]

GROUPS: tuple[Group, ...] = get_args(Group)


def class_groups(classes: pl.DataFrame, seen_classes: pl.DataFrame) -> dict[Group, list[str]]:
    """The class ids of each group, sorted; empty groups are left out.

    A class is seen when one of ``seen_classes`` is the same species: kingdom, genus and epithet, as
    parsed, so that authors and mark-up do not matter. A synonym counts as another species, and so
    does a species whose kingdom only one of the tables gives. A class without a full species name
    is seen when its class id is. An unseen class without a genus is in neither group of genera.

    Args:
        classes: schema ``CLASSES``: those to group.
        seen_classes: schema ``CLASSES``: those that had images in training.
    """
    seen = [(row["class_id"], Lineage.from_ranks(row)) for row in _rows(seen_classes)]
    species = {_species(class_id, lineage) for class_id, lineage in seen}
    genera = {(lineage.kingdom, lineage.genus) for _, lineage in seen if lineage.genus}
    groups: dict[Group, list[str]] = {group: [] for group in GROUPS}
    for row in _rows(classes):
        class_id, lineage = row["class_id"], Lineage.from_ranks(row)
        groups["all"].append(class_id)
        if _species(class_id, lineage) in species:
            groups["seen"].append(class_id)
            continue
        groups["unseen"].append(class_id)
        if lineage.genus:
            known = (lineage.kingdom, lineage.genus) in genera
            groups["unseen_known_genus" if known else "unseen_new_genus"].append(class_id)
    return {group: sorted(ids) for group, ids in groups.items() if ids}


def read_class_groups(
    classes: Path | str, *, seen_catalog: Path | str, seen_classes: Path | str
) -> dict[Group, list[str]]:
    """``class_groups`` of a file of schema ``CLASSES``.

    Args:
        classes: those to group.
        seen_catalog: schema ``CATALOG`` of the data set that decides; its train images count.
        seen_classes: schema ``CLASSES`` of the same data set.
    """
    trained = set(read_labels(seen_catalog, "train").values())
    table = read_classes(seen_classes).filter(pl.col("class_id").is_in(trained))
    return class_groups(read_classes(classes), table)


def read_judged_classes(
    choice: Literal["all", "seen", "unseen"],
    classes: Path | str,
    *,
    seen_catalog: Sequence[str],
    seen_classes: Sequence[str],
) -> list[str]:
    """The class ids that an evaluation with ``classes: choice`` judges, sorted.

    Args:
        choice: of the evaluation.
        classes: file of schema ``CLASSES`` of the judged data set.
        seen_catalog: the path of a catalog as in ``read_class_groups``; empty when ``choice`` needs
            none.
        seen_classes: the path of its classes, likewise.

    Raises:
        InputError: seen or unseen classes are wanted and there are fewer than two.
    """
    if choice == "all":
        return read_classes(classes)["class_id"].to_list()
    groups = read_class_groups(classes, seen_catalog=seen_catalog[0], seen_classes=seen_classes[0])
    chosen = groups.get(choice, [])
    if len(chosen) < 2:
        raise InputError(
            f"{classes}: {len(chosen)} of {len(groups.get('all', []))} classes are {choice} in the "
            f"train split of {seen_catalog[0]}; expected two or more to choose from. Set classes: "
            "all, or another seen_in."
        )
    return chosen


def _rows(classes: pl.DataFrame) -> list[dict[str, str]]:
    return classes.select("class_id", *RANKS).to_dicts()


def _species(class_id: str, lineage: Lineage) -> tuple[str, ...]:
    if lineage.genus and lineage.species:
        return (lineage.kingdom, lineage.genus, lineage.species)
    return (class_id,)
