"""Which split a caption belongs to, so that no training text appears in the test split."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from nicheclip.captions.repeats import normalised, read_by_clip
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import stable_hash
from nicheclip.schemas import EVERY_SPLIT
from nicheclip.terms import SPLITS

"""A description of the class that serves every split."""


@dataclass(frozen=True)
class Caption:
    """An accepted caption of a class."""

    class_id: str
    text: str


def partition(
    captions: list[Caption],
    images: Mapping[str, Mapping[str, int]],
    *,
    seed: int,
    descriptions: bool,
) -> list[str]:
    """The split of each caption.

    Equal texts (letter case, punctuation and what lies beyond CLIP's context aside) go to one
    split, over all classes. Within a class, captions are shared out in the order of a hash, in
    proportion to its images, and every split with images gets at least one.

    Args:
        captions: accepted ones, in order.
        images: class_id -> split -> number of images.
        seed: of the hash.
        descriptions: a class with a single caption uses it in every split (``EVERY_SPLIT``).

    Raises:
        InputError: a class has fewer captions to share out than splits with images.
    """
    groups = text_groups([caption.text for caption in captions])
    classes: dict[int, set[str]] = defaultdict(set)
    of_class: dict[str, set[int]] = defaultdict(set)
    for caption, group in zip(captions, groups, strict=True):
        classes[group].add(caption.class_id)
        of_class[caption.class_id].add(group)
    chosen = {
        group: EVERY_SPLIT
        for class_id, own in of_class.items()
        for group in own
        if not _splits(images, class_id) or (descriptions and len(own) == 1)
    }
    quotas = {
        class_id: _quotas(images[class_id], len(own - chosen.keys()))
        for class_id, own in of_class.items()
        if own - chosen.keys()
    }
    texts = {group: normalised(c.text) for c, group in zip(captions, groups, strict=True)}
    # Texts of several classes are the least free, so they choose first.
    order = sorted(
        classes.keys() - chosen.keys(),
        key=lambda group: (-len(classes[group]), stable_hash(seed, "split", texts[group])),
    )
    waiting = {(c, split) for c in quotas for split in _splits(images, c)}
    for group in order:
        own = classes[group] & quotas.keys()
        chosen[group] = max(SPLITS, key=lambda split: _need(split, own, waiting, quotas))
        for class_id in own:
            quotas[class_id][chosen[group]] -= 1
            waiting.discard((class_id, chosen[group]))
    _check(of_class, chosen, images)
    return [chosen[group] for group in groups]


def text_groups(texts: list[str]) -> list[int]:
    """A number for each text, equal for texts that are equal whole or as far as CLIP reads them."""
    parents = list(range(len(texts)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    first: dict[tuple[str, str], int] = {}
    for place, text in enumerate(texts):
        for key in (("whole", normalised(text)), ("read", read_by_clip(text))):
            parents[root(place)] = root(first.setdefault(key, place))
    return [root(place) for place in range(len(texts))]


def _splits(images: Mapping[str, Mapping[str, int]], class_id: str) -> list[str]:
    return [split for split in SPLITS if images.get(class_id, {}).get(split)]


def _need(
    split: str,
    class_ids: set[str],
    waiting: set[tuple[str, str]],
    quotas: Mapping[str, Mapping[str, int]],
) -> tuple[int, int]:
    """How much a split needs a text: first where it has none yet, then by what is due to it."""
    unserved = sum((class_id, split) in waiting for class_id in class_ids)
    return unserved, sum(quotas[class_id][split] for class_id in class_ids)


def _quotas(images: Mapping[str, int], captions: int) -> dict[str, int]:
    """``captions`` by split, in proportion to images (largest remainder), but none without."""
    splits = [split for split in SPLITS if images.get(split)]
    total = sum(images[split] for split in splits)
    exact = {split: captions * images[split] / total for split in splits}
    quotas = {split: int(exact.get(split, 0)) for split in SPLITS}
    by_remainder = sorted(splits, key=lambda split: quotas[split] - exact[split])
    for split in by_remainder[: captions - sum(quotas.values())]:
        quotas[split] += 1
    for split in splits:
        if quotas[split] == 0:
            quotas[max(splits, key=lambda other: quotas[other])] -= 1
            quotas[split] = 1
    return quotas


def _check(
    of_class: Mapping[str, set[int]],
    chosen: Mapping[int, str],
    images: Mapping[str, Mapping[str, int]],
) -> None:
    for class_id, groups in of_class.items():
        served = {chosen[group] for group in groups}
        missing = [split for split in _splits(images, class_id) if split not in served]
        if missing and EVERY_SPLIT not in served:
            raise InputError(
                f"captions: the class {class_id!r} has {len(groups)} different accepted captions, "
                f"not enough to give each of its splits {_splits(images, class_id)} one of its "
                f"own (without: {missing}). Ask for more samples, or loosen the gates."
            )
