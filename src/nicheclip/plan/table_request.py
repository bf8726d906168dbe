"""A table as the job that makes it is told of it: every row, and what each entry measures."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from nicheclip.config.table_figures import FigureSpec
from nicheclip.config.tables import Compare, Mark, Published, Ranks, Show
from nicheclip.plan.cells import Cell
from nicheclip.plan.words import Scale
from nicheclip.subjects import Kind, Subject

#: what columns show of a measure beside its value
FACTS: tuple[Show, ...] = ("chance", "images", "n", "classes", "seeds")

#: what tells the values of one measure of a cell apart
FACETS = ("text_type", "group", "rank", "shots", "by")


class _Plain(BaseModel):
    """Travels as plain values in a job's params."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Selection(_Plain):
    """One measure of one subject on one data set, its seeds together."""

    kind: Kind
    name: str
    variants: list[str]
    evaluation: str
    dataset: str
    split: str
    protocol: str
    measure: str
    facets: dict[str, str | int]

    @property
    def cells(self) -> list[Cell]:
        """One for each variant."""
        return [
            Cell(
                Subject(kind=self.kind, name=self.name, variant=variant),
                self.evaluation,
                self.dataset,
                self.split,
                self.protocol,
            )
            for variant in self.variants
        ]

    def __str__(self) -> str:
        facets = ", ".join(f"{key} {value}" for key, value in self.facets.items())
        return f"{self.measure} ({facets})" if facets else self.measure


class Row(_Plain):
    """A row of a table, or one of the things that a figure shows."""

    label: str
    """Its axis values, in words."""
    texts: dict[str, str]
    """Of the text columns, by key."""
    entries: dict[str, Selection]
    """By key of the column; those that are not in the plan and may be empty are left out."""
    entry: Selection
    """The first of them; of a figure alone what its `entry` says for this row."""
    method: dict[str, Any] | None = None
    """The options of an adaptation, where the table reads them."""


class TableColumn(_Plain):
    """A column, `each` worked out."""

    key: str
    label: str
    text: bool
    show: Show
    interval: bool
    optional: bool
    mean_of: list[str]
    of: str | None
    published: str | None
    """The column of the published CSV file."""
    digits: int | None = None
    """Of published numbers, where the table's are not meant."""


class TableRequest(_Plain):
    """Everything that makes a table, or a figure alone."""

    name: str
    """Of its files."""
    title: str
    scale: Scale
    seed: int
    """Of the bootstrap, of permutations and of samples."""
    bootstrap: int
    """Resamples, as the evaluation has them."""
    confidence: float
    columns: list[TableColumn]
    rows: list[Row]
    code: str | None
    percent: bool
    leave_out_unmeasured: bool
    published: Published | None
    published_file: str | None
    compare: Compare | None
    mark: Mark | None
    ranks: Ranks | None
    notes: list[str]
    figure: FigureSpec | None
    features: list[str]
    """The image features of each row, where the table reads them."""
    dataset: str
    """That is judged; of several the first."""
    split: str

    @property
    def selections(self) -> list[Selection]:
        """All that is measured."""
        return [one for row in self.rows for one in (*row.entries.values(), row.entry)]

    @property
    def metrics(self) -> list[str]:
        """The files with what the entries show."""
        entries = [one for row in self.rows for one in row.entries.values()]
        return list(dict.fromkeys(cell.metrics for one in entries for cell in one.cells))

    def acquired(self, kind: str) -> str:
        """The acquire output ``kind`` of the data set."""
        return f"results/acquire/{self.dataset}/{kind}"

    def column(self, key: str) -> TableColumn:
        """The column of that key."""
        return next(column for column in self.columns if column.key == key)

    def value_columns(self) -> list[TableColumn]:
        """Those that show what was measured."""
        return [c for c in self.columns if not c.text and c.show == "value" and not c.mean_of]
