"""Views: what a model is shown of an image. Decoded once, cut as often as needed.

Training, adaptation, evaluation and prediction cut with these functions alone, so that they show a
model the same pixels. An image is uint8 [height, width, 3], a view uint8 [3, h, w]; ``Normalise``
comes after, on the model's device.

The centre view is open_clip's, bit by bit. Random crops that are shrunk are resized by torch, which
is faster than Pillow and differs from it in the last bit of few pixels; only at the edges Pillow's
``box`` sees what lies beyond the crop, and torch does not. Crops that are enlarged stay Pillow's.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor
from torch.nn import functional

from nicheclip.models.features import IMAGES_AGAIN
from nicheclip.models.openclip import Clip, open_clip
from nicheclip.models.rand_augment import rand_augment
from nicheclip.runtime.errors import reading

ASPECT_RATIOS = (3 / 4, 4 / 3)
LOG_RATIOS = tuple(np.log(ASPECT_RATIOS).tolist())
CROP_ATTEMPTS = 10

#: what torch calls the filters that it has too
TORCH_MODES = {Image.Resampling.BICUBIC: "bicubic", Image.Resampling.BILINEAR: "bilinear"}

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ViewSettings:
    """What a model expects of its images; light, for worker processes."""

    size: tuple[int, int]
    """Height and width of the input in pixels."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"
    """Of the centre view, as open_clip has it: ``shortest`` resizes the shorter side and cuts the
    centre, ``longest`` resizes the longer side and pads, ``squash`` distorts."""
    fill: int = 0
    """Of the padding."""

    @classmethod
    def of(cls, clip: Clip) -> "ViewSettings":
        """Those of ``clip``."""
        found = open_clip.transform.PreprocessCfg(**clip.model.visual.preprocess_cfg)
        return cls(
            _both(found.size),
            clip.mean,
            clip.std,
            found.interpolation,
            found.resize_mode,
            found.fill_color,
        )

    @property
    def resampling(self) -> Image.Resampling:
        """Of random views; open_clip's ``random`` is bicubic here."""
        return Image.Resampling.__members__.get(
            self.interpolation.upper(), Image.Resampling.BICUBIC
        )


def _both(size: Any) -> tuple[int, int]:
    height, width = size if isinstance(size, tuple | list) else (size, size)
    return int(height), int(width)


class Normalise(torch.nn.Module):
    """From views uint8 [..., 3, h, w] to what a model takes: in 0..1, less mean, by deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self, settings: ViewSettings) -> None:
        super().__init__()
        for name, values in (("mean", settings.mean), ("std", settings.std)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, views: Tensor) -> Tensor:
        """float32, of the same shape."""
        normalised: Tensor = (views.float() / 255 - self.mean) / self.std
        return normalised


def decode(data: bytes, *, name: str, where: object) -> Pixels:
    """[height, width, 3]: the RGB image ``name`` of ``where``.

    JPEG as it is stored is decoded by libjpeg-turbo right into the array, to the pixels that Pillow
    gives, which has the same library and copies them twice more. What it complains of is for Pillow
    to judge, which every stored image has passed.

    Raises:
        InputError: ``data`` is not a whole image.
    """
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data)
    except ValueError:
        with (
            reading(f"{where}: image {name}", "a whole image", IMAGES_AGAIN),
            Image.open(io.BytesIO(data)) as encoded,
        ):
            return np.array(encoded.convert("RGB"))
    return pixels


def centre_view(settings: ViewSettings) -> Callable[[Pixels], Pixels]:
    """The view of evaluation: open_clip's own resizing and cutting for the model."""
    config = open_clip.transform.PreprocessCfg(
        size=settings.size,
        interpolation=settings.interpolation,
        resize_mode=settings.resize_mode,
        fill_color=settings.fill,
    )
    whole: Any = open_clip.transform.image_transform_v2(config, is_train=False)
    # What comes before the step to a tensor works on PIL images.
    steps = [step for step in whole.transforms if not _makes_tensors(step)]

    def cut(pixels: Pixels) -> Pixels:
        if pixels.shape[:2] == settings.size:
            return pixels.transpose(2, 0, 1)
        image = Image.fromarray(pixels)
        for step in steps:
            image = step(image)
        return channels_first(image)

    return cut


def _makes_tensors(step: Any) -> bool:
    return type(step).__name__ in ("ToTensor", "MaybeToTensor", "Normalize")


def random_view(
    image: Pixels,
    settings: ViewSettings,
    random: np.random.Generator,
    *,
    scale: tuple[float, float],
    flip: bool = False,
    rotate: bool = False,
) -> Pixels:
    """A random resized crop.

    Args:
        image: decoded.
        settings: of the model.
        random: draws crop, flip and turn, in this order.
        scale: range of the crop's area, as a share of the image.
        flip: mirror left and right with probability one half.
        rotate: turn by a random multiple of 90 degrees.
    """
    pixels = _resized(image, random_crop(_size(image), scale, random), settings)
    if flip and random.random() < 0.5:
        pixels = pixels[:, :, ::-1]
    if rotate:
        pixels = np.rot90(pixels, int(random.integers(4)), axes=(1, 2))
    return np.ascontiguousarray(pixels)


def strong_view(
    image: Pixels,
    settings: ViewSettings,
    random: np.random.Generator,
    *,
    scale: tuple[float, float] = (0.2, 1.0),
) -> Pixels:
    """MoCo v2's augmentation (Chen et al. 2020, arXiv 2003.04297, section 3): crop, flip, colour
    jitter (0.4, 0.4, 0.4, 0.1) with probability 0.8, grey 0.2, blur (sigma 0.1 to 2) 0.5.
    """
    view = Image.fromarray(
        random_view(image, settings, random, scale=scale, flip=True).transpose(1, 2, 0)
    )
    if random.random() < 0.8:
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            view = enhance(view).enhance(float(random.uniform(0.6, 1.4)))
        view = hue_turned(view, float(random.uniform(-0.1, 0.1)))
    if random.random() < 0.2:
        view = ImageOps.grayscale(view).convert("RGB")
    if random.random() < 0.5:
        view = view.filter(ImageFilter.GaussianBlur(float(random.uniform(0.1, 2.0))))
    return channels_first(view)


def rand_augment_view(
    image: Pixels,
    settings: ViewSettings,
    random: np.random.Generator,
    *,
    scale: tuple[float, float] = (0.3, 1.0),
) -> Pixels:
    """A random resized crop, a flip and RandAugment; what comes into view has the mean colour."""
    view = Image.fromarray(
        random_view(image, settings, random, scale=scale, flip=True).transpose(1, 2, 0)
    )
    red, green, blue = (round(255 * value) for value in settings.mean)
    return channels_first(rand_augment(view, random, (red, green, blue)))


def hue_turned(image: Image.Image, share: float) -> Image.Image:
    """``image`` with its hue turned by ``share`` of the circle."""
    hsv = np.asarray(image.convert("HSV")).copy()
    hsv[..., 0] += np.uint8(round(share * 255) % 256)
    return Image.fromarray(hsv, "HSV").convert("RGB")


def random_crop(
    size: tuple[int, int], scale: tuple[float, float], random: np.random.Generator
) -> Box:
    """The box of a random resized crop: area uniform in ``scale`` as a share of the image, aspect
    ratio log-uniform in 3:4 to 4:3, redrawn up to ten times until it fits; else the largest central
    box within those ratios.
    """
    width, height = size
    for _ in range(CROP_ATTEMPTS):
        area = width * height * random.uniform(*scale)
        ratio = float(np.exp(random.uniform(*LOG_RATIOS)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left = int(random.integers(width - w + 1))
            top = int(random.integers(height - h + 1))
            return left, top, left + w, top + h
    low, high = ASPECT_RATIOS
    w_most, h_most = min(width, height * high), min(height, width / low)
    left_edge, top_edge = (width - w_most) / 2, (height - h_most) / 2
    return left_edge, top_edge, left_edge + w_most, top_edge + h_most


def _resized(image: Pixels, box: Box, settings: ViewSettings) -> Pixels:
    """The part of ``image`` in ``box``, with antialiasing."""
    height, width = settings.size
    left, top, right, bottom = (int(edge) for edge in box)
    whole = (left, top, right, bottom) == box
    mode = TORCH_MODES.get(settings.resampling)
    if mode and whole and right - left > width and bottom - top > height:
        part = torch.from_numpy(image[top:bottom, left:right]).permute(2, 0, 1)[None]
        shrunk = functional.interpolate(part, settings.size, mode=mode, antialias=True)
        return shrunk[0].numpy()
    resized = Image.fromarray(image).resize((width, height), settings.resampling, box=box)
    return channels_first(resized)


def _size(image: Pixels) -> tuple[int, int]:
    """Width and height."""
    return image.shape[1], image.shape[0]


def channels_first(image: Image.Image) -> Pixels:
    """The pixels [3, h, w]."""
    return np.asarray(image).transpose(2, 0, 1)
