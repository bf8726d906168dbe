"""A folder with one sub-folder per class."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nicheclip.config.sources import FolderSource
from nicheclip.data.sources.base import (
    Item,
    Part,
    SourceImage,
    SourceSetting,
    clean_label,
    is_image_name,
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
        if not root.is_dir():
            raise InputError(
                f"{root}: no such folder. Set 'path' to the folder that holds the class folders."
            )
        for place, (path, problem) in enumerate(_walk(root, root)):
            if not part.holds(place):
                continue
            key = path.relative_to(root).as_posix()
            if problem:
                yield place, Dropped(key=_printable(key), reason=problem)
            else:
                yield place, self._image(path, key)

    def _image(self, path: Path, key: str) -> SourceImage | Dropped:
        folders = key.split("/")[:-1]
        if not is_image_name(path.name):
            return Dropped(key=key, reason="not an image file")
        depth = int(self.source.split_folders)
        if len(folders) <= depth:
            return Dropped(key=key, reason="not in a class folder")
        split = normalise_split(folders[0], where=str(path)) if depth else None
        try:
            data = path.read_bytes()
        except OSError as error:
            return Dropped(key=key, reason=f"cannot be read ({error.strerror})")
        return SourceImage(key, data, clean_label(folders[depth]), split)


def _walk(folder: Path, root: Path) -> Iterator[tuple[Path, str | None]]:
    """Every file below ``folder`` in order of its name, with the reason to refuse it or None."""
    for path in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
        if path.name.startswith("."):
            continue
        if _printable(path.name) != path.name:
            yield path, "name is not UTF-8"
        elif path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            yield path, "link that leaves the folder"
        elif path.is_symlink() and path.is_dir():
            yield path, "link to a folder"
        elif path.is_dir():
            yield from _walk(path, root)
        elif path.is_file():
            yield path, None
        else:
            yield path, "not a regular file"


def _printable(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()


def open_images(source: FolderSource, setting: SourceSetting) -> FolderImages:
    """The images of ``source``."""
    del setting
    return FolderImages(source)
