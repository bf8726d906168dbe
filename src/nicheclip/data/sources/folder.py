"""A folder with one sub-folder per class."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nicheclip.config.sources import FolderSource
from nicheclip.data.sources.base import (
    Item,
    Part,
    SourceImage,
    SourceSetting,
    clean_label,
    is_image_name,
)
from nicheclip.data.sources.ranked_folders import ranked_class
from nicheclip.data.sources.split_folders import (
    are_splits,
    refuse_split_folders,
    refuse_splits_below,
)
from nicheclip.data.splits import normalise_split
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.paths import expand_path


@dataclass(frozen=True)
class FolderImages:
    """The images of a ``folder`` source, by class and then by path.

    Images may lie deeper than their class folder. Hidden files are passed over in silence.
    """

    source: FolderSource

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource``; a part takes every so many files."""
        root = expand_path(self.source.path)
        self._look_for_splits(root)
        for place, (path, problem) in enumerate(walk(root)):
            if not part.holds(place):
                continue
            key = path.relative_to(root).as_posix()
            if problem:
                yield place, Dropped(key=printable(key), reason=problem)
            else:
                yield place, self._image(path, key)

    def _look_for_splits(self, root: Path) -> None:
        """Stop at folders that are called like splits and that the config says nothing of."""
        if not _is(Path.is_dir, root):
            raise InputError(
                f"{root}: no such folder. Set 'path' to the folder that holds the class folders."
            )
        if self.source.split_folders is not None:
            return
        classes = _folders(root)
        if are_splits(classes):
            refuse_split_folders(classes, where=str(root), option="split_folders")
        for name in [] if self.source.ranks else classes:
            if are_splits(below := _folders(root / name)):
                refuse_splits_below(below, where=_short(root / name))

    def _image(self, path: Path, key: str) -> SourceImage | Dropped:
        folders = key.split("/")[:-1]
        if not is_image_name(path.name):
            return Dropped(key=key, reason="not an image file")
        if self.source.split_folders == "below_class":
            return self._of_class_and_split(path, key, folders)
        depth = int(bool(self.source.split_folders))
        below = folders[depth:]
        if len(below) < max(1, len(self.source.ranks)):
            wanted = f"{len(self.source.ranks)} folders of ranks" if self.source.ranks else ""
            return Dropped(key=key, reason=f"not in {wanted or 'a class folder'}")
        split = normalise_split(folders[0], where=str(path)) if depth else None
        data = bytes_of(path, key)
        if isinstance(data, Dropped):
            return data
        if self.source.ranks:
            label, lineage = ranked_class(below, self.source.ranks)
            return SourceImage(key, data, label, split, lineage=lineage)
        label = below[0] if self.source.class_folder == "first" else below[-1]
        return SourceImage(key, data, clean_label(label), split)

    def _of_class_and_split(
        self, path: Path, key: str, folders: list[str]
    ) -> SourceImage | Dropped:
        if len(folders) < 2:
            return Dropped(key=key, reason="not in a split folder below its class")
        split = normalise_split(folders[1], where=str(path))
        data = bytes_of(path, key)
        if isinstance(data, Dropped):
            return data
        return SourceImage(key, data, clean_label(folders[0]), split)


def bytes_of(path: Path, key: str) -> bytes | Dropped:
    """What is in a file, or why it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        return Dropped(key=key, reason=f"cannot be read ({error.strerror})")


def _folders(folder: Path) -> list[str]:
    """The names of the folders in ``folder`` that are not hidden."""
    return [
        one.name for one in _listed(folder) if _is(os.DirEntry.is_dir, one) and one.name[0] != "."
    ]


def walk(root: Path) -> Iterator[tuple[Path, str | None]]:
    """Every file below ``root``, each folder in order of its names, with the reason to refuse it
    or None; hidden ones are passed over."""
    real = root.resolve()
    waiting = [*reversed(_listed(root))]
    while waiting:
        entry = waiting.pop()
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if printable(entry.name) != entry.name:
            yield path, "name is not UTF-8"
        elif entry.is_symlink() and (problem := _bad_link(path, real)):
            yield path, problem
        elif _is(os.DirEntry.is_dir, entry):
            waiting += reversed(_listed(path))
        else:
            yield path, None if _is(os.DirEntry.is_file, entry) else "not a regular file"


def _listed(folder: Path) -> list["os.DirEntry[str]"]:
    """What is in ``folder``, in order of the names' bytes.

    Raises:
        InputError: it cannot be looked into.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        raise InputError(
            f"{_short(folder)}: the folder cannot be read ({error.strerror}). Correct its "
            "permissions or its place, or take it out of the images."
        ) from error


def _bad_link(path: Path, root: Path) -> str | None:
    try:
        target = path.resolve()
    except (OSError, RuntimeError):  # Python before 3.13 raises the latter for a loop
        return "link that leads nowhere"
    if not target.is_relative_to(root):
        return "link that leaves the folder"
    return "link to a folder" if _is(Path.is_dir, target) else None


def _is(kind: Callable[[Any], bool], path: Any) -> bool:
    """Whether ``path`` is of a kind; what cannot be asked, as with a path that is too long, not."""
    try:
        return kind(path)
    except (OSError, ValueError):
        return False


def _short(path: Path) -> str:
    """``path`` as an error message can show it."""
    text = str(path)
    return printable(text if len(text) <= 300 else f"{text[:200]}... ({len(text)} letters)")


def printable(name: str) -> str:
    """``name`` with what is not UTF-8 written out."""
    return name.encode(errors="backslashreplace").decode()


def open_images(source: FolderSource, setting: SourceSetting) -> FolderImages:
    """The images of ``source``."""
    del setting
    return FolderImages(source)
