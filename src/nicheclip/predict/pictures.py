"""The images that a person names, as views for a model; what cannot be read is said, not raised."""

import glob
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from nicheclip.config.data import ImageConfig
from nicheclip.data.images import BadImageError, is_kept_as_it_is, normalise
from nicheclip.data.sources.base import is_image_name
from nicheclip.data.sources.folder import printable, walk
from nicheclip.models.views import Pixels, decode
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path

#: an image as a person has it: its file, its bytes, or what Pillow opened
Picture = Path | str | bytes | Image.Image

#: what marks a pattern of file names
_PATTERN = "*?["


@dataclass(frozen=True)
class Found:
    """Files of images, and what was named but is none."""

    files: list[Path]
    problems: dict[str, str]
    """The reason by file."""
    others: int
    """Files in folders whose names are not those of images."""


def find_images(names: Sequence[str]) -> Found:
    """The files that ``names`` stand for, each once, in their order.

    Args:
        names: files, folders (with all below them) and patterns (``photos/**/*.jpg``).

    Raises:
        InputError: a name stands for nothing, or no image is found at all.
    """
    files: dict[Path, None] = {}
    problems: dict[str, str] = {}
    others = 0
    for name in names:
        path = expand_path(name)
        if path.is_dir():
            for file, problem in walk(path):
                if problem and (is_image_name(file.name) or file.is_symlink()):
                    problems[printable(str(file))] = problem
                elif problem is None and is_image_name(file.name):
                    files[file] = None
                else:
                    others += 1
        elif path.exists():
            files[path] = None
        elif any(sign in name for sign in _PATTERN):
            matched = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - absolute too
            files |= {Path(one): None for one in matched if Path(one).is_file()}
            if not matched:
                raise InputError(f"{name}: no file matches this pattern. Correct it.")
        else:
            raise InputError(
                f"{name}: there is no such file or folder. Give images, folders or patterns such "
                "as 'photos/**/*.jpg'."
            )
    if not files and not problems:
        raise InputError(
            f"{', '.join(names)}: no image; {others} other files. Images are known by their "
            "suffixes, such as .jpg, .png or .tif; name other files one by one."
        )
    return Found(list(files), problems, others)


def picture_bytes(picture: Path | str | bytes, config: ImageConfig) -> bytes:
    """The image as the workflow would store it: an upright RGB JPEG or PNG.

    Raises:
        BadImageError: it cannot be read; the message is the reason.
    """
    if not isinstance(picture, bytes):
        try:
            picture = Path(picture).read_bytes()
        except OSError as error:
            raise BadImageError(f"cannot be read ({error.strerror})") from error
    return picture if is_kept_as_it_is(picture, config) else normalise(picture, config).encoded


def pixels_of(picture: Picture, config: ImageConfig) -> Pixels:
    """RGB [height, width, 3], the pixels that evaluations see of the same image.

    Raises:
        BadImageError: it cannot be read; the message is the reason.
    """
    if isinstance(picture, Image.Image):
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    data = picture_bytes(picture, config)
    try:
        return decode(data, name="", where="image")
    except InputError:  # a JPEG whose header alone is whole
        return decode(normalise(data, config).encoded, name="", where="image")


def views(
    pictures: Iterable[Picture],
    view: Callable[[Pixels], Pixels],
    config: ImageConfig,
    *,
    batch_size: int,
    threads: int,
) -> Iterator[list[Pixels | str]]:
    """Batches of views; a text, the reason, in the place of what cannot be read.

    The next batch is decoded while the caller uses this one.
    """

    def load(picture: Picture) -> Pixels | str:
        try:
            return view(pixels_of(picture, config))
        except BadImageError as error:
            return str(error)

    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        ahead: list[Any] = []
        for batch in _batches(pictures, batch_size):
            ahead.append([pool.submit(load, one) for one in batch])
            if len(ahead) > 1:
                yield [one.result() for one in ahead.pop(0)]
        for last in ahead:
            yield [one.result() for one in last]


def _batches(pictures: Iterable[Picture], size: int) -> Iterator[list[Picture]]:
    rest = iter(pictures)
    while batch := list(islice(rest, size)):
        yield batch
