"""SimpleShot few-shot classification (Wang et al., arXiv 1911.04623), the CL2N variant.

Features of length 1 are centred on the mean of the support set and scaled to length 1 again; an
image belongs to the class whose centroid of support features is nearest.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from nicheclip.evaluation.ranking import rank
from nicheclip.models.features import Array, ImageFeatures, l2_normalise
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.seeding import generator
from nicheclip.schemas import FOLDS, read_table

#: query images compared with all centroids at once
CHUNK = 4_096


@dataclass(frozen=True)
class DrawnFolds:
    """Support sets and the classes that were too small for them."""

    table: pa.Table
    """Schema ``FOLDS``, sorted."""
    excluded: list[Dropped]
    """Keys are ``class_id``; the reason names the number of shots."""


def draw_folds(
    labels: Mapping[str, str], shots: Sequence[int], folds: int, seed: int
) -> DrawnFolds:
    """Draw ``folds`` support sets for each number of ``shots``.

    Each (shots, fold, class) is drawn on its own: no draw depends on another one, on the order of
    the images, or on which other classes there are. A class needs one image more than the shots.

    Args:
        labels: the class of each image of the split, by image id.
        shots: numbers of support images per class.
        folds: support sets of each.
        seed: of the draw.

    Raises:
        InputError: no number of shots leaves two classes.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for image_id in sorted(labels):
        members[labels[image_id]].append(image_id)
    rows, excluded = [], []
    for count in sorted(set(shots)):
        large = [c for c in sorted(members) if len(members[c]) > count]
        excluded += [
            Dropped(key=c, reason=f"fewer than {count + 1} images, {count}-shot")
            for c in sorted(members.keys() - set(large))
        ]
        if len(large) < 2:
            continue
        for fold in range(folds):
            for class_id in large:
                draw = generator("few-shot", seed, count, fold, class_id)
                chosen = draw.choice(len(members[class_id]), size=count, replace=False)
                rows += [(count, fold, members[class_id][i]) for i in sorted(chosen)]
    if not rows:
        raise InputError(
            f"few-shot: with {min(shots)} or more support images per class, fewer than two classes "
            f"keep an image to judge (largest class: {max(map(len, members.values()), default=0)} "
            "images). Choose fewer shots, a larger split, or leave out the few_shot protocol."
        )
    columns = zip(*rows, strict=True)
    table = pa.table([pa.array(column) for column in columns], names=FOLDS.names)
    return DrawnFolds(table.cast(FOLDS), excluded)


def write_folds(path: Path | str, folds: DrawnFolds) -> None:
    """Write the support sets (schema ``FOLDS``)."""
    write_parquet(path, folds.table)


def read_folds(path: Path | str) -> dict[tuple[int, int], list[str]]:
    """Image ids of each support set, by (shots, fold)."""
    table = pl.from_arrow(read_table(path, FOLDS))
    assert isinstance(table, pl.DataFrame)
    sets: dict[tuple[int, int], list[str]] = defaultdict(list)
    for shots, fold, image_id in table.sort("shots", "fold", "image_id").iter_rows():
        sets[shots, fold].append(image_id)
    return dict(sets)


def nearest_centroid(
    support: Array, support_labels: Sequence[str], query: Array, query_ids: Sequence[str]
) -> list[str]:
    """The class of each query image by SimpleShot CL2N.

    Args:
        support: features [s, d] of length 1.
        support_labels: their s classes.
        query: features [q, d] of length 1.
        query_ids: q image ids; they settle equal distances (``ranking.rank``).
    """
    centre = support.mean(axis=0, keepdims=True, dtype=np.float64)
    centred = l2_normalise(support - centre)
    class_ids, rows = np.unique(np.asarray(support_labels), return_inverse=True)
    centroids = np.zeros((len(class_ids), support.shape[1]))
    np.add.at(centroids, rows, centred)
    centroids /= np.bincount(rows)[:, None]
    best: list[str] = []
    for start in range(0, len(query), CHUNK):
        part = l2_normalise(query[start : start + CHUNK] - centre)
        # |q - c|^2 = |q|^2 - 2 (q.c - |c|^2 / 2): the nearest centroid has the largest bracket
        scores = part @ centroids.T - (centroids**2).sum(axis=1) / 2
        order = rank(scores, query_ids[start : start + CHUNK], 1)[:, 0]
        best += class_ids[order].tolist()
    return best


def few_shot(
    images: ImageFeatures,
    labels: Mapping[str, str],
    folds: Mapping[tuple[int, int], Sequence[str]],
) -> dict[int, npt.NDArray[np.float64]]:
    """Accuracy of each fold, by number of shots.

    Each fold is judged on all images of its classes that do not support it.

    Raises:
        InputError: a support image is not of this split, or a class lacks support.
    """
    accuracies: dict[int, list[float]] = defaultdict(list)
    for (shots, fold), support_ids in sorted(folds.items()):
        unknown = [image_id for image_id in support_ids if image_id not in labels]
        if unknown:
            raise InputError(
                f"folds, {shots}-shot, fold {fold}: image {unknown[0]} is not in the split. Delete "
                "the folds file and draw it again."
            )
        support_labels = [labels[image_id] for image_id in support_ids]
        uneven = [c for c, n in Counter(support_labels).items() if n != shots]
        if uneven:
            raise InputError(
                f"folds, {shots}-shot, fold {fold}: class {uneven[0]} does not have {shots} "
                "support images. Delete the folds file and draw it again."
            )
        classes, support = set(support_labels), set(support_ids)
        query_ids = [i for i in images.image_ids if labels[i] in classes and i not in support]
        predicted = nearest_centroid(
            images.rows(list(support_ids)), support_labels, images.rows(query_ids), query_ids
        )
        hits = [labels[i] == p for i, p in zip(query_ids, predicted, strict=True)]
        accuracies[shots].append(float(np.mean(hits)))
    return {shots: np.asarray(values) for shots, values in accuracies.items()}
