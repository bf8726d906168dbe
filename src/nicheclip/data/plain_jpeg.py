"""JPEG as most photographs come, by libjpeg-turbo without Pillow between.

Pillow has the same library, but reads the header in Python and keeps four bytes a pixel. It judges
all that is not plain here, so that what is refused, and for what reason, is what it says.
"""

import struct

import simplejpeg
from PIL import Image

from nicheclip.data.resize import Size

#: segments that change nothing here: tables, restarts, comments, what programs add
_PASSED = frozenset({0xFFDB, 0xFFC4, 0xFFDD, 0xFFFE, 0xFFE0, *range(0xFFE2, 0xFFF0)})
#: segments that begin so are no shorter, in bytes; others are damaged
_LEAST = {b"JFIF": 14, b"Adobe": 12}
#: headers of frames that are baseline, extended or progressive
_FRAMES = (0xFFC0, 0xFFC1, 0xFFC2)
#: how segments begin, and frames within theirs (ITU-T T.81, B.1 and B.2.2)
_SEGMENT, _FRAME = struct.Struct(">HH"), struct.Struct(">BHHB")
_START, _SCAN = b"\xff\xd8", 0xFFDA
#: begins the segment of a file that holds several pictures
_PICTURES = b"MPF\0"
#: eighths of its size at which a JPEG is decoded; 7 take longer than all
_EIGHTHS = (1, 2, 3, 4, 5, 6)


def plain_size(data: bytes) -> Size | None:
    """Width and height of a JPEG of three colours, 8 bits each, one picture, upright.

    None is for Pillow to judge: the file may be good, as one with Exif data is.
    """
    try:
        size = _frame(data)
        if size is None or simplejpeg.decode_jpeg_header(data)[:3] != (*size[::-1], "YCbCr"):
            return None
    except (ValueError, KeyError, struct.error):  # a bad table, rare sampling, or the file ends
        return None
    return size


def _frame(data: bytes) -> Size | None:
    """What the header of the frame says, where all before the first scan is plain.

    Raises:
        struct.error: the file ends before.
    """
    if not data.startswith(_START):
        return None
    size, at = None, len(_START)
    while True:
        marker, length = _SEGMENT.unpack_from(data, at)
        if marker == _SCAN:
            return size
        if marker in _FRAMES:
            bits, height, width, colours = _FRAME.unpack_from(data, at + _SEGMENT.size)
            size = (width, height) if (bits, colours) == (8, 3) else None
        elif marker not in _PASSED or data.startswith(_PICTURES, at + _SEGMENT.size):
            return None
        begins = at + _SEGMENT.size
        if any(
            length < 2 + least and data.startswith(name, begins) for name, least in _LEAST.items()
        ):
            return None
        at += 2 + length


def eighths(size: Size, wanted: Size) -> int:
    """The fewest eighths of ``size`` that have the ``wanted`` pixels; 8 is all of it."""
    share = 8 * max(wanted[0] / size[0], wanted[1] / size[1])
    return next((one for one in _EIGHTHS if one >= share), 8)


def decoded(data: bytes, size: Size, *, scale: int, grey: bool) -> Image.Image | None:
    """A plain JPEG, read to its end; None where the library complains of anything.

    Args:
        data: the file.
        size: its width and height.
        scale: of ``eighths``. All is read in every case, but fewer pixels are made of it.
        grey: the brightness alone, which the file has as a channel of its own.
    """
    width, height = (-(-side * scale // 8) if scale < 8 else 0 for side in size)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, "GRAY" if grey else "RGB", min_width=width, min_height=height
        )
    except ValueError:
        return None
    return Image.fromarray(pixels[..., 0] if grey else pixels)
