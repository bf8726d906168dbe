"""How small a rehearsal is, and what its parts have in common."""

from typing import Annotated, Any

from pydantic import Field

from nicheclip.config.base import ConfigModel

Values = dict[str, Any]

#: of images in pixels, which both start models read
IMAGE_SIZE = 32
BOOTSTRAP = 200


class RehearsalConfig(ConfigModel):
    """How small a rehearsal is. `--config rehearsal=4` stands for `rehearsal: {images: 4}`."""

    images: Annotated[int, Field(ge=2, le=1000)]
    """Of each class in each split; where splits are drawn, three times as many of each class."""
    classes: Annotated[int, Field(ge=3, le=100)] = 12
    """Of a stand-in at most: the first of the registered names, or drawn species."""
    alike: Annotated[int, Field(ge=1)] | None = 1
    """Of data sets that are judged in the same way, by the same entries and tables, so many stay;
    null keeps all."""


def without(entry: Values, *keys: str) -> Values:
    """``entry`` without ``keys``."""
    return {key: value for key, value in entry.items() if key not in keys}


def section(values: Values, name: str) -> list[tuple[str, Values]]:
    """The named entries of a section of the config ``values``; none where it is left out."""
    return list((values.get(name) or {}).items())
