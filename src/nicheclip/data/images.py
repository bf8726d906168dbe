"""Any image a person may bring, as an upright RGB JPEG or PNG."""

import io
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from nicheclip.config.data import ImageConfig
from nicheclip.data.perceptual_hash import ENOUGH, perceptual_hash
from nicheclip.data.plain_jpeg import decoded, eighths, plain_size
from nicheclip.data.resize import Extent, Size, resized, stored_size
from nicheclip.data.transparency import over_white

# Pillow registers most formats lazily; `formats=` works only after this call.
Image.init()
# Its own bound knows no config; `image.max_pixels` is asked before anything is decoded.
Image.MAX_IMAGE_PIXELS = None
try:  # the extra `heic`
    import pillow_heif

    pillow_heif.register_heif_opener()
except ImportError:
    pass

#: formats that are opened; Pillow knows others that call outside programs
FORMATS = tuple(
    name
    for name in (
        *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "PPM"),
        *("AVIF", "HEIF"),  # where Pillow or the extra can
    )
    if name in Image.OPEN
)

#: formats that store pixels as they are; of WebP only some files do
LOSSLESS = ("PNG", "BMP", "GIF", "TIFF", "PPM")
#: stands at byte 12 of a lossless WebP
_LOSSLESS_WEBP = b"VP8L"

#: how files of formats begin that only some installations open: bytes 4 to 12, and what to say
_OPTIONAL = {
    "HEIF": (
        (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypheim", b"ftypmif1"),
        "HEIC: pip install 'nicheclip[heic]'",
    ),
    "AVIF": ((b"ftypavif", b"ftypavis"), "AVIF: pip install 'pillow>=11.3'"),
}

#: images above this are decoded one at a time, whatever the threads: each takes up to 10 bytes a
#: pixel
LARGE_PIXELS = 16_000_000
_large = threading.Lock()

#: the longest side that a JPEG can have
MAX_JPEG_SIDE = 65_500


_ORIENTATION_TAG = 0x0112
#: orientations that exchange width and height
_QUARTER_TURNS = range(5, 9)


class BadImageError(ValueError):
    """The bytes are not an image that can be used; the message is the reason."""


@dataclass(frozen=True)
class NormalisedImage:
    """An upright RGB image."""

    encoded: bytes
    width: int
    height: int
    converted: tuple[str, ...]
    """What was changed; empty where the bytes are the source's own."""
    phash: int | None
    """See ``perceptual_hash``; of the whole image, also where its centre is stored. None where no
    pixel was decoded."""


def normalise(data: bytes, config: ImageConfig) -> NormalisedImage:
    """Turn the encoded image ``data`` into an upright RGB JPEG or PNG.

    An RGB JPEG that needs no turn and no resizing passes byte for byte, and so does a PNG of at
    most ``config.lossless_pixels``. Other lossless images of that size become PNG, all the rest
    JPEG. Other colour modes become RGB (alpha over white, 16 bits by their upper 8), EXIF
    orientation is applied, the colour profile is dropped, an animation gives its first frame.

    Every image is decoded to its end, unless ``config.check`` is `header`: then those that pass
    byte for byte are known by their headers alone. What is no image is found, what is truncated or
    damaged further on is not. Of a JPEG that passes, the brightness alone, of which the perceptual
    hash is, becomes pixels, but all is read. A JPEG of which fewer pixels are wanted
    (``config.resize``, or ``config.check`` `scaled`) is decoded at some eighths of its size.

    Raises:
        BadImageError: no bytes, no known format, truncated, damaged, or too many pixels.
    """
    plain = _of_plain_jpeg(data, config)
    if plain is not None:
        return plain
    image, reasons = _open(data, config)
    if config.check == "header" and _is_kept(image, reasons, config):
        return NormalisedImage(data, *image.size, (), None)
    with _one_large(size := image.size):
        extent = _decode_less(image, reasons, config)
        _decode(image, reasons)
        return _normalised(image, data, (size, extent), reasons, config)


def _of_plain_jpeg(data: bytes, config: ImageConfig) -> NormalisedImage | None:
    """``normalise`` of what most photographs are, without Pillow; None is for it to judge."""
    size = plain_size(data)
    if size is None or size[0] * size[1] > config.max_pixels:
        return None
    target = stored_size(size, config)
    kept = target == size
    if kept and config.check == "header":
        return NormalisedImage(data, *size, (), None)
    fewer = config.check == "scaled" if kept else config.resize is not None
    scale = eighths(size, ENOUGH if kept else target) if fewer else 8
    with _one_large(size):
        image = decoded(data, size, scale=scale, grey=kept)
        if image is None:
            return None
        if kept:
            return NormalisedImage(data, *size, (), perceptual_hash(image))
        extent = size[0] * scale / 8, size[1] * scale / 8
        return _encoded(image, target, extent, ["size"], config)


def _one_large(size: Size) -> AbstractContextManager[object]:
    return _large if size[0] * size[1] > LARGE_PIXELS else nullcontext()


def is_kept_as_it_is(data: bytes, config: ImageConfig) -> bool:
    """Whether ``normalise`` keeps the bytes of ``data``, by its header alone: what follows may be
    damaged.

    Raises:
        BadImageError: no bytes, no known format, or too many pixels.
    """
    image, reasons = _open(data, config)
    return _is_kept(image, reasons, config)


def _is_kept(image: Image.Image, reasons: list[str], config: ImageConfig) -> bool:
    fits = stored_size(image.size, config) == image.size
    plain = image.mode == "RGB" and "transparency" not in image.info
    return fits and plain and not reasons and _orientation(image) not in range(2, 9)


def _decode_less(image: Image.Image, reasons: list[str], config: ImageConfig) -> Extent:
    """Let a JPEG be decoded at the least scale that has the pixels that are wanted; the width and
    height that it will have.
    """
    found = None
    if image.format == "JPEG" and _is_kept(image, reasons, config):
        if config.check == "scaled":
            found = image.draft(None, ENOUGH)
    elif image.format == "JPEG" and config.resize is not None:
        whole = all(side % 8 == 0 for side in image.size)
        if whole or _orientation(image) not in range(2, 9):  # the last pixel is still the last
            found = image.draft(None, stored_size(image.size, config))
    return image.size if found is None else found[1][2:]


def _normalised(
    image: Image.Image,
    data: bytes,
    sizes: tuple[Size, Extent],
    reasons: list[str],
    config: ImageConfig,
) -> NormalisedImage:
    """The decoded ``image`` as it is stored; ``sizes``: of its file, and as it was decoded."""
    size, extent = sizes
    lossless, target = _stays_lossless(image, data, config), stored_size(size, config)
    if target != size:
        reasons.append("size")
    if not lossless and max(target) > MAX_JPEG_SIDE:
        raise BadImageError(f"longer than {MAX_JPEG_SIDE} pixels")
    if not reasons:
        return NormalisedImage(data, *size, (), perceptual_hash(image))
    if "orientation" in reasons:
        if _orientation(image) in _QUARTER_TURNS:
            target = target[1], target[0]
        ImageOps.exif_transpose(image, in_place=True)
        extent = image.size
    return _encoded(_rgb(image), target, extent, reasons, config, lossless=lossless)


def _encoded(
    whole: Image.Image,
    target: Size,
    extent: Extent,
    reasons: list[str],
    config: ImageConfig,
    *,
    lossless: bool = False,
) -> NormalisedImage:
    """An upright RGB image at the size ``target``; ``extent``: of the picture in it."""
    stored, stream = resized(whole, target, config, extent), io.BytesIO()
    if lossless:
        stored.save(stream, "PNG", icc_profile=None)
    else:
        bare = {"exif": b"", "icc_profile": None, "comment": b""}
        stored.save(stream, "JPEG", quality=config.jpeg_quality, **bare)
    is_cut = config.resize is not None and config.resize.how == "centre_crop"
    phash = perceptual_hash(whole if is_cut else stored)
    return NormalisedImage(stream.getvalue(), *stored.size, tuple(reasons), phash)


def _stays_lossless(image: Image.Image, data: bytes, config: ImageConfig) -> bool:
    """Whether the image comes without loss, and is small enough to be stored so."""
    width, height = stored_size(image.size, config)
    if width * height > config.lossless_pixels:
        return False
    return image.format in LOSSLESS or (image.format == "WEBP" and data[12:16] == _LOSSLESS_WEBP)


def _open(data: bytes, config: ImageConfig) -> tuple[Image.Image, list[str]]:
    """The image, known by its header, and what keeps it from passing as it is."""
    if not data:
        raise BadImageError("zero bytes")
    with _reasons(data):
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > config.max_pixels:
            raise BadImageError(f"more than {config.max_pixels} pixels (image.max_pixels)")
        is_png = image.format == "PNG" and _stays_lossless(image, data, config)
        reasons = [] if image.format == "JPEG" or is_png else ["format"]
        if getattr(image, "n_frames", 1) > 1:
            reasons.append("first frame")
    return image, reasons


def _decode(image: Image.Image, reasons: list[str]) -> None:
    """Decode the first frame to its end."""
    with _reasons(b""):
        image.load()
    if _orientation(image) in range(2, 9):
        reasons.append("orientation")
    if image.mode != "RGB" or "transparency" in image.info:
        reasons.append(f"mode {image.mode}")


def _orientation(image: Image.Image) -> int:
    """What the camera's EXIF data say; 1, upright, where they are damaged."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # readers of damaged data raise almost anything
        return 1


@contextmanager
def _reasons(data: bytes) -> Iterator[None]:
    """Turns what decoders raise into the reason against an image."""
    try:
        yield
    except BadImageError:
        raise
    except UnidentifiedImageError as error:
        for name, (starts, advice) in _OPTIONAL.items():
            if name not in FORMATS and data[4:12] in starts:
                raise BadImageError(advice) from error
        raise BadImageError("not an image, or of a format that is not read") from error
    except Exception as error:  # decoders of damaged files raise almost anything
        raise BadImageError("truncated" if "truncated" in str(error) else "damaged") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise BadImageError("floating-point pixels")
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        return over_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """The upper 8 of 16 bits; 32-bit images pass where their values fit into 16."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise BadImageError("more than 16 bits per channel")
    return Image.fromarray((values // 257).astype(np.uint8))
