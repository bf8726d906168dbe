"""Any image a person may bring, as an upright RGB JPEG."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from nicheclip.config.data import ImageConfig
from nicheclip.data.perceptual_hash import perceptual_hash

#: formats that are opened; Pillow knows others that call outside programs
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "PPM")

#: an image that would decode to more is taken for a decompression bomb
MAX_PIXELS = 100_000_000

#: the longest side that a JPEG can have
MAX_JPEG_SIDE = 65_500

_ORIENTATION_TAG = 0x0112

# Pillow registers most formats lazily; `formats=` works only after this call.
Image.init()


class BadImageError(ValueError):
    """The bytes are not an image that can be used; the message is the reason."""


@dataclass(frozen=True)
class NormalisedImage:
    """An upright RGB JPEG."""

    jpg: bytes
    width: int
    height: int
    converted: tuple[str, ...]
    """What was changed; empty where the bytes are the source's own."""
    phash: int
    """See ``perceptual_hash``."""


def normalise(data: bytes, config: ImageConfig) -> NormalisedImage:
    """Turn the encoded image ``data`` into an upright RGB JPEG.

    An RGB JPEG that needs no turn and no resizing passes byte for byte. Other colour modes become
    RGB (alpha over white, 16 bits by their upper 8), EXIF orientation is applied, the colour
    profile is dropped, an animation gives its first frame. Every image is decoded to its end.

    Raises:
        BadImageError: no bytes, no known format, truncated, damaged, or too many pixels.
    """
    image, reasons = _decode(data)
    if config.max_side is not None and max(image.size) > config.max_side:
        reasons.append("size")
    elif max(image.size) > MAX_JPEG_SIDE:
        raise BadImageError(f"longer than {MAX_JPEG_SIDE} pixels")
    if not reasons:
        return NormalisedImage(data, image.width, image.height, (), perceptual_hash(image))
    upright = _shrink(_rgb(ImageOps.exif_transpose(image)), config.max_side)
    stream = io.BytesIO()
    upright.save(stream, "JPEG", quality=config.jpeg_quality, exif=b"", icc_profile=None)
    size, phash = upright.size, perceptual_hash(upright)
    return NormalisedImage(stream.getvalue(), *size, tuple(reasons), phash)


def _decode(data: bytes) -> tuple[Image.Image, list[str]]:
    """The first frame, decoded to its end, and what keeps it from passing as it is."""
    if not data:
        raise BadImageError("zero bytes")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise BadImageError(f"more than {MAX_PIXELS} pixels")
        reasons = [] if image.format == "JPEG" else ["format"]
        if getattr(image, "n_frames", 1) > 1:
            reasons.append("first frame")
        image.load()
        if image.getexif().get(_ORIENTATION_TAG, 1) in range(2, 9):
            reasons.append("orientation")
    except BadImageError:
        raise
    except UnidentifiedImageError as error:
        raise BadImageError("not an image, or of a format that is not read") from error
    except Image.DecompressionBombError as error:
        raise BadImageError(f"more than {MAX_PIXELS} pixels") from error
    except Exception as error:  # decoders of damaged files raise almost anything
        raise BadImageError("truncated" if "truncated" in str(error) else "damaged") from error
    if image.mode != "RGB" or "transparency" in image.info:
        reasons.append(f"mode {image.mode}")
    return image, reasons


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise BadImageError("floating-point pixels")
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        image = Image.alpha_composite(white, layer)
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """The upper 8 of 16 bits; 32-bit images pass where their values fit into 16."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise BadImageError("more than 16 bits per channel")
    return Image.fromarray((values.astype(np.uint32) // 257).astype(np.uint8))


def _shrink(image: Image.Image, max_side: int | None) -> Image.Image:
    if max_side is None or max(image.size) <= max_side:
        return image
    scale = max_side / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
