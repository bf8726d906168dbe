"""How far classes lie from each other, in the tree of life and in a model's embedding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from nicheclip.models.features import ImageFeatures, l2_normalise
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.seeding import generator
from nicheclip.taxonomy.lineage import Lineage
from nicheclip.terms import RANKS

#: more classes are sampled: 500 make 124,750 pairs, which a thousand resamples rank in half
#: a minute, and a matrix in which a class still has a pixel of its own
MOST_CLASSES = 500

#: classes; fewer than three pairs are nothing to rank
FEWEST_TO_RANK = 3


@dataclass(frozen=True)
class ClassDistances:
    """Distances between C classes, which are in the order of the tree: relatives side by side."""

    class_ids: list[str]
    lineages: list[Lineage]
    tree: npt.NDArray[np.int64]
    """[C, C], as ``tree_distances`` has it."""
    embedding: dict[str, npt.NDArray[np.float64]]
    """[C, C] for each model, as ``embedding_distances`` has it."""
    images: int
    """Of the C classes."""
    classes_with_ranks: int
    """That have images; more than C where they were sampled."""
    excluded: list[Dropped]
    """Classes with images but without ranks."""


def measure_distances(
    models: Mapping[str, ImageFeatures],
    labels: Mapping[str, str],
    classes: pl.DataFrame,
    *,
    seed: int,
    most: int = MOST_CLASSES,
) -> ClassDistances:
    """Tree and embedding distances of the classes that have images and ranks.

    Args:
        models: image features of the same images under each model, by its name.
        labels: class of each image to use, by image id.
        classes: classes table (schema ``CLASSES``).
        seed: of the sample where there are more than ``most`` classes.
        most: classes that are used; the sample is drawn at random.

    Raises:
        InputError: fewer than three classes have ranks, or an image lacks features.
    """
    lineages = class_lineages(classes)
    present = sorted(set(labels.values()))
    ranked = [class_id for class_id in present if lineages[class_id].finest_rank]
    if len(ranked) < FEWEST_TO_RANK:
        raise InputError(
            f"classes: {len(ranked)} of {len(present)} classes with images have ranks (kingdom, "
            f"..., species); expected at least {FEWEST_TO_RANK}. Draw distances for a data set "
            "whose classes are taxa."
        )
    chosen = set(ranked)
    if len(ranked) > most:
        chosen = set(generator("classes of the tree", seed).choice(ranked, most, replace=False))
    excluded = [
        Dropped(key=class_id, reason="no ranks")
        for class_id in present
        if not lineages[class_id].finest_rank
    ]
    class_ids = sorted(chosen, key=lambda one: (tuple(lineages[one].names.values()), one))
    ordered = [lineages[class_id] for class_id in class_ids]
    images = [image_id for image_id, class_id in labels.items() if class_id in chosen]
    embedding = {
        name: embedding_distances(features, images, [labels[i] for i in images], class_ids)
        for name, features in models.items()
    }
    return ClassDistances(
        class_ids,
        ordered,
        tree_distances(ordered),
        embedding,
        images=len(images),
        classes_with_ranks=len(ranked),
        excluded=excluded,
    )


def class_lineages(classes: pl.DataFrame) -> dict[str, Lineage]:
    """The lineage of each class, by class id (``classes``: schema ``CLASSES``)."""
    rows = classes.select("class_id", *RANKS).iter_rows(named=True)
    return {row["class_id"]: Lineage.from_ranks(row) for row in rows}


def tree_distances(lineages: Sequence[Lineage]) -> npt.NDArray[np.int64]:
    """Ranks that separate each two of C lineages [C, C]: 0 is one species, 7 not even a kingdom.

    The distance is 7 minus the depth (kingdom 1, ..., species 7) of the last common rank: the
    lowest rank at which both have the same name and above which they contradict each other nowhere.
    A rank that either leaves open contradicts nothing, and is not a common rank either; so two
    classes that are known down to the same family are 2 apart, which is the most they can be. A
    species without a genus counts as unknown, since epithets repeat. The diagonal is 0.
    """
    codes = _codes(lineages)
    first, second = codes[:, None, :], codes[None, :, :]
    known = (first > 0) & (second > 0)
    agrees = np.cumsum(known & (first != second), axis=2) == 0
    common = known & agrees
    depths = np.where(common, np.arange(1, len(RANKS) + 1), 0).max(axis=2)
    distances: npt.NDArray[np.int64] = len(RANKS) - depths
    np.fill_diagonal(distances, 0)
    return distances


def _codes(lineages: Sequence[Lineage]) -> npt.NDArray[np.int64]:
    """A number for each different name at each rank [C, 7]; 0 is unknown."""
    codes = np.zeros((len(lineages), len(RANKS)), dtype=np.int64)
    for depth, rank in enumerate(RANKS):
        numbers: dict[str, int] = {"": 0}
        for row, lineage in enumerate(lineages):
            name = lineage.names[rank]
            if rank == "species":
                name = lineage.scientific if lineage.genus and lineage.species else ""
            codes[row, depth] = numbers.setdefault(name, len(numbers))
    return codes


def embedding_distances(
    features: ImageFeatures,
    image_ids: list[str],
    labels: Sequence[str],
    class_ids: Sequence[str],
) -> npt.NDArray[np.float64]:
    """Cosine distance of the mean image features of each two of C classes [C, C], 0 to 2.

    Args:
        features: of a model; rows have length 1, so that each image counts the same.
        image_ids: of the images to use.
        labels: class of each of them.
        class_ids: the C classes; each has an image.

    Raises:
        InputError: an image has no features.
    """
    place = {class_id: row for row, class_id in enumerate(class_ids)}
    sums = np.zeros((len(class_ids), features.features.shape[1]))
    np.add.at(sums, [place[label] for label in labels], features.rows(image_ids))
    means = l2_normalise(sums).astype(np.float64)
    distances = (1 - means @ means.T).clip(0, 2)
    np.fill_diagonal(distances, 0)
    return distances
