"""Which size a stored image has, and how it comes to it."""

from PIL import Image

from nicheclip.config.data import ImageConfig

Size = tuple[int, int]
"""Width and height in pixels."""
Extent = tuple[float, float]
"""The same, where the last pixel may be a part of one."""


def stored_size(size: Size, config: ImageConfig) -> Size:
    """The size at which an image of ``size`` is stored."""
    if config.resize is None:
        return _scaled(size, config.max_side, max(size))
    edge = config.resize.edge
    if config.resize.how == "shortest_side":
        return _scaled(size, edge, min(size))
    return edge, edge


def resized(image: Image.Image, size: Size, config: ImageConfig, extent: Extent) -> Image.Image:
    """``image``, all of it or its centre, at ``size``.

    The picture is ``extent`` wide and high: a JPEG decoded at a reduced scale ends with a part of a
    pixel. The centre is cut while it is resized, since a very long image enlarged as a whole would
    not fit into memory.
    """
    if size == image.size == extent:
        return image
    if config.resize is None:
        return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    kernel = Image.Resampling[config.resize.filter.upper()]
    box = _centre(extent) if config.resize.how == "centre_crop" else (0, 0, *extent)
    return image.resize(size, kernel, box=box)


def _scaled(size: Size, most: int | None, side: int) -> Size:
    """``size``, made smaller so that ``side``, one of the two, has ``most`` pixels at most."""
    if most is None or side <= most:
        return size
    scale = most / side
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _centre(size: Extent) -> tuple[float, float, float, float]:
    """The largest square in the middle: left, top, right, bottom."""
    side = min(size)
    left, top = (size[0] - side) / 2, (size[1] - side) / 2
    return left, top, left + side, top + side
