"""Whose results a run replaces: names that stood for other sources in an earlier run.

Results lie in folders called after data sets, models and runs. Two configs with the same names, in
the same working folder, make each other's results anew.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from nicheclip.config.data import DatasetConfig
from nicheclip.config.workflow import Config
from nicheclip.runtime.files import read_json, write_json

FILE = Path("results/last_run.json")

#: where the results of each section lie
FOLDERS = {
    "datasets": "acquire",
    "models": "models/start",
    "training": "models/trained",
    "pretraining": "models/backbones",
    "alignment": "models/aligned",
}

REPLACED = """\
Note: these names stood for something else in an earlier run in this folder ({files}). Their results
are replaced as this run makes them anew. To keep both, give them other names or work in another
folder:
{lines}"""


class Origin(BaseModel):
    """What the results of a name are made from, in words, and the config that said so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    made_from: str
    config: str


Origins = dict[str, Origin]


def origins(config: Config, file: str) -> Origins:
    """Of each data set, start model and run of ``config``, as read from ``file``, by its key."""
    found = {f"datasets.{name}": _source(one) for name, one in config.datasets.items()}
    for name, model in config.models.items():
        weights = model.pretrained or "random weights"
        found[f"models.{name}"] = f"{model.architecture} with {weights}"
    for name, run in config.training.items():
        found[f"training.{name}"] = f"the model {run.model} on the data set {run.dataset}"
    for name, pretraining in config.pretraining.items():
        words = f"the backbone {pretraining.backbone} on the data set {pretraining.dataset}"
        found[f"pretraining.{name}"] = words
    for name, alignment in config.alignment.items():
        given = alignment.backbone
        backbone = f"{given.architecture} with {given.weights}" if given else alignment.pretraining
        words = f"{backbone} and {alignment.run or alignment.model}"
        found[f"alignment.{name}"] = f"{words} on the data set {alignment.dataset}"
    return {key: Origin(made_from=words, config=file) for key, words in found.items()}


def _source(dataset: DatasetConfig) -> str:
    """In words without addresses, which may hold passwords."""
    values: dict[str, Any] = dataset.source.model_dump(mode="json")
    kind = values["kind"]
    if kind == "synthetic":
        return f"the world {values['world']['name']}"
    if urls := values.get("urls"):
        names = [PurePosixPath(urlsplit(url).path).name for url in urls]
        return f"the archives {', '.join(names)}"
    return f"the {kind} {values.get('path') or values.get('repository') or values.get('name')}"


def read_origins(file: Path = FILE) -> Origins:
    """Of all earlier runs in this folder; none where the record is not there or is damaged."""
    try:
        return {key: Origin.model_validate(value) for key, value in read_json(file).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def record(now: Origins, file: Path = FILE) -> None:
    """Note them; other names keep what an earlier run has noted, as they keep their results."""
    before = read_origins(file)
    values = {key: one.model_dump() for key, one in {**before, **now}.items()}
    if values != {key: one.model_dump() for key, one in before.items()}:
        write_json(file, values)


def replaced(before: Mapping[str, Origin], now: Mapping[str, Origin], results: Path) -> str:
    """Whose results are there and come from other sources, in words; empty if nobody's."""
    changed = {
        key: (before[key], one)
        for key, one in now.items()
        if key in before
        and before[key].made_from != one.made_from
        and _folder(results, key).exists()
    }
    if not changed:
        return ""
    files = ", ".join(dict.fromkeys(old.config for old, _ in changed.values()))
    lines = [
        f"  {key}: was {old.made_from}, now {new.made_from}" for key, (old, new) in changed.items()
    ]
    return REPLACED.format(files=files, lines="\n".join(lines))


def _folder(results: Path, key: str) -> Path:
    section, _, name = key.partition(".")
    return results / FOLDERS[section] / name
