"""What a table's title says about the scale of its numbers."""

from typing import Literal

Scale = Literal["demo", "paper", "own"]

DEMO_MARK = "demo scale, not comparable with the paper"

_MARKS: dict[Scale, str] = {
    "demo": f" ({DEMO_MARK})",
    "own": " (own data, not comparable with the paper)",
    "paper": "",
}


def marked(title: str, scale: Scale) -> str:
    """``title``, with a mark unless the numbers can be compared with the paper's."""
    return title + _MARKS[scale]
