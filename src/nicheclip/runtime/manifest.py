"""``manifest.json``: what a stage made, from what, with what, and what it dropped."""

import platform
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from nicheclip.runtime.files import sha256_file, write_json

RECORDED_PACKAGES = (
    "aggdraw",
    "lightning-fabric",
    "nicheclip",
    "numpy",
    "open_clip_torch",
    "pillow",
    "polars",
    "pyarrow",
    "simplejpeg",
    "torch",
    "webdataset",
)


class Dropped(BaseModel):
    """One input that was left out, and why."""

    model_config = ConfigDict(frozen=True)

    key: str
    reason: str


@dataclass
class Tally:
    """Inputs by reason: all are counted, and the first of each reason shown."""

    counts: Counter[str] = field(default_factory=Counter)
    """By reason."""
    examples: list[Dropped] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Count and show what ``other`` holds as well."""
        self.counts.update(other.counts)
        self.examples += other.examples


class Manifest(BaseModel):
    """The record of one stage's run."""

    stage: str
    counts: dict[str, int]
    dropped_counts: dict[str, int]
    dropped: list[Dropped]
    """All of them, or where there may be millions the first of each reason."""
    noted_counts: dict[str, int]
    noted: list[Dropped]
    """Inputs that were kept, and what is doubtful about them; listed as ``dropped`` is."""
    outputs: dict[str, str]
    config: dict[str, Any]
    code: str
    packages: dict[str, str]
    python: str
    seconds: float


class ManifestWriter:
    """Collects the facts of a stage from its start; ``write`` is its last act."""

    def __init__(self, stage: str, *, config: dict[str, Any], code: str) -> None:
        self._stage = stage
        self._config = config
        self._code = code
        self._start = time.monotonic()

    def write(
        self,
        path: Path | str,
        *,
        outputs: list[Path],
        counts: dict[str, int],
        dropped: Sequence[Dropped] | Tally = (),
        noted: Sequence[Dropped] | Tally = (),
    ) -> None:
        """Hash ``outputs`` and write the manifest to ``path``; outputs are named relative to it."""
        path = Path(path)
        dropped, noted = _tally(dropped), _tally(noted)
        manifest = Manifest(
            stage=self._stage,
            counts=counts,
            dropped_counts=dropped.counts,
            dropped=dropped.examples,
            noted_counts=noted.counts,
            noted=noted.examples,
            outputs={_relative(o, path.parent): sha256_file(o) for o in outputs},
            config=self._config,
            code=self._code,
            packages=package_versions(),
            python=platform.python_version(),
            seconds=round(time.monotonic() - self._start, 3),
        )
        write_json(path, manifest.model_dump(mode="json"))


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a result."""
    versions = {}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _tally(items: Sequence[Dropped] | Tally) -> Tally:
    if isinstance(items, Tally):
        return items
    return Tally(Counter(item.reason for item in items), list(items))


def _relative(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return path.as_posix()
