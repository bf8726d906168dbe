"""Train, validation and test: by a hash of the image's id, or as the source says."""

from collections.abc import Sequence

from nicheclip.config.data import SplitConfig
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import unit_interval

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def normalise_split(text: str, *, where: str) -> str:
    """``train``, ``val`` or ``test`` for the usual spellings of them.

    Raises:
        InputError: another word; ``where`` names the file, row or folder.
    """
    split = SPLIT_NAMES.get(text.strip().lower())
    if split is None:
        raise InputError(
            f"{where}: the split {text!r} is none of {', '.join(SPLIT_NAMES)}. Correct it, or use "
            "the split method 'hash' without split names."
        )
    return split


def given_split(split: str | None, *, key: str) -> str:
    """The source's split of the image ``key``.

    Raises:
        InputError: the source has none.
    """
    if split is None:
        raise InputError(
            f"{key}: the split method is 'given', but the source names no split for this image. "
            "Complete the source, or use the split method 'hash'."
        )
    return split


def hash_splits(
    image_ids: Sequence[str], class_ids: Sequence[str], config: SplitConfig, *, seed: int
) -> list[str]:
    """The split of each image, from its own id only, so that added images move no other.

    Each class is cut at the same points of [0, 1), hence in the same proportions up to chance.
    The first image of a class in the order of the hash always trains, which matters for the very
    small classes that would otherwise have no training image.
    """
    places = [unit_interval(seed, "split", image_id) for image_id in image_ids]
    first: dict[str, int] = {}
    for i, class_id in enumerate(class_ids):
        if class_id not in first or places[i] < places[first[class_id]]:
            first[class_id] = i
    forced = set(first.values())
    return ["train" if i in forced else _split_at(place, config) for i, place in enumerate(places)]


def _split_at(place: float, config: SplitConfig) -> str:
    if place < 1 - config.val - config.test:
        return "train"
    return "val" if place < 1 - config.test else "test"
