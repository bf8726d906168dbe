"""JPEG as most photographs come, by libjpeg-turbo without Pillow between.

Pillow has the same library, but reads the header in Python and keeps four bytes a pixel. It judges
all that is not plain here, so that what is refused, and for what reason, is what it says.
"""

import simplejpeg
from PIL import Image

from nicheclip.data.resize import Size

#: of Exif and XMP, which may ask for a turn, and of files with several pictures
_UNUSUAL = (b"Exif\0", b"http://ns.adobe.com/", b"MPF\0")
#: how headers of frames begin (baseline, extended, progressive); then bits, height and width
_FRAMES = (b"\xff\xc0\0\x11", b"\xff\xc1\0\x11", b"\xff\xc2\0\x11")
#: what a JPEG is divided by where libjpeg-turbo has fast code for it
_DIVISORS = (8, 4, 2, 1)


def plain_size(data: bytes) -> Size | None:
    """Width and height of a JPEG of three colours, 8 bits each, one picture, upright.

    None is for Pillow to judge: the file may be good, as one with Exif data is.
    """
    if any(mark in data for mark in _UNUSUAL):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    sides = b"\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + b"\x03"
    frame = any(start + sides in data for start in _FRAMES)
    return (width, height) if frame and colours == "YCbCr" else None


def divisor(size: Size, wanted: Size) -> int:
    """8, 4, 2 or 1: the most by which ``size`` can be divided to have the ``wanted`` pixels."""
    least = min(size[0] // wanted[0], size[1] // wanted[1])
    return next((one for one in _DIVISORS if one <= least), 1)


def decoded(data: bytes, size: Size, *, divided: int, grey: bool) -> Image.Image | None:
    """A plain JPEG, read to its end; None where the library complains of anything.

    Args:
        data: the file.
        size: its width and height.
        divided: by 8, 4, 2 or 1. All is read in every case, but fewer pixels are made of it.
        grey: the brightness alone, which the file has as a channel of its own.
    """
    width, height = (-(-side // divided) if divided > 1 else 0 for side in size)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, "GRAY" if grey else "RGB", min_width=width, min_height=height
        )
    except ValueError:
        return None
    return Image.fromarray(pixels[..., 0] if grey else pixels)
