"""The leaderboard: the lines of its file, and whose results of others stand beside ours.

A line is a cell: one model (one seed of it) judged by one protocol of one evaluation on one data
set. The schema has a version; a key is never given another meaning within one.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from nicheclip.config.base import ConfigModel
from nicheclip.config.explain import suggestion
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path, read_lines
from nicheclip.subjects import Kind

#: of the lines; another number is another schema
VERSION = 1

#: measures that are shares of images, so that 81.2 is a percentage by mistake
SHARES = ("top1", "top3", "top5", "macro", "recall_at_1", "rank_accuracy", "harmonic_mean")


class LeaderboardConfig(ConfigModel):
    """What stands in the leaderboard beside what this config judges."""

    others: list[str] = Field(default=[])
    """JSONL files with results of others, in the schema of `results/tables/leaderboard.jsonl`; `by`
    must say whose they are. Results on the same task with as many images and classes are ranked
    with ours, others are listed."""

    @property
    def files(self) -> list[str]:
        """Their paths, with ``~`` and variables filled in.

        Raises:
            InputError: see ``expand_path``.
        """
        return [str(expand_path(path)) for path in self.others]


class Score(ConfigModel):
    """One measured number of a cell."""

    name: str = Field(min_length=1)
    """As in `metrics.json`: top1, macro, recall_at_1, ..."""
    facets: dict[str, str] = Field(default={})
    """What it is about: shots, text_type, group, rank, by."""
    value: float
    low: float | None = None
    """Lower end of its interval; null where there is none."""
    high: float | None = None
    confidence: float | None = Field(default=None, gt=0, lt=1)
    """Of the interval."""
    method: str | None = None
    """Of the interval: bootstrap, bca, wilson, ..."""
    std: float | None = Field(default=None, ge=0)
    """Over support sets."""
    n: int = Field(ge=1)
    """Images, or support sets."""
    chance: float | None = None

    @model_validator(mode="after")
    def _is_a_measurement(self) -> Self:
        if self.name in SHARES and not 0 <= self.value <= 1:
            raise ValueError(f"{self.name} is {self.value:g}; expected a share between 0 and 1")
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has low and high")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        return self


class LeaderboardLine(ConfigModel):
    """One cell."""

    version: Literal[1]
    """Of this schema."""
    by: str = ""
    """Who measured it; empty: the run that wrote the file."""
    model: str = Field(min_length=1, max_length=200)
    """Its name: of a start model, training run, alignment or method, or as others call it."""
    kind: Kind | Literal["other"]
    """start, trained, aligned, adapted, baseline; other: none of these is known."""
    variant: str = "default"
    """Seeds of one model, `seed0`, `seed1`, ..., stand together."""
    evaluation: str = Field(min_length=1)
    dataset: str = Field(min_length=1)
    split: str = Field(min_length=1)
    protocol: str = Field(min_length=1)
    n: int = Field(ge=1)
    """Images judged."""
    classes: int = Field(ge=1)
    """Classes to choose from."""
    scores: list[Score] = Field(min_length=1)
    source: str = Field(min_length=1)
    """Where it comes from: the metrics file, or a paper, URL or commit."""

    @field_validator("scores")
    @classmethod
    def _scores_differ(cls, scores: list[Score]) -> list[Score]:
        names = [(one.name, *sorted(one.facets.items())) for one in scores]
        if len(set(names)) < len(names):
            raise ValueError("a score repeats")
        return scores

    @property
    def cell(self) -> tuple[str, ...]:
        """What no other line has."""
        what = (self.by, self.kind, self.model, self.variant)
        return (*what, self.evaluation, self.dataset, self.split, self.protocol)


def read_leaderboard(path: str) -> list[LeaderboardLine]:
    """The lines of a leaderboard file; empty ones are left out.

    Raises:
        InputError: names file, line and field of the first that is not as the schema has it, or of
            a cell that stands twice.
    """
    found: list[LeaderboardLine] = []
    places: dict[tuple[str, ...], int] = {}
    for number, text in enumerate(read_lines(path), start=1):
        if not text.strip():
            continue
        line = _line(f"{path}, line {number}", text)
        first = places.setdefault(line.cell, number)
        if first != number:
            raise InputError(
                f"{path}, line {number}: the same cell as line {first} ({line.kind}/{line.model}/"
                f"{line.variant} by {line.protocol} on {line.dataset}). Remove one of them."
            )
        found.append(line)
    return found


def read_others(paths: Sequence[str], *, named: bool = True) -> list[LeaderboardLine]:
    """The lines of all files of results of others; with ``named``, each must say whose it is.

    Raises:
        InputError: as ``read_leaderboard``; a line that does not say whose it is; a cell that two
            files have.
    """
    found: list[LeaderboardLine] = []
    files: dict[tuple[str, ...], str] = {}
    for path in paths:
        for line in read_leaderboard(path):
            place = f"{path}: {line.kind}/{line.model} by {line.protocol} on {line.dataset}"
            if named and not line.by:
                raise InputError(f"{place}: by is empty; say who measured it.")
            if line.cell in files:
                raise InputError(
                    f"{place}: is in {files[line.cell]} as well. Remove one of them, or say in "
                    "`by` whose each is."
                )
            files[line.cell] = path
            found.append(line)
    return found


def _line(place: str, text: str) -> LeaderboardLine:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not JSON ({error}); expected one object.") from None
    if not isinstance(values, dict):
        raise InputError(f"{place}: a {type(values).__name__}; expected an object.")
    if values.get("version", VERSION) != VERSION:
        raise InputError(
            f"{place}, field version: {values['version']!r}; this program reads {VERSION}."
        )
    try:
        return LeaderboardLine.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{place}, {_explained(error)}") from None


def _explained(error: ValidationError) -> str:
    """The first of the errors, with its field; a mistyped key before the key that it leaves out."""
    items: Any = error.errors(include_url=False, include_context=False)
    item = min(items, key=lambda one: one["type"] != "extra_forbidden")
    path = [str(part) for part in item["loc"]]
    field = "field " + ".".join(path) if path else "the whole line"
    if item["type"] == "extra_forbidden":
        model = Score if path[0] == "scores" else LeaderboardLine
        return f"{field}: unknown{suggestion(path[-1], model.model_fields)}."
    if item["type"] == "missing":
        return f"{field}: is missing."
    return f"{field}: {item['msg'].removeprefix('Value error, ')} (given: {item['input']!r:.80})."
