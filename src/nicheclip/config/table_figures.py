"""Figures of a paper's table, as its file asks for them."""

from typing import Annotated, Literal

from pydantic import Field

from nicheclip.config.base import ConfigModel

NamedColumn = tuple[str, str, Literal["text", "value"]]
"""Where a column is named, the column, and of which sort it must be."""


class DotsFigure(ConfigModel):
    """Values with intervals as dots; a line for each text of `lines`, panels side by side."""

    kind: Literal["dots"]
    lines: str
    """The text column that names the lines."""
    value: str
    panels: str
    """The text column that names the panels."""
    shown: list[str] = Field(default=[])
    """The panels that are drawn, in order; all without it."""
    heading: str = "{}"
    """Of a panel."""
    models: str | None = None
    """The text column with a series for each of its texts."""
    before: str | None = None
    """The column of the same before training."""
    chance: str | None = None
    measure: str | None = None
    """What the dots are; else the value's label."""
    zero: bool = False
    """The numbers are differences: draw a line at 0."""

    def named_columns(self) -> list[NamedColumn]:
        """The columns of the table that it shows."""
        found: list[NamedColumn] = [
            ("figure.lines", self.lines, "text"),
            ("figure.panels", self.panels, "text"),
            ("figure.value", self.value, "value"),
        ]
        if self.models:
            found.append(("figure.models", self.models, "text"))
        return found + _values(before=self.before, chance=self.chance)


class BesidePublishedFigure(ConfigModel):
    """One panel: measured beside published values, chance and a baseline."""

    kind: Literal["beside_published"]
    lines: str
    value: str
    published: str = "published"
    before: str = "before_training"
    chance: str = "chance"
    baseline: str = "baseline"

    def named_columns(self) -> list[NamedColumn]:
        """The columns of the table that it cannot do without."""
        values = _values(before=self.before, chance=self.chance, value=self.value)
        return [("figure.lines", self.lines, "text"), *values]


class ScatterFigure(ConfigModel):
    """A named point for each row: a value over each of several others, panels side by side."""

    kind: Literal["scatter"]
    points: str
    """The text column that names the points."""
    x: list[str] = Field(min_length=1)
    """Columns on axes from left to right, logarithmic; rows without a number above 0 are left out
    of a panel."""
    y: str
    """The column that goes up, or the first one that an axis made, by its name."""

    def named_columns(self) -> list[NamedColumn]:
        """The columns of the table that it shows."""
        values: list[NamedColumn] = [("figure", name, "value") for name in (*self.x, self.y)]
        return [("figure.points", self.points, "text"), *values]


class CriticalDifferenceFigure(ConfigModel):
    """Mean ranks of the rows over the columns that are tasks: Friedman's test, and Nemenyi's
    critical difference. Rows without a value for every task are left out and named."""

    kind: Literal["critical_difference"]
    methods: str
    """The text column that names the rows."""
    mean: str
    """The column that is the mean of the tasks."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Of the critical difference."""

    def named_columns(self) -> list[NamedColumn]:
        """The columns of the table that it reads."""
        return [("figure.methods", self.methods, "text"), ("figure.mean", self.mean, "value")]


class DrawnFigure(ConfigModel):
    """A figure that has code of its own and no options."""

    kind: Literal["tree", "distances", "probabilities", "pictures", "ranks"]

    def named_columns(self) -> list[NamedColumn]:
        """None: it is drawn from other files, or from the whole table."""
        return []


FigureSpec = Annotated[
    DotsFigure | BesidePublishedFigure | ScatterFigure | CriticalDifferenceFigure | DrawnFigure,
    Field(discriminator="kind"),
]


def _values(**columns: str | None) -> list[NamedColumn]:
    """The columns that are given, by the key of the figure that names them."""
    return [(f"figure.{key}", name, "value") for key, name in columns.items() if name]
