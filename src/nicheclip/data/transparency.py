"""Images that one can see through."""

from PIL import Image

#: pixels that are worked on at once where that changes none of them
STRIP_PIXELS = 1 << 20


def over_white(image: Image.Image) -> Image.Image:
    """``image`` as RGB, laid over white.

    Strip by strip, since each step of it would hold the whole image once more.
    """
    whole = Image.new("RGB", image.size)
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        layer = image.crop((0, top, image.width, min(top + rows, image.height))).convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        whole.paste(Image.alpha_composite(white, layer).convert("RGB"), (0, top))
    return whole
