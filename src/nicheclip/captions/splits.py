"""Which split a caption belongs to, so that no training text appears in the test split.

Captions are numbers here, some bytes each: of the class, and of the group of equal texts.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nicheclip.runtime.errors import InputError
from nicheclip.schemas import EVERY_SPLIT
from nicheclip.terms import SPLITS

Numbers = NDArray[np.int64]
Keys = NDArray[np.uint64]

PLACES = (*SPLITS, EVERY_SPLIT)
"""What the number of a split stands for."""

EVERY = PLACES.index(EVERY_SPLIT)
OPEN = -1
"""The split of a text that is not shared out yet."""

#: a class's images in each of ``SPLITS``
Images = Sequence[int]


def text_groups(whole: Keys, read: Keys) -> Numbers:
    """A number for each text, equal for texts that are equal whole or as far as CLIP reads them.

    Args:
        whole: see ``repeats.TextKeys``.
        read: likewise.
    """
    _, groups = np.unique(whole, return_inverse=True)
    if np.array_equal(whole, read) or not len(whole):
        return groups.astype(np.int64)
    from scipy.sparse import coo_array  # takes a while to import, and most texts are short
    from scipy.sparse.csgraph import connected_components

    _, others = np.unique(read, return_inverse=True)
    size = int(groups.max() + others.max()) + 2
    links = (np.ones(len(groups), bool), (groups, groups.max() + 1 + others))
    labels = connected_components(coo_array(links, (size, size)), directed=False)[1]
    return np.unique(labels[groups], return_inverse=True)[1].astype(np.int64)


def first_takes(groups: Numbers, splits: Numbers) -> Numbers:
    """The split of the first text of each one's group, where each text has one already."""
    _, first, places = np.unique(groups, return_index=True, return_inverse=True)
    return splits[first][places]


def partition(
    classes: Numbers,
    groups: Numbers,
    order: Keys,
    *,
    class_ids: Sequence[str],
    images: Mapping[str, Images],
    descriptions: bool,
) -> Numbers:
    """The split of each caption, a place in ``PLACES``.

    Equal texts go to one split, over all classes. Within a class, captions are shared out in the
    order of their keys, in proportion to its images, and every split with images gets at least one.

    Args:
        classes: place of each caption's class in ``class_ids``.
        groups: of ``text_groups``, from 0 without gaps.
        order: a key of each text; that of a group is its last one's.
        class_ids: of the classes.
        images: of each class.
        descriptions: a class with a single caption uses it in every split (``EVERY_SPLIT``).

    Raises:
        InputError: a class has fewer captions to share out than splits with images.
    """
    if not len(classes):
        return groups
    count = int(groups.max()) + 1
    key = np.zeros(count, np.uint64)
    key[groups] = order
    # each text of each class once, by class and then in the order of the keys
    pairs = np.unique(np.stack([classes, groups], axis=1), axis=0)
    pairs = pairs[np.lexsort((key[pairs[:, 1]], pairs[:, 0]))]
    sharing = np.bincount(pairs[:, 1], minlength=count)
    chosen = np.full(count, OPEN, np.int64)
    for class_id, own in _by_class(pairs, class_ids):
        if not any(images.get(class_id, ())) or (descriptions and len(own) == 1):
            chosen[own] = EVERY
    needs = {}
    shared: dict[int, list[str]] = {}
    for class_id, own in _by_class(pairs, class_ids):
        rest = own[chosen[own] == OPEN]
        if (sharing[rest] > 1).any():
            needs[class_id] = _Need(images[class_id], len(rest))
            for group in rest[sharing[rest] > 1].tolist():
                shared.setdefault(group, []).append(class_id)
    # Texts of several classes are the least free, so they choose first.
    for group in sorted(shared, key=lambda one: (-int(sharing[one]), int(key[one]))):
        own_needs = [needs[class_id] for class_id in shared[group]]
        chosen[group] = max(range(len(SPLITS)), key=lambda split: _urgency(split, own_needs))
        for need in own_needs:
            need.take(int(chosen[group]))
    for class_id, own in _by_class(pairs, class_ids):
        rest = own[chosen[own] == OPEN]
        if len(rest):
            need = needs.get(class_id) or _Need(images[class_id], len(rest))
            chosen[rest] = [need.take_most_urgent() for _ in range(len(rest))]
        _check(class_id, chosen[own], images)
    return chosen[groups]


def _by_class(pairs: Numbers, class_ids: Sequence[str]) -> Iterator[tuple[str, Numbers]]:
    """The id of each class and its groups; ``pairs`` [n, 2] is sorted by class."""
    starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(pairs)], strict=True):
        yield class_ids[pairs[start, 0]], pairs[start:end, 1]


class _Need:
    """What the splits of a class still need."""

    def __init__(self, images: Images, captions: int) -> None:
        self.due = _quotas(images, captions)
        """Captions, by split."""
        self.waiting = [number > 0 for number in images]
        """Has images and no caption yet, by split."""

    def take(self, split: int) -> None:
        self.due[split] -= 1
        self.waiting[split] = False

    def take_most_urgent(self) -> int:
        split = max(range(len(SPLITS)), key=lambda one: (self.waiting[one], self.due[one]))
        self.take(split)
        return split


def _urgency(split: int, needs: Sequence[_Need]) -> tuple[int, int]:
    """How much a split needs a text: first where it has none yet, then by what is due to it."""
    return sum(one.waiting[split] for one in needs), sum(one.due[split] for one in needs)


def _quotas(images: Images, captions: int) -> list[int]:
    """``captions`` by split, in proportion to images (largest remainder), but none without."""
    splits = [split for split, number in enumerate(images) if number]
    exact = [captions * number / sum(images) for number in images]
    quotas = [int(one) for one in exact]
    by_remainder = sorted(splits, key=lambda split: quotas[split] - exact[split])
    for split in by_remainder[: captions - sum(quotas)]:
        quotas[split] += 1
    for split in splits:
        if quotas[split] == 0:
            quotas[max(range(len(SPLITS)), key=lambda other: quotas[other])] -= 1
            quotas[split] = 1
    return quotas


def _check(class_id: str, chosen: Numbers, images: Mapping[str, Images]) -> None:
    """Every split of the class with images has a text."""
    served = set(chosen.tolist())
    splits = [split for split, number in enumerate(images.get(class_id, ())) if number]
    missing = [SPLITS[split] for split in splits if split not in served]
    if missing and EVERY not in served:
        raise InputError(
            f"captions: the class {class_id!r} has {len(chosen)} different accepted captions, "
            f"not enough to give each of its splits {[SPLITS[split] for split in splits]} one of "
            f"its own (without: {missing}). Ask for more samples, or loosen the gates."
        )
