"""Config of data sets: source, images, splits, shards."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nicheclip.config.base import ConfigModel
from nicheclip.config.sources import Source
from nicheclip.config.worlds import ArborWorld, Fraction


class ImageConfig(ConfigModel):
    """How images are stored."""

    max_side: Annotated[int, Field(ge=16)] | None = None
    """Larger images are shrunk so that their longer side has this many pixels; null keeps all."""
    max_pixels: Annotated[int, Field(ge=1, le=1_000_000_000)] = 100_000_000
    """An image with more is left out: its width and height may be a trap. More of them need more
    memory."""
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 95
    """Of images that must be encoded again; an RGB JPEG that fits already keeps its bytes."""


class SplitConfig(ConfigModel):
    """Train, validation and test."""

    method: Literal["hash", "given"] = "hash"
    """`hash`: each image's place is drawn by its own id with the same chances in every class, so
    that images added later do not move others, save one: the first image of a class, in the
    order of the hash, always trains, and a new image may take that place. Small classes may miss a
    split. `given`: the source says."""
    val: Fraction = 0.1
    test: Fraction = 0.1

    @model_validator(mode="after")
    def _something_trains(self) -> "SplitConfig":
        if self.val + self.test >= 1:
            raise ValueError("val + test must be below 1")
        return self


class DatasetConfig(ConfigModel):
    """One data set."""

    source: Source
    image: ImageConfig = ImageConfig()
    split: SplitConfig = SplitConfig()
    names: dict[str, str] = Field(default={})
    """How people write a class, by its id (the folder's name, or the label): `{rock_dove: rock
    pigeon}`. Other classes are called like their id with spaces for underscores, or as the source
    says."""
    captions: str | None = None
    """The caption set whose texts the images carry, by its name under `captions`."""
    parts: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Jobs that acquire it side by side, each a share of the source."""
    shards: Annotated[int, Field(ge=1, le=99_999)] = 1
    """Tars that hold the images, a multiple of `parts`. Each part spreads its images over its own
    by their id."""

    @property
    def shards_of_part(self) -> int:
        """Tars that each part writes."""
        return self.shards // self.parts

    @model_validator(mode="after")
    def _each_part_has_as_many_shards(self) -> "DatasetConfig":
        if self.shards % self.parts:
            raise ValueError(f"shards ({self.shards}) must be a multiple of parts ({self.parts})")
        return self

    @model_validator(mode="after")
    def _arbor_makes_its_splits(self) -> "DatasetConfig":
        world = getattr(self.source, "world", None)
        if isinstance(world, ArborWorld) and self.split.method != "given":
            raise ValueError(
                "split: {method: given} is needed with the world arbor, which holds species out; "
                "a hash would put their images into training"
            )
        return self

    def determines_images(self) -> dict[str, Any]:
        """What of it can change the images and their rows, as plain values."""
        return self.model_dump(
            mode="json",
            include={"source", "image", "names", "parts", "shards"},
            exclude={"source": {"watch"}},  # whether changes are looked for changes no image
        )

    def determines_splits(self) -> dict[str, Any]:
        """What of it can change the catalog of given images, as plain values."""
        if self.split.method == "given":  # shares that are drawn by nobody
            return {"method": "given"}
        return self.split.model_dump(mode="json")
