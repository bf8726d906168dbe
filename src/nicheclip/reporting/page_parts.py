"""Pieces of HTML that the sections of the report share."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path


def listed(sentences: Sequence[str], name: str) -> str:
    """A list of ``sentences`` of the style ``name``."""
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="{name}">{items}</ul>'


def svg_image(path: str) -> str:
    """An SVG file as an image: what is in it cannot run."""
    data = base64.b64encode(Path(path).read_bytes()).decode()
    return f'<img class="figure" src="data:image/svg+xml;base64,{data}" alt="">'
