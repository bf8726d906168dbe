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


def answered(
    picture: str, answers: Sequence[str], scores: Sequence[float], file: str, style: str = ""
) -> str:
    """A picture with its best two answers, their scores, and the name of its file."""
    best, *others = map(html.escape, answers)
    second = f"<br>or {others[0]} {scores[1]:.0%}" if others else ""
    mark = f' class="{style}"' if style else ""
    # a long name breaks after a folder or a word
    name = html.escape(file).replace("/", "/<wbr>").replace("_", "_<wbr>")
    return (
        f'<figure{mark}><img src="{picture}" alt=""><figcaption><b>{best} {scores[0]:.0%}</b>'
        f"{second}<br>{name}</figcaption></figure>"
    )
