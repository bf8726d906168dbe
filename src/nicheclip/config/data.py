"""Config of data sets: source, images, splits, shards."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nicheclip.config.base import ConfigModel
from nicheclip.config.class_list import class_names
from nicheclip.config.leakage import LeakageConfig
from nicheclip.config.sources import Source, UnlabelledSource
from nicheclip.config.worlds import ArborWorld, Fraction


class ResizeConfig(ConfigModel):
    """The size of all images, for models that see no larger ones."""

    edge: Annotated[int, Field(ge=16, le=8192)]
    """Pixels."""
    how: Literal["shortest_side", "squash", "centre_crop"] = "shortest_side"
    """`shortest_side`: larger images are shrunk so that their shorter side has `edge` pixels;
    smaller ones stay as they are. `squash`: all become squares of `edge` pixels, whatever their
    shape. `centre_crop`: the largest square in the middle becomes one of `edge` pixels. The last
    two enlarge small images."""
    filter: Literal["bicubic", "bilinear", "lanczos", "hamming", "box"] = "bicubic"
    """Of Pillow, which widens it where an image is shrunk, so that nothing aliases."""


class ImageConfig(ConfigModel):
    """How images are stored."""

    max_side: Annotated[int, Field(ge=16)] | None = None
    """Larger images are shrunk so that their longer side has this many pixels; null keeps all."""
    resize: ResizeConfig | None = None
    """Another way to a size, in place of `max_side`. A larger JPEG is decoded at the fewest eighths
    of its sides that have the size (with Exif data: at a half, quarter or eighth), which is faster;
    null resizes nothing so."""
    check: Literal["full", "scaled", "header"] = "full"
    """How images that keep their bytes are checked. `full`: decoded to the last pixel (a JPEG is
    read to its end, and its brightness decoded). `scaled`: a JPEG is read to its end as well, and
    found truncated or damaged as by `full`, but decoded at as little as an eighth of its size;
    perceptual hashes of large images may differ in a few bits from those of `full`. `header`: by
    format, size and colour alone; what is no image is found, what is truncated or damaged further
    on is not, and there are no perceptual hashes, so that nothing finds versions of a photograph.
    Images that are encoded again are always decoded."""
    max_pixels: Annotated[int, Field(ge=1, le=1_000_000_000)] = 100_000_000
    """An image with more is left out: its width and height may be a trap. More of them need more
    memory."""
    lossless_pixels: Annotated[int, Field(ge=0, le=16_000_000)] = 262_144
    """Images of lossless formats (PNG, BMP, TIFF, GIF, PPM, lossless WebP) with at most so many
    pixels, after they were shrunk, are stored as PNG, so that no pixel changes. (Photographs of
    fish took 2.7 times the room of JPEG.) Larger ones, and those of lossy formats, are stored as
    JPEG; 0 stores all so."""
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 95
    """Of images that must be encoded again; an RGB JPEG that fits already keeps its bytes."""

    @model_validator(mode="after")
    def _comes_to_its_size_in_one_way(self) -> "ImageConfig":
        if self.max_side is not None and self.resize is not None:
            raise ValueError("max_side and resize: both say a size; keep one of them")
        return self


class SplitConfig(ConfigModel):
    """Train, validation and test."""

    method: Literal["stratified", "hash", "given", "counts"] = "stratified"
    """`stratified`: exact shares of each class, one image at least in each wanted split where the
    class has enough. `hash`: each image's place is drawn by its own bytes with the same chances in
    every class, so that images added later do not move others, save one: the first image of a
    class, in the order of the hash, always trains, and a new image may take that place. Small
    classes may miss a split. `given`: the source says. `counts`: of each class's images, by the
    order of their names, the first `train_images` train, the next `test_images` are for test, and
    the rest is left out; benchmarks are cut so. None but this depends on names of files, classes or
    the data set."""
    val: Fraction = 0.1
    test: Fraction = 0.1
    val_from_train: Fraction = 0
    """With `given` and a source without validation images: the share of each class's training
    images that validates instead, drawn as by `stratified`. Test images stay as they are."""
    train_images: Annotated[int, Field(ge=1)] | None = None
    """With `counts`: of each class."""
    test_images: Annotated[int, Field(ge=1)] | None = None
    """With `counts`: of each class; null: all that do not train."""
    val_trains: bool = False
    """With `given`: images for validation train, as where nothing is chosen by them."""
    keep_together: list[Literal["near_duplicates", "group"]] = Field(default=[])
    """What never stands in two splits, unless the source says so: versions of one photograph, or
    images of one `group` (a slide, an animal, a day), which is a column of the source or is read
    off the file names by `group_pattern`. Shares are then as near as whole groups allow."""
    group_pattern: str | None = None
    """Regular expression found in an image's key (its path); its first group, or all that it
    matches, names the image's group. Images that it does not match have no group."""
    near_duplicate_bits: Annotated[int, Field(ge=0, le=16)] | None = 4
    """Two images are versions of one photograph when their 64-bit perceptual hashes differ in at
    most so many bits. null does not look for any."""

    @model_validator(mode="after")
    def _is_found_before_it_is_kept_together(self) -> "SplitConfig":
        if "near_duplicates" in self.keep_together and self.near_duplicate_bits is None:
            raise ValueError("keep_together: near_duplicates needs near_duplicate_bits")
        return self

    @model_validator(mode="after")
    def _keys_belong_to_the_method(self) -> "SplitConfig":
        if (self.method == "counts") != (self.train_images is not None):
            raise ValueError("train_images: needed with the method counts, and by no other")
        if self.test_images is not None and self.method != "counts":
            raise ValueError("test_images: of the method counts alone")
        if self.val_trains and (self.method != "given" or self.val_from_train):
            raise ValueError("val_trains: with the method given, and without val_from_train")
        return self

    @field_validator("group_pattern")
    @classmethod
    def _is_an_expression(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"not a regular expression ({error})") from error
        return pattern

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
    leakage: LeakageConfig | None = None
    """What it may not share with data sets that models are judged by; null asks nothing."""
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
    def _versions_are_found_by_hashes(self) -> "DatasetConfig":
        by_hash = self.leakage is not None and "versions" in self.leakage.by
        if self.image.check == "header" and (self.split.near_duplicate_bits is not None or by_hash):
            raise ValueError(
                "image.check: header decodes no image, so versions of a photograph cannot be "
                "found: set split.near_duplicate_bits: null and take versions out of leakage.by, "
                "or check: scaled"
            )
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

    @property
    def is_labelled(self) -> bool:
        """Whether the source says which class an image belongs to."""
        return not isinstance(self.source, UnlabelledSource)

    def class_names(self) -> list[str]:
        """Of a source without labels; empty where images say which classes there are.

        Raises:
            InputError: see ``class_list``.
        """
        source = self.source
        return class_names(source.classes) if isinstance(source, UnlabelledSource) else []

    def determines_splits(self) -> dict[str, Any]:
        """What of it can change the catalog of given images, as plain values."""
        if not self.is_labelled:  # all train
            every = SplitConfig(val=0, test=0, near_duplicate_bits=self.split.near_duplicate_bits)
            return every.model_dump(mode="json")
        if self.split.method == "given":  # shares that are drawn by nobody
            wanted = {"method", "near_duplicate_bits", "val_from_train"}
            wanted |= {"val_trains"} if self.split.val_trains else set()
            if self.split.val_from_train:  # then groups decide as well
                wanted |= {"keep_together", "group_pattern"}
            return self.split.model_dump(mode="json", include=wanted)
        if self.split.method == "counts":
            wanted = {"method", "near_duplicate_bits", "train_images", "test_images"}
            return self.split.model_dump(mode="json", include=wanted)
        drawn = {"train_images", "test_images", "val_trains"}
        return self.split.model_dump(mode="json", exclude=drawn)
