"""Small pieces of HTML that sections of the report share."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path


def figure(path: str, shows: str) -> str:
    """An SVG file as an image: what is in it cannot run. ``shows``: for who cannot see it."""
    data = base64.b64encode(Path(path).read_bytes()).decode()
    source = f"data:image/svg+xml;base64,{data}"
    return f'<img class="figure" src="{source}" alt="{html.escape(shows)}">'


def listed(sentences: Sequence[str], name: str) -> str:
    """A list of the class ``name``."""
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="{name}">{items}</ul>'
