"""How the members of an archive become labelled images."""

import re
import string
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from nicheclip.config.base import ConfigModel
from nicheclip.config.source_base import ExtraColumn

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
    split_folders: bool | dict[str, Literal["train", "val", "test"]] | None = None
    """The folder above the class names the split; a mapping says which split each such folder is,
    where they are called otherwise: {train_mini: train}. Null stops where such a folder is called
    like a split; false takes no split from it."""
    test_list: str | None = None
    """A text file in the registry's folder that names the members below `root` that are for test,
    one a line; all others train."""
    ranks: Ranks = Field(default=[])
    """What the folders below `root` (and below that of the split) are, from the first: [class,
    genus, species] for `Aves/Turdus/merula/1.jpg`. The last of them is the class; of species with
    their genus."""
    ranks_in_name: bool = False
    """The class folder is called by a number and its seven ranks, joined by `_`, as iNaturalist's
    are: `00001_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris`."""
    nested_from: Annotated[int, Field(ge=0)] | None = None
    """The class is all folders from this one on, joined by `_`: with 1, `door_outdoor` for
    `d/door/outdoor/1.jpg`. Null: the parent folder alone."""
    exclude: list[str] = Field(default=[])
    """Classes to leave out."""

    @model_validator(mode="after")
    def _one_way_to_the_class(self) -> "ClassFoldersReader":
        if self.nested_from is not None and (self.ranks or self.split_folders):
            raise ValueError("nested_from: without ranks and split_folders; leave one out")
        if self.ranks_in_name and (self.ranks or self.nested_from is not None):
            raise ValueError("ranks_in_name: without ranks and nested_from; leave one out")
        if self.test_list is not None and self.split_folders:
            raise ValueError("test_list: without split_folders; leave one out")
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
    """The member that has the image of each id, as a path. Its last folder is the class, unless
    `labels` says."""
    labels: str | None = None
    """The member that has the class number of each id."""
    names: str | None = None
    """The member that has the name of each class number; null: the number is the class."""
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


class RightsTable(ConfigModel):
    """A second table that has the licence and the rights holder of images."""

    table: str
    """The member (or file), by the end of its name."""
    key: str
    """The column that both tables have, and that no two rows share."""
    columns: dict[Literal["licence", "rights_holder"], str] = Field(min_length=1)
    """What ours are called in it."""
    nothing: list[str] = Field(default=[])
    """Cells that say as little as an empty one: [not provided]."""


class MemberTableReader(ConfigModel):
    """Tables say what each image of the archives is: CSV or TSV with a header, or JSON with a list
    of records. A table may lie in an archive or be a file of its own.

    An image belongs to a row when the last folders and the name of its member are those that the
    row says, so that nobody needs to know what the folders above are called.
    """

    kind: Literal["member_table"]
    tables: dict[Literal["train", "val", "test", "all"], str] = Field(min_length=1)
    """The member (or file) with the rows of each split, by the end of its name: `labels.csv`; `all`
    leaves the split to a column, or to the config."""
    member: str | Annotated[list[str], Field(min_length=1)]
    """The end of the image's member, made from the row: `{FILE_NAME}`, or
    `part{chunk_number}/{image_file}`; `{number:05}` fills a number up with zeros. Of several, the
    first whose columns all say something in the row."""
    last: Annotated[int, Field(ge=1)] | None = None
    """How many parts of that count, from the end: with 2, `test/1.png` of `/Dataset/test/1.png`.
    Null: all."""
    columns: dict[Literal["label"] | ExtraColumn, str] = Field(default={})
    """What our columns are called in the table. Others are not read. Without `label` the class is
    the taxon: all named ranks, from the first, joined by `/`."""
    fixed: dict[ExtraColumn, str] = Field(default={})
    """What is the same for every row: {kingdom: Animalia}."""
    nothing: list[str] = Field(default=[])
    """Cells that say as little as an empty one: [not_classified]."""
    rights: RightsTable | None = None
    """Where licences and rights holders stand in a table of their own."""
    splits: dict[str, Literal["train", "val", "test"]] | None = None
    """What the values of the column `split` mean; rows with another value are left out. Null: the
    usual words."""
    delimiter: Annotated[str, StringConstraints(pattern=r'^[^"\r\n]$')] = ","
    """Of a CSV; a file whose name ends in .tsv or .txt has tabs."""

    @field_validator("member")
    @classmethod
    def _is_made_from_columns(cls, member: str | list[str]) -> str | list[str]:
        for one in [member] if isinstance(member, str) else member:
            try:
                parts = list(string.Formatter().parse(one))
            except ValueError as error:
                raise ValueError(f"member: {one!r} is no pattern ({error})") from error
            fields = [(name, size) for _, name, size, _ in parts if name is not None]
            sound = all(name and (not size or size.isdigit()) for name, size in fields)
            if not (fields and sound):
                raise ValueError(
                    f"member: {one!r} must name columns: part{{chunk}}/{{file}} or {{number:05}}"
                )
        return member

    @model_validator(mode="after")
    def _rows_have_a_class(self) -> "MemberTableReader":
        if "label" not in self.columns and not {*self.columns, *self.fixed} & {*get_args(Rank)}:
            raise ValueError("columns: give label, or ranks, which then are the class")
        if self.splits is not None and "split" not in self.columns:
            raise ValueError("splits: they are values of columns.split, which is not there")
        return self

    @property
    def members(self) -> list[str]:
        """The patterns of members, in their order."""
        return [self.member] if isinstance(self.member, str) else self.member


ArchiveReader = Annotated[
    ClassFoldersReader
    | ListedReader
    | MemberListsReader
    | IdListsReader
    | JsonSplitsReader
    | MatlabReader
    | MemberTableReader,
    Field(discriminator="kind"),
]
