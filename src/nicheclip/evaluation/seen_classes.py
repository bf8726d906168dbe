"""Which classes were seen in training, and how near to those the others are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import polars as pl

from nicheclip.config.archive_readers import Rank
from nicheclip.evaluation.predictions import read_classes, read_labels
from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.lineage import Lineage
from nicheclip.terms import RANKS

ClassGroup = Literal["all", "seen", "unseen", "unseen_known_genus", "unseen_new_genus"]

#: names of taxa that an error shows, at most
NAMED = 8

GROUPS: tuple[ClassGroup, ...] = get_args(ClassGroup)


def class_groups(classes: pl.DataFrame, seen_classes: pl.DataFrame) -> dict[ClassGroup, list[str]]:
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
    groups: dict[ClassGroup, list[str]] = {group: [] for group in GROUPS}
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
) -> dict[ClassGroup, list[str]]:
    """``class_groups`` of a file of schema ``CLASSES``.

    Args:
        classes: those to group.
        seen_catalog: schema ``CATALOG`` of the data set that decides; its train images count.
        seen_classes: schema ``CLASSES`` of the same data set.
    """
    trained = set(read_labels(seen_catalog, "train").values())
    table = read_classes(seen_classes).filter(pl.col("class_id").is_in(trained))
    return class_groups(read_classes(classes), table)


def choose_classes(
    choice: Literal["all", "seen", "unseen"],
    groups: Mapping[ClassGroup, Sequence[str]],
    *,
    seen_in: str | None,
) -> list[str]:
    """The class ids that an evaluation with ``classes: choice`` judges, sorted.

    Args:
        choice: of the evaluation.
        groups: class ids of each group.
        seen_in: the data set that decides which classes are seen, for the error message.

    Raises:
        InputError: seen or unseen classes are wanted and there are fewer than two.
    """
    chosen = list(groups.get(choice, []))
    if choice != "all" and len(chosen) < 2:
        raise InputError(
            f"evaluation: {len(chosen)} of {len(groups.get('all', []))} classes are {choice} in "
            f"the train split of {seen_in}; expected two or more to choose from. Set classes: all, "
            "or another seen_in."
        )
    return chosen


def classes_within(classes: pl.DataFrame, within: Mapping[Rank, str]) -> list[str]:
    """The class ids that are of all the taxa ``within``.

    Args:
        classes: schema ``CLASSES``.
        within: names by rank.

    Raises:
        InputError: there are fewer than two.
    """
    found = classes.filter(*(pl.col(rank) == name for rank, name in within.items()))
    if found.height < 2:
        wanted = ", ".join(f"{rank}: {name}" for rank, name in within.items())
        known = [
            f"{rank}: {', '.join(sorted(set(classes[rank]) - {''})[:NAMED]) or 'none'}"
            for rank in within
        ]
        raise InputError(
            f"evaluation: within: {found.height} of {classes.height} classes are of {wanted}; "
            f"expected two or more to choose from. The data set has {'; '.join(known)}. Correct "
            "the name, or leave within out."
        )
    ids: list[str] = found["class_id"].to_list()
    return ids


@dataclass(frozen=True)
class SeenFiles:
    """A data set whose train split decides which classes are seen."""

    catalog: Path
    """Schema ``CATALOG``."""
    classes: Path
    """Schema ``CLASSES``."""


def seen_files(catalogs: Sequence[str], classes: Sequence[str]) -> dict[str, SeenFiles]:
    """The files by data set, which is the name of their folder; in the same order each."""
    return {
        Path(catalog).parent.name: SeenFiles(Path(catalog), Path(table))
        for catalog, table in zip(catalogs, classes, strict=True)
    }


class ClassGroups:
    """The groups of a data set's classes, found once for each ``seen_in``."""

    def __init__(self, classes: Path, seen: Mapping[str, SeenFiles]) -> None:
        self._classes, self._seen = classes, seen
        self._known: dict[str | None, dict[ClassGroup, list[str]]] = {}

    def by(
        self, seen_in: str | None, within: Mapping[Rank, str] | None = None
    ) -> dict[ClassGroup, list[str]]:
        """The class ids of each group; without ``seen_in`` just those of all classes.

        Raises:
            InputError: fewer than two classes are of the taxa ``within``.
        """
        if seen_in not in self._known:
            self._known[seen_in] = self._read(seen_in)
        groups = self._known[seen_in]
        if not within:
            return groups
        chosen = set(classes_within(read_classes(self._classes), within))
        found = {group: [one for one in ids if one in chosen] for group, ids in groups.items()}
        return {group: ids for group, ids in found.items() if ids}

    def _read(self, seen_in: str | None) -> dict[ClassGroup, list[str]]:
        if seen_in is None:
            return {"all": read_classes(self._classes)["class_id"].to_list()}
        seen = self._seen[seen_in]
        return read_class_groups(
            self._classes, seen_catalog=seen.catalog, seen_classes=seen.classes
        )


def _rows(classes: pl.DataFrame) -> list[dict[str, str]]:
    return classes.select("class_id", *RANKS).to_dicts()


def _species(class_id: str, lineage: Lineage) -> tuple[str, ...]:
    if lineage.genus and lineage.species:
        return (lineage.kingdom, lineage.genus, lineage.species)
    return (class_id,)
