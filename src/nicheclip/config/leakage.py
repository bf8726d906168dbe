"""Config of what a data set may not share with those that models are judged by."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from nicheclip.config.base import ConfigModel, Name

Kind = Literal["bytes", "versions", "species"]


class LeakageConfig(ConfigModel):
    """What must stay apart, and what is done where it does not.

    It is settled while the data set is curated, so before anything is trained. Compared are the
    images for validation and test of the data sets in `apart_from`, and the species of all their
    classes.
    """

    apart_from: list[Name] = Field(min_length=1)
    """Data sets that models are judged by."""
    by: list[Kind] = Field(default=["bytes", "versions"], min_length=1)
    """`bytes`: the same file. `versions`: the same photograph, saved again, resized or mirrored.
    `species`: a class of the same species, also under a synonym of the checklists or with its
    author; where a data set has to hold species that were never trained."""
    bits: Annotated[int, Field(ge=0, le=16)] = 6
    """Two images are versions of one photograph when their 64-bit perceptual hashes, or that of one
    and of the other's mirror image, differ in at most so many bits."""
    action: Literal["stop", "remove"] = "stop"
    """`stop` ends with what is shared and writes nothing; `remove` leaves those images out, counted
    and listed like all that is left out."""

    @property
    def asks_species(self) -> bool:
        """Whether species are compared."""
        return "species" in self.by


def circle(apart_from: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Data sets of which each waits for the next, and the last for the first; None without any.

    Args:
        apart_from: by data set those that it is kept apart from.
    """
    finished: set[str] = set()

    def follow(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in finished:
            return None
        for other in apart_from.get(name, ()):
            if found := follow(other, [*path, name]):
                return found
        finished.add(name)
        return None

    return next((found for name in apart_from if (found := follow(name, []))), None)
