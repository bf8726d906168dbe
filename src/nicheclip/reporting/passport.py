"""A cell's passport: from a number in a table back to what it follows from.

All is read from what the workflow wrote beside its results; nothing is computed anew.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nicheclip.evaluation.measures import read_metrics
from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import read_json
from nicheclip.subjects import SUBJECT_FILE, Subject

#: what follows a column's name in its neighbours
PARTS = ("_spread", "_low", "_high")
#: sections of a config that name what a subject of each kind is
SECTIONS = {
    "start": "models",
    "trained": "training",
    "aligned": "alignment",
    "adapted": "adaptation",
}
#: the report of a training, in its model's folder
TRAINING = "train.json"
#: names that a message shows
NAMED = 12

Facts = dict[str, Any]


@dataclass(frozen=True)
class Passport:
    """Where a cell comes from."""

    table: str
    row: str
    column: str
    rows: list[dict[str, str]]
    """The cell with its neighbours (spread, interval), for each row of this name."""
    published: str
    """What the table says of its published numbers; "" where it has none."""
    sources: list[Facts] = field(default_factory=list)
    """One for each subject and seed that is in the cell."""


def passport(table: Path, row: str, column: str) -> Passport:
    """The passport of a cell.

    Args:
        table: ``results/tables/<name>.csv``.
        row: the text in its first column; where several rows have it, other texts of the row
            after " / " tell them apart: ``top-1 accuracy / trained``. Upper case does not count.
        column: its name.

    Raises:
        InputError: there is no such table, row or column.
    """
    if table.suffix != ".csv" or not table.is_file():
        raise InputError(f"{table}: no such table; expected results/tables/NAME.csv.")
    with (
        reading(table, "a table that the workflow wrote", "Make the tables again."),
        table.open(encoding="utf-8", newline="") as stream,
    ):
        rows = list(csv.DictReader(stream))
        first = next(iter(rows[0]))
    name, *others = row.split(" / ")
    found = [
        one
        for one in rows
        if _same(one[first], name)
        and all(any(_same(text, other) for text in one.values()) for other in others)
    ]
    if not found:
        names = list(dict.fromkeys(one[first] for one in rows))
        raise InputError(
            f"{table}: no row {row!r}; the column {first} has {', '.join(names[:NAMED])}"
            f"{', ...' if len(names) > NAMED else ''}."
        )
    if column not in found[0]:
        raise InputError(f"{table}: no column {column!r}; there are {', '.join(found[0])}.")
    texts = [name for name in found[0] if not _is_number(found[0][name])]
    near = [column, *(column + part for part in PARTS)]
    shown = [{k: one[k] for k in one if k in near or (k in texts and one[k])} for one in found]
    root = _root(table)
    sources = [source_facts(root, path) for path in _metrics(table, found[0][first], column)]
    # a table of one evaluation has rows of several subjects under one name
    cells = {text for one in found for text in one.values()}
    mine = [one for one in sources if one["subject"]["name"].split("/")[1] in cells]
    return Passport(
        table=str(table),
        row=found[0][first],
        column=column,
        rows=shown,
        published=_published(table),
        sources=mine or sources,
    )


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _root(table: Path) -> Path:
    """The folder that the paths in tables are relative to."""
    for folder in table.resolve().parents:
        if folder.name == "results":
            return folder.parent
    raise InputError(f"{table}: not below a folder results, where the workflow writes tables.")


def _metrics(table: Path, row: str, column: str) -> list[str]:
    """The files that are in the cell."""
    file = table.with_suffix(".sources.csv")
    with (
        reading(file, "the sources of a table's cells", "Make the tables again."),
        file.open(encoding="utf-8", newline="") as stream,
    ):
        return [
            one["metrics"]
            for one in csv.DictReader(stream)
            if one["row"] == row and one["column"] == column
        ]


def _published(table: Path) -> str:
    text = table.with_suffix(".md")
    lines = text.read_text(encoding="utf-8").splitlines() if text.is_file() else []
    return next((line for line in lines if line.startswith("Published:")), "")


def source_facts(root: Path, path: str) -> Facts:
    """What one number of a table follows from.

    Args:
        root: the folder that the paths in tables are relative to.
        path: of the metrics file, of the predictions beside it, or, of what a training cost, of the
            training's report in the model's folder.
    """
    if Path(path).name == TRAINING:
        return _training(root, path)
    path = str(Path(path).with_name("metrics.json"))
    metrics = read_metrics(root / path)
    subject, results = metrics.subject, root / "results"
    features = results / "features" / metrics.dataset / metrics.split / subject.kind / subject.name
    made = _json(features / "manifest.json")
    acquired = _json(results / "acquire" / metrics.dataset / "manifest.json")
    config = _json(results / "config.json")
    found: Facts = {
        "measured": {
            "metrics": path,
            "predictions": str(Path(path).with_name("predictions.parquet")),
            "images": metrics.n,
            "classes": metrics.classes,
            "seconds": metrics.cost.wall_seconds,
            "hardware": metrics.cost.hardware,
        },
        "subject": {"name": str(subject), "seed": subject.seed, **_made(root, subject)},
        "encoding": _some(made, "code", "packages", "python"),
        "data": {
            "dataset": metrics.dataset,
            "split": metrics.split,
            "digests": acquired.get("outputs", {}),
            **_some(acquired, "code", "counts"),
        },
        "config": _config(config, metrics.subject)
        | _entries(config, [("datasets", metrics.dataset), ("evaluation", metrics.evaluation)]),
    }
    return {name: facts for name, facts in found.items() if facts}


def _training(root: Path, path: str) -> Facts:
    """Of a number that the report of a training holds, such as its seconds."""
    # results/models/<kind>/<name>/<variant>/train.json
    kind, *name, variant = Path(path).parts[2:-1]
    subject = Subject.model_validate({"kind": kind, "name": "/".join(name), "variant": variant})
    found: Facts = {
        "measured": {
            "training": path,
            **_some(_json(root / path), "seconds", "peak_memory_bytes"),
        },
        "subject": {"name": str(subject), "seed": subject.seed, **_made(root, subject)},
        "config": _config(_json(root / "results/config.json"), subject),
    }
    return {name: facts for name, facts in found.items() if facts}


def _made(root: Path, subject: Subject) -> Facts:
    """How the model was made."""
    folder = root / subject.folder
    if not folder.is_dir():
        return {}
    trained = _json(folder / TRAINING) or _json(folder / "manifest.json")
    return {
        "folder": subject.folder,
        **_some(trained, "code", "device", "epochs", "steps", "packages", "python", "outputs"),
        **_some(_json(folder / SUBJECT_FILE), "base", "base_weights", "changed"),
        **_some(_json(folder / "key.json"), "key"),
    }


def _config(config: Facts, subject: Subject) -> Facts:
    """The entries of the config that a subject follows from, as they were written."""
    name, _, task = subject.name.partition("/")
    wanted = [(SECTIONS.get(subject.kind, ""), name), ("tasks", task)]
    return {"seed": config.get("seed")} | _entries(config, wanted)


def _entries(config: Facts, wanted: Sequence[tuple[str, str]]) -> Facts:
    """Those of (section, name) that the config has."""
    found = {f"{section}.{entry}": config.get(section, {}).get(entry) for section, entry in wanted}
    return {key: value for key, value in found.items() if value is not None}


def _some(facts: Facts, *names: str) -> Facts:
    return {name: facts[name] for name in names if name in facts}


def _json(path: Path) -> Facts:
    """The content of a file; empty where it is not there, or damaged."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
