"""Config of the procedural worlds."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nicheclip.config.base import ConfigModel

Fraction = Annotated[float, Field(ge=0, lt=1)]


class FungiWorld(ConfigModel):
    """FungalZSL's generator: spores, hyphae, mycelium."""

    CLASSES: ClassVar[int] = 3

    name: Literal["fungi"]
    images_per_class: dict[Literal["train", "val", "test"], Annotated[int, Field(ge=0)]] = Field(
        default={"train": 1600, "val": 200, "test": 200}
    )
    """How many images of each of the three classes go to each split (paper: 1600, 200, 200)."""
    size: Annotated[int, Field(ge=16, le=4096)] = 224
    """Edge of the square image in pixels."""
    growth: Literal["stages", "time_aligned"] = "stages"
    """`stages`: three separate generators (FungalZSL). `time_aligned`: one run of 100 frames per
    colony in which spores turn into hyphae and mycelium (arXiv 2501.02855)."""
    temperature: Literal["paper", "code"] = "paper"
    """Temperature ranges in kelvin: as the paper states them, or as the published code has them."""


class ImagesPerSpecies(ConfigModel):
    """Images of each species of `arbor` in each split."""

    train: Annotated[int, Field(ge=1)] = 40
    """The mean over the species that train; `tail` says how unequal they are."""
    val: Annotated[int, Field(ge=0)] = 4
    """Of each species that trains."""
    test: Annotated[int, Field(ge=0)] = 10
    """Of each species, those that training never sees included."""


class ArborWorld(ConfigModel):
    """A procedural tree of life: seven ranks, looks inherited along the tree, Latin and English
    names, a long tail, and species that training never sees."""

    name: Literal["arbor"]
    size: Annotated[int, Field(ge=16, le=4096)] = 64
    """Edge of the square image in pixels."""
    species: Annotated[int, Field(ge=12, le=5000)] = 96
    """Leaves of the tree. With the seed they alone make the tree, its names and its looks."""
    images_per_species: ImagesPerSpecies = ImagesPerSpecies()
    tail: Annotated[float, Field(ge=0, le=3)] = 0.7
    """The training images of the k-th most common species are in proportion to k ** -tail, one at
    least; 0: all have the same number."""
    rare_species: Fraction = 0.08
    """Share of the species that is held out, though another species of the genus trains."""
    held_out_genera: Fraction = 0.08
    """Share of the genera that is held out with all species, though another genus of the family
    trains. All images of what is held out go to the test split."""
    field: bool = False
    """The shifted twin: the same species by another sensor, in other light, blurred, occluded, and
    away from their habitat."""
    difficulty: Annotated[float, Field(ge=0, le=1)] = 0.5
    """How much pose, light, individual colour, habitat and clutter vary."""


class FarmWorld(ConfigModel):
    """Leaves with lesions, coats of livestock, fish and fruit."""

    name: Literal["farm"]
    part: Literal["training", "tasks"]
    """`training`, or the classes of the downstream tasks: other combinations of pattern and colour,
    mostly on other crops and species. A task is the classes of one taxon."""
    size: Annotated[int, Field(ge=16, le=4096)] = 64
    """Edge of the square image in pixels."""
    images_per_class: dict[Literal["train", "val", "test"], Annotated[int, Field(ge=0)]] = Field(
        default={"train": 40, "val": 4, "test": 20}
    )


class StandInWorld(ConfigModel):
    """Drawn images in the place of a data set, which a rehearsal makes: animals and plants of the
    world `arbor`, under the data set's own names where the registry has them."""

    name: Literal["stand_in"]
    of: str
    """The name under which others publish for the data set that it stands for. Images of others
    differ."""
    classes: dict[str, str] = Field(default={})
    """Labels and what they are called; empty: species with their own names and ranks."""
    species: Annotated[int, Field(ge=2, le=5000)] = 12
    """How many, where `classes` is empty."""
    size: Annotated[int, Field(ge=16, le=4096)] = 32
    """Edge of the square image in pixels."""
    images_per_class: dict[Literal["train", "val", "test"], Annotated[int, Field(ge=0)]] = Field(
        default={"train": 4, "val": 4, "test": 4}
    )


World = Annotated[FungiWorld | ArborWorld | FarmWorld | StandInWorld, Field(discriminator="name")]
