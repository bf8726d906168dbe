"""Hierarchical: which taxon of each rank has the most probability, and how far mistakes lead.

Unlike ``rank_accuracy``, which asks for the lineage of the likeliest class, the probabilities of
all classes of a taxon are added up, so a taxon may win whose classes are each less likely.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from nicheclip.config.text_sets import class_text_set
from nicheclip.evaluation.accuracy import check_images, measure_share
from nicheclip.evaluation.bootstrap import class_share_interval
from nicheclip.evaluation.measures import Measure
from nicheclip.evaluation.protocols.zero_shot import answers
from nicheclip.evaluation.ranking import order_by_score
from nicheclip.evaluation.task import Judged, Task
from nicheclip.runtime.errors import InputError
from nicheclip.terms import RANKS

Codes = npt.NDArray[np.int64]

#: probabilities that are held at once
NUMBERS_AT_ONCE = 8_000_000


@dataclass(frozen=True)
class Level:
    """The C classes in the T taxa of one rank; two of one name differ where their parents do."""

    rank: str
    taxon: Codes
    """[C]: of each class, -1 where its taxon of this rank is not known."""
    count: int
    """T."""

    def chosen(self, probabilities: npt.NDArray[np.float64], image_ids: list[str]) -> Codes:
        """The taxon with the most probability of each image [n], from [n, C]."""
        known = np.flatnonzero(self.taxon >= 0)
        by_taxon = known[np.argsort(self.taxon[known], kind="stable")]
        starts = np.searchsorted(self.taxon[by_taxon], np.arange(self.count))
        sums = np.add.reduceat(probabilities[:, by_taxon], starts, axis=1)
        best: Codes = order_by_score(sums, image_ids, 1)[:, 0].astype(np.int64)
        return best


def levels(classes: pl.DataFrame) -> list[Level]:
    """The ranks that any class has, from kingdom to species.

    Args:
        classes: schema ``CLASSES``.
    """
    found = []
    for depth, rank in enumerate(RANKS):
        lineages = classes.select(RANKS[: depth + 1]).rows()
        taxa = sorted({one for one in lineages if one[-1]})
        place = {one: number for number, one in enumerate(taxa)}
        if taxa:
            codes = np.array([place.get(one, -1) for one in lineages], dtype=np.int64)
            found.append(Level(rank, codes, len(taxa)))
    return found


def judge(task: Task) -> Judged:
    """Judge the images of the chosen classes by rank.

    Raises:
        InputError: there is no image, or none of a class with a rank.
    """
    split = task.split()
    classes = task.class_embeddings(class_text_set(task.options)).among(
        split.classes["class_id"].to_list()
    )
    found = answers(split, classes)
    check_images(found, task.options)
    column = {class_id: place for place, class_id in enumerate(classes.class_ids)}
    truth = np.array([column[label] for label in found.labels])
    best = np.array([column[class_id] for class_id in found.best])
    all_ranks = levels(split.classes)
    ranks = [level for level in all_ranks if (level.taxon[truth] >= 0).any()]
    if not ranks:
        raise InputError(
            f"hierarchical: no judged image of {task.options.dataset} has a class with a "
            "rank. Give its source columns or folders with ranks, or leave out the protocol."
        )
    chosen = np.empty((len(truth), len(ranks)), dtype=np.int64)
    rows = max(1, NUMBERS_AT_ONCE // len(column))
    for start in range(0, len(truth), rows):
        part = slice(start, start + rows)
        logits = (split.images.features[part] @ classes.embeddings.T).astype(np.float64)
        logits *= classes.logit_scale
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        for place, level in enumerate(ranks):
            chosen[part, place] = level.chosen(probabilities, found.image_ids[part])
    measures = [
        _share(level, chosen[:, place] == level.taxon[truth], truth, found.labels, task)
        for place, level in enumerate(ranks)
    ]
    distance = ancestor_distance(all_ranks, truth, best)
    nested = consistent(ranks, chosen)
    measures += [
        Measure(name="ancestor_distance", value=float(distance.mean()), n=len(distance)),
        Measure(name="consistency", value=float(nested.mean()), n=len(nested)),
    ]
    if (wrong := distance > 0).any():
        value = float(distance[wrong].mean())
        measures.append(
            Measure(name="ancestor_distance_of_mistakes", value=value, n=int(wrong.sum()))
        )
    return Judged(
        n=len(truth),
        classes=len(column),
        measures=measures,
        predictions=found,
        counts=task.left_out(split),
    )


def ancestor_distance(ranks: list[Level], truth: Codes, best: Codes) -> Codes:
    """How many levels lie between each answer and the lowest taxon that holds it and the truth [n].

    0: right; 1 among species: another species of the genus; all levels: no taxon holds both. The
    classes are a level of their own where the lowest rank does not tell them apart.

    Args:
        ranks: of the C classes.
        truth: the true class of n images [n].
        best: the answers [n].
    """
    codes = [level.taxon for level in ranks]
    if len(np.unique(codes[-1][codes[-1] >= 0])) < len(codes[-1]):
        codes.append(np.arange(len(codes[-1])))
    shared = np.array([(one[truth] == one[best]) & (one[truth] >= 0) for one in codes])
    depth = (shared * np.arange(1, len(codes) + 1)[:, None]).max(axis=0)
    distance: Codes = np.where(truth == best, 0, len(codes) - depth)
    return distance


def consistent(ranks: list[Level], chosen: Codes) -> npt.NDArray[np.bool_]:
    """Whether the taxon of each rank lies in that of the rank above [n], from their taxa [n, R].

    A taxon whose parent is not known lies in any.
    """
    nested = np.ones(len(chosen), dtype=bool)
    for place, (above, below) in enumerate(itertools.pairwise(ranks)):
        parent = np.full(below.count, -1)
        known = below.taxon >= 0
        parent[below.taxon[known]] = above.taxon[known]
        of_chosen = parent[chosen[:, place + 1]]
        nested &= (of_chosen == chosen[:, place]) | (of_chosen < 0)
    return nested


def _share(
    level: Level, right: npt.NDArray[np.bool_], truth: Codes, labels: list[str], task: Task
) -> Measure:
    """Of the images whose true class has a name at the rank; intervals are over classes."""
    named = level.taxon[truth] >= 0
    credit = right[named].astype(np.float64)
    interval = class_share_interval(
        credit,
        [label for label, has in zip(labels, named.tolist(), strict=True) if has],
        resamples=task.options.bootstrap,
        confidence=task.options.confidence,
        seed=task.seed,
        kind=task.options.interval,
    )
    return measure_share(
        "rank_accuracy_summed",
        credit,
        interval,
        chance=1 / level.count,
        classes=level.count,
        facets={"rank": level.rank},
    )
