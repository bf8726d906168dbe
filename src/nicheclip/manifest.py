"""``manifest.json``: what a stage made, from what, with what, and what it dropped."""

import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from nicheclip.files import sha256_file, write_json

RECORDED_PACKAGES = (
    "aggdraw",
    "lightning-fabric",
    "nicheclip",
    "numpy",
    "open_clip_torch",
    "pillow",
    "polars",
    "pyarrow",
    "torch",
    "webdataset",
)


class Dropped(BaseModel):
    """One input that was left out, and why."""

    model_config = ConfigDict(frozen=True)

    key: str
    reason: str


class Manifest(BaseModel):
    """The record of one stage's run."""

    stage: str
    counts: dict[str, int]
    dropped_counts: dict[str, int]
    dropped: list[Dropped]
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
        dropped: list[Dropped] | None = None,
    ) -> None:
        """Hash ``outputs`` and write the manifest to ``path``; outputs are named relative to it."""
        path = Path(path)
        dropped = dropped or []
        reasons = sorted({item.reason for item in dropped})
        manifest = Manifest(
            stage=self._stage,
            counts=counts,
            dropped_counts={r: sum(d.reason == r for d in dropped) for r in reasons},
            dropped=dropped,
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


def _relative(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return path.as_posix()
