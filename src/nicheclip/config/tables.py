"""A paper's table as a file: `workflow/registry/tables/<paper>/<table>.yaml`.

The rows are each combination of the values of some axes. A column shows one thing of each row. What
an entry measures is said once for the table (`entry`); an axis value, then a column, may change
it. `$name` stands for the key `name` of the paper's section in the config.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from nicheclip.config.base import ConfigModel
from nicheclip.config.explain import explain, suggestion
from nicheclip.config.table_figures import CriticalDifferenceFigure, FigureSpec, NamedColumn
from nicheclip.config.yaml_file import read_yaml
from nicheclip.runtime.errors import InputError
from nicheclip.subjects import Kind

AxisName = Literal[
    "run", "evaluation", "dataset", "state", "text_type", "group", "rank", "shots", "comparison"
]

Show = Literal[
    "value",
    "chance",
    "images",
    "n",
    "classes",
    "seeds",
    "published",
    "difference",
    "p",
    "code",
]

Asked = Literal["best_epoch"]

Read = Literal["cells", "features", "catalog", "classes", "images", "tasks", "aligned", "methods"]

#: an axis value that stands for all that the evaluation has
EACH = "each"


class EntryKeys(ConfigModel):
    """What an entry measures; a key that is left out is taken from the table's `entry`."""

    evaluation: str | None = None
    dataset: str | None = None
    """Needed where the evaluation has several."""
    protocol: str | None = None
    measure: str | None = None
    """As `metrics.json` has it: top1, recall_at_1, rank_accuracy, ..."""
    run: str | None = None
    state: Kind | None = None
    """`trained` (the default; a start model where `run` names one), `start` (before training),
    `aligned` (`run` names the alignment), `adapted` or `baseline`."""
    seeds: Literal["all", "first"] | None = None
    text_type: str | None = None
    group: str | None = None
    rank: str | None = None
    shots: int | None = None
    by: str | None = None

    def given(self) -> dict[str, Any]:
        """The keys that the file has; null takes a key away."""
        return {key: getattr(self, key) for key in self.model_fields_set & set(ENTRY_KEYS)}


ENTRY_KEYS = tuple(EntryKeys.model_fields)


class AxisValue(EntryKeys):
    """One value of an axis; it may change what the entries of its rows measure."""

    value: str | int
    label: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_value_alone(cls, given: Any) -> Any:
        return given if isinstance(given, dict) else {"value": given}


class Axis(ConfigModel):
    """What the rows, or columns with `each`, go through."""

    axis: AxisName
    of: str | None = None
    """`$key`: the runs by label, evaluations, or pairs of runs that the config has there."""
    among: str | None = None
    """Of the axis `comparison`: `$key` with the runs by label."""
    values: list[AxisValue] = Field(default=[AxisValue(value=EACH)], min_length=1)
    """`each` stands for all: the runs, data sets, text types or shots of the evaluation, ..."""
    labels: Literal["text_types"] | None = None
    """The labels of the runs are the text types that they were trained on: they are shown in
    words, and a run is tested with its own unless the table says otherwise."""


class Column(EntryKeys):
    """One column; with `each`, one for each value of an axis."""

    key: str = ""
    """Its name in the CSV file; with `each`, `{}` is the value."""
    label: str
    """Its heading; `{}` likewise."""
    text: str | None = None
    """A text: `{run}`, `{text_type}`, ... are the row's."""
    show: Show = "value"
    """`value`; `chance`, `images`, `n`, `classes`, `seeds` of the row's first value, or of what the
    column itself names; `published`; `difference` (measured less published, at the paper's scale);
    `p` of the comparison; `code`: what the table's code gives."""
    interval: bool = False
    """Show the interval and the spread."""
    optional: bool = False
    """Empty where there is no such cell or measure."""
    each: AxisName | None = None
    mean_of: list[str] = Field(default=[])
    """The mean of these columns' values, or of all columns that an axis made, by its name. Of `p`:
    the mean that is compared."""
    of: str | None = None
    """With `each`, as an axis has it. Of `p` and `difference`: the column that is meant; the first
    value without it."""
    arm: Literal["first", "second"] | None = None
    """The run on this side of the row's comparison."""
    published: str | None = None
    """The column of the published CSV file, where it is not the table's; with `each`, `{}` is the
    value and `{dataset}` the data set."""
    digits: int | None = None
    """Behind the point of published numbers, where they are no shares."""
    scale: Literal["demo", "paper"] | None = None
    """The column is there at this scale alone."""
    asked: Asked | None = None
    """The column is there only where an adaptation of the rows asks for it by this key. Columns of
    this kind that an axis makes are called so in `mean_of`, and are never marked."""

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if not self.key and not self.each:
            raise ValueError(f"the column {self.label!r} needs a key: its name in the CSV file")
        return self


class Published(ConfigModel):
    """Where the paper's own numbers are."""

    csv: str
    """A file in `workflow/registry/published/`, with the column `source`."""
    row: dict[str, str] = Field(min_length=1)
    """The text of each of the table's text columns: a fixed one, or `{column}` of the CSV file."""
    value: str
    """The column of the CSV file with the number."""


class Compare(ConfigModel):
    """A paired test of each row against one: do they differ by more than chance?"""

    row: dict[str, str] = Field(min_length=1)
    """Texts of the row that the others are compared with; other text columns must be the same."""
    over: Literal["images", "classes"] = "images"
    """What is exchanged between the two: single images, or all images of a class together."""
    correct: Literal["holm", "none"] = "holm"
    """For the number of comparisons in the table."""
    resamples: Annotated[int, Field(ge=100)] = 10_000


class Mark(ConfigModel):
    """Emphasis of the highest measured value of a column."""

    best: Literal["bold"] | None = "bold"
    second: Literal["underline"] | None = None
    columns: list[str] = Field(min_length=1)
    """By key, or all that an axis made, by its name."""


class Ranks(ConfigModel):
    """Instead of the rows: how well the order by each other value column is that by one of them."""

    like: str
    """The column whose order is right."""
    within: str
    """The text column that names the groups: rows are compared within a group alone."""


class TableSpec(ConfigModel):
    """A table, a table with a figure, or, without columns, a figure."""

    title: str
    """`{name}` is the key `name` of the paper's section in the config, in words."""
    label: str
    """A short title, for the report."""
    caption: str
    """Under the table in the report."""
    reads: list[Read] = Field(default=["cells"])
    """What is read: what was judged, image features, catalog, classes, images, the images and texts
    of each row's task, the manifest of each row's aligned model, the options of each row's
    adaptation."""
    rows: list[Axis] = Field(default=[])
    """The rows are each combination of the axes' values, the last axis fastest."""
    entry: EntryKeys = EntryKeys()
    columns: list[Column] = Field(default=[])
    code: (
        Literal["rank_chance", "paired_effect", "adaptation_cost", "task_sizes", "aligner"] | None
    ) = None
    """What no key says: a module of `nicheclip.reporting.row_code`; it fills the columns that show
    `code`."""
    percent: bool = False
    """Show measured values times 100, to one digit; published ones are in percent already."""
    unmeasured: Literal["error", "leave_out"] = "error"
    """A row whose first value was not measured, for example of a group with too few classes."""
    trained_on: Literal["dataset", "seen_in"] | None = None
    """The runs must be trained on the data set that is judged, or that decides what is seen."""
    agree: list[Literal["dataset", "split", "seen_in"]] = Field(default=[])
    """What all evaluations of the table must have in common."""
    published: Published | None = None
    compare: Compare | None = None
    mark: Mark | None = None
    ranks: Ranks | None = None
    notes: list[str] = Field(default=[])
    figure: FigureSpec | None = None

    @model_validator(mode="after")
    def _keys_are_there(self) -> Self:
        if not self.columns and not self.figure:
            raise ValueError("a table needs columns, and a figure alone needs figure")
        texts = {column.key for column in self.columns if column.text is not None}
        keys = {column.key for column in self.columns}
        axes = {column.asked or column.each for column in self.columns if column.each}
        for place, wanted, known in self._column_names():
            valid: set[str] = texts if known == "text" else keys | set(axes)
            if wanted not in valid:
                raise ValueError(
                    f"{place}: no {known} column is called {wanted!r}{suggestion(wanted, valid)}"
                )
        figure = self.figure
        if isinstance(figure, CriticalDifferenceFigure) and not any(
            column.key == figure.mean and column.mean_of for column in self.columns
        ):
            raise ValueError(f"figure.mean: the column {figure.mean!r} has no mean_of")
        if self.columns and not texts:
            raise ValueError("columns: none has text, so the rows have no names")
        return self

    def _column_names(self) -> list[NamedColumn]:
        """The columns that other keys name."""
        found: list[NamedColumn] = []
        for column in self.columns:
            found += [(f"columns.{column.key}.mean_of", name, "value") for name in column.mean_of]
            if column.of and not column.each:
                found.append((f"columns.{column.key}.of", column.of, "value"))
        if self.published:
            found += [("published.row", name, "text") for name in self.published.row]
        if self.compare:
            found += [("compare.row", name, "text") for name in self.compare.row]
        if self.ranks:
            found.append(("ranks.like", self.ranks.like, "value"))
            found.append(("ranks.within", self.ranks.within, "text"))
        if self.mark:
            found += [("mark.columns", name, "value") for name in self.mark.columns]
        if self.figure:
            found += self.figure.named_columns()
        return found


def read_table_spec(path: Path) -> TableSpec:
    """The table at ``path``.

    Raises:
        InputError: names each wrong key with its line, and the nearest valid key.
    """
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected the keys of a table: {', '.join(_KEYS)}.")
    try:
        return TableSpec.model_validate(values)
    except ValidationError as error:
        lines = explain(error, TableSpec.model_json_schema(), [path], {})
        raise InputError("\n  ".join([f"{path}: not a table.", *lines])) from None


_KEYS = tuple(TableSpec.model_fields)
