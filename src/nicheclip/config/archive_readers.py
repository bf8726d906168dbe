"""How the members of an archive become labelled images."""

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from nicheclip.config.base import ConfigModel

#: a variable of a MATLAB file in an archive
_Variable = Annotated[str, StringConstraints(pattern=r"^[^:]+:\w+$")]


def _fill(member: str, values: dict[str, Any]) -> str:
    try:
        return member.format(**values)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"member: {member!r} cannot be made ({type(error).__name__}: {error}); it may use "
            f"{', '.join(f'{{{name}}}' for name in values)}"
        ) from error


Rank = Literal["kingdom", "phylum", "class", "order", "family", "genus", "species"]


def _go_down(ranks: list[Rank]) -> list[Rank]:
    order = get_args(Rank)
    if ranks != [rank for rank in order if rank in ranks]:
        raise ValueError(f"{ranks} must go down: {', '.join(order)}")
    return ranks


Ranks = Annotated[list[Rank], AfterValidator(_go_down)]
"""What nested folders are, from the first; none where they are no taxa."""


class ClassFoldersReader(ConfigModel):
    """Members lie in class folders; the class is the name of the member's parent folder."""

    kind: Literal["class_folders"] = "class_folders"
    root: str = ""
    """Only members below this folder of the archive count."""
    split_folders: bool | None = None
    """The folder above the class names the split. Null stops where such a folder is called like a
    split; false takes no split from it."""
    ranks: Ranks = Field(default=[])
    """What the folders below `root` (and below that of the split) are, from the first: [class,
    genus, species] for `Aves/Turdus/merula/1.jpg`. The last of them is the class; of species with
    their genus."""
    nested_from: Annotated[int, Field(ge=0)] | None = None
    """The class is all folders from this one on, joined by `_`: with 1, `door_outdoor` for
    `d/door/outdoor/1.jpg`. Null: the parent folder alone."""
    exclude: list[str] = Field(default=[])
    """Classes to leave out."""

    @model_validator(mode="after")
    def _one_way_to_the_class(self) -> "ClassFoldersReader":
        if self.nested_from is not None and (self.ranks or self.split_folders):
            raise ValueError("nested_from: without ranks and split_folders; leave one out")
        return self


class ListedReader(ConfigModel):
    """Members are named in a split list that ships with the registry."""

    kind: Literal["listed"]
    list: str
    """Path of a CSV with the columns key (member), label and, if wanted, split, relative to the
    registry's folder."""


class MemberListsReader(ConfigModel):
    """Text files inside the archives list the images of each split, one on a line."""

    kind: Literal["member_lists"]
    lists: dict[Literal["train", "val", "test"], str] = Field(min_length=1)
    """The member that lists each split's images."""
    line: str
    """Regular expression of a line with the named groups `key` and `label`."""
    member: str
    """The image's member, made from the groups, for example `images/{key}.jpg`."""

    @model_validator(mode="after")
    def _groups_make_members(self) -> "MemberListsReader":
        try:
            groups = re.compile(self.line).groupindex
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"line: {self.line!r} is no regular expression ({error})") from error
        if "label" not in groups:
            raise ValueError(
                f"line: {self.line!r} has no named group for the class; write (?P<label>...)"
            )
        _fill(self.member, dict.fromkeys(groups, "x"))
        return self


class IdListsReader(ConfigModel):
    """Text files inside the archives join images, by their ids, with their splits.

    A line is an id, white space and a value.
    """

    kind: Literal["id_lists"]
    images: str
    """The member that has the image of each id, as a path whose last folder is the class."""
    splits: str
    """The member that has the split of each id."""
    values: dict[str, Literal["train", "val", "test"]] = Field(min_length=1)
    """What the values in it mean."""
    root: str = ""
    """The folder that the paths are relative to."""


class JsonSplitsReader(ConfigModel):
    """A JSON file has lists `train`, `val` and `test` of [path, number, name of the class], as the
    split files of CoOp, which many works share.
    """

    kind: Literal["json_splits"]
    splits: str
    """The member with the lists."""
    root: str = ""
    """The folder that the paths are relative to."""


class MatlabReader(ConfigModel):
    """MATLAB files hold the class of each image and the image numbers (from 1) of each split."""

    kind: Literal["matlab"]
    labels: _Variable
    """`member:variable` of the class numbers, in the order of the image numbers."""
    splits: dict[Literal["train", "val", "test"], _Variable] = Field(min_length=1)
    """`member:variable` of the image numbers of each split."""
    member: str
    """The image's member, made from its number, for example `jpg/image_{number:05d}.jpg`."""

    @model_validator(mode="after")
    def _numbers_make_members(self) -> "MatlabReader":
        if _fill(self.member, {"number": 1}) == _fill(self.member, {"number": 2}):
            raise ValueError(
                f"member: {self.member!r} is the same for every image; write {{number}} in it"
            )
        return self


ArchiveReader = Annotated[
    ClassFoldersReader
    | ListedReader
    | MemberListsReader
    | IdListsReader
    | JsonSplitsReader
    | MatlabReader,
    Field(discriminator="kind"),
]
