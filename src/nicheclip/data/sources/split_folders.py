"""Folders that are called like splits, where the config does not say what they are."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from nicheclip.data.splits import SPLIT_NAMES, normalise_split
from nicheclip.runtime.errors import InputError


def named_splits(folders: Iterable[str]) -> dict[str, str]:
    """The folders that are called like splits, with the split that each stands for."""
    found = {folder: SPLIT_NAMES.get(folder.strip().lower()) for folder in folders}
    return {folder: split for folder, split in found.items() if split}


def are_splits(folders: Sequence[str]) -> bool:
    """Whether folders side by side seem to be splits: all, or some of different splits."""
    splits = named_splits(folders)
    return bool(splits) and (len(splits) == len(folders) or len(set(splits.values())) > 1)


def refuse_splits_below(folders: Iterable[str], *, where: str) -> NoReturn:
    """Stop at folders of splits in the folder of a class, whose images would be pooled.

    Raises:
        InputError: always.
    """
    names = ", ".join(map(repr, named_splits(folders)))
    raise InputError(
        f"{where}: {names} in the folder of a class is called "
        "like a split. If it is one, set split_folders: below_class in the source, and split: "
        "{method: given} in the data set. If it is none, or all images are to be pooled and drawn "
        "anew, set split_folders: false."
    )


def refuse_split_folders(folders: Iterable[str], *, where: str, option: str) -> None:
    """Stop at folders that are called like splits.

    Args:
        folders: that nobody has said to be classes or splits.
        where: names what has them.
        option: the key of the source that says what they are.

    Raises:
        InputError: one of them is called like a split.
    """
    if names := named_splits(folders):
        raise InputError(
            f"{where}: {', '.join(map(repr, names))} is called like a split. If classes lie below "
            f"it, set {option}: true in the source, and split: {{method: given}} in the data set. "
            f"If it is a class, or the split is to be drawn anew, set {option}: false."
        )


def folder_split(folder: str, option: bool | Mapping[str, str], *, where: str) -> str:
    """The split that ``folder`` stands for, by the usual words or by a mapping.

    Raises:
        InputError: it stands for none; ``where`` names the image.
    """
    if isinstance(option, bool):
        return normalise_split(folder, where=where)
    if folder not in option:
        raise InputError(
            f"{where}: the folder {folder!r} is none of {', '.join(option)}, which the reader's "
            "split_folders says to be splits. Add it there."
        )
    return option[folder]
