"""What the results folder knows of a model: its data set, that set's classes, how images were kept.

A model that lies where the workflow put it answers among the classes that it was trained on, called
as in its training, without being told.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import ValidationError

from nicheclip.config.data import ImageConfig
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json
from nicheclip.terms import CLASS_TEXT_TYPES, TextType

#: files that say which config a model comes from
RECORDS = ("train.json", "manifest.json")


@dataclass(frozen=True)
class Origin:
    """Of a model in a results folder."""

    results: Path
    dataset: str
    image: ImageConfig
    """How the images of the data set are stored."""
    text_type: TextType
    """The one that it was trained with most; ``com`` where it was with none of a class."""

    @property
    def classes(self) -> Path:
        """Schema ``CLASSES``."""
        return self.results / "acquire" / self.dataset / "classes.parquet"

    @property
    def texts(self) -> Path:
        """Schema ``TEXTS``."""
        return self.results / "taxonomy" / self.dataset / "texts.parquet"


def find_origin(folder: Path | None) -> Origin | None:
    """Where the model in ``folder`` comes from; None where no results folder is around it."""
    above = [] if folder is None else [p for p in folder.resolve().parents if p.name == "models"]
    if folder is None or not above:
        return None
    results = above[0].parent
    config = _json(results / "config.json")
    record: dict[str, Any] = {}
    for name in RECORDS:
        record = record or _part(_json(folder / name), "config")
    dataset = record.get("dataset") or _of_task(config, folder)
    if not isinstance(dataset, str) or not (results / "acquire" / dataset).is_dir():
        return None
    return Origin(results, dataset, _image(config, dataset), _text_type(record))


def _of_task(config: dict[str, Any], folder: Path) -> Any:
    """The data set of an adapted model's task."""
    return _part(config, "tasks", folder.resolve().parent.name).get("dataset")


def _image(config: dict[str, Any], dataset: str) -> ImageConfig:
    found = _part(config, "datasets", dataset, "image")
    try:
        return ImageConfig.model_validate(found)
    except ValidationError:  # of another version
        return ImageConfig()


def _text_type(record: dict[str, Any]) -> TextType:
    types = _part(record, "texts", "types").items()
    known = {
        name: share
        for name, share in types
        if name in CLASS_TEXT_TYPES and isinstance(share, int | float)
    }
    best = max(known, key=lambda name: known[name]) if known else "com"
    assert best in get_args(TextType)
    return cast(TextType, best)


def _part(record: dict[str, Any], *names: str) -> dict[str, Any]:
    """What is under ``names``; empty where it is no mapping, as in files of other programs."""
    for name in names:
        inner = record.get(name)
        record = inner if isinstance(inner, dict) else {}
    return record


def _json(path: Path) -> dict[str, Any]:
    """The file's content; empty where there is none that can be read."""
    try:
        found = read_json(path)
    except (OSError, ValueError, InputError):
        return {}
    return found if isinstance(found, dict) else {}
