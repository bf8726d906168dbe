"""A folder of images of which nobody has written down what they show."""

from collections.abc import Iterator
from dataclasses import dataclass

from nicheclip.config.sources import UnlabelledSource
from nicheclip.data.sources.base import Item, Part, SourceImage, SourceSetting, is_image_name
from nicheclip.data.sources.folder import bytes_of, printable, walk
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.paths import expand_path
from nicheclip.terms import UNLABELLED


@dataclass(frozen=True)
class UnlabelledImages:
    """The images of an ``unlabelled`` source, by path; hidden files are passed over in silence."""

    source: UnlabelledSource

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource``; a part takes every so many files."""
        root = expand_path(self.source.path)
        if not root.is_dir():
            raise InputError(f"{root}: no such folder. Set 'path' to the folder with the images.")
        for place, (path, problem) in enumerate(walk(root)):
            if not part.holds(place):
                continue
            key = path.relative_to(root).as_posix()
            if problem or not is_image_name(path.name):
                yield place, Dropped(key=printable(key), reason=problem or "not an image file")
                continue
            data = bytes_of(path, key)
            image = data if isinstance(data, Dropped) else SourceImage(key, data, UNLABELLED)
            yield place, image


def open_images(source: UnlabelledSource, setting: SourceSetting) -> UnlabelledImages:
    """The images of ``source``."""
    del setting
    return UnlabelledImages(source)
