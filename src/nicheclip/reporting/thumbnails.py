"""Pictures that stand in a page itself."""

import base64
import io

from PIL import Image

#: edge of a picture in a gallery, pixels
THUMBNAIL = 160


def thumbnail(encoded: bytes, edge: int = THUMBNAIL) -> str:
    """A small JPEG as a data URL."""
    with Image.open(io.BytesIO(encoded)) as image:
        small = image.convert("RGB")
        small.thumbnail((edge, edge))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
