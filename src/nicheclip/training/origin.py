"""What the result of a run follows from, and in what two runs differ."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from nicheclip.config.training import TrainingConfig
from nicheclip.data.shard_reader import ShardSet
from nicheclip.models.deltas import model_files
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.seeding import stable_hash

#: of the engine: raise it when the content of a state or the meaning of a step changes
FORMAT = 2

#: longest list of differences in a message
SHOWN = 4

MISSING = "missing"


class Origin(BaseModel):
    """All that a run's result follows from, but the code; that has versions instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    """Of the engine."""
    version: int
    """Of the recipe."""
    config: dict[str, Any]
    """``TrainingConfig.determines``."""
    seed: int
    start: str
    """Sixteen hex digits over the files of the start model."""
    data: str
    """Sixteen hex digits over the indexes of the shards, which hold checksums of the samples."""

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits: runs with the same have the same result on the same code."""
        return f"{stable_hash(json.dumps(self.model_dump(mode='json'), sort_keys=True)):016x}"

    def differences(self, now: "Origin") -> str:
        """In what a run of this origin differs from one of ``now``, in words."""
        found = list(_differences(self, now))
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        return ", ".join(found[:SHOWN]) + more


def origin_of(
    config: TrainingConfig, *, version: int, seed: int, start: Path, shards: list[ShardSet]
) -> Origin:
    """The origin of a run.

    Args:
        config: of the run.
        version: of its recipe.
        seed: of the run.
        start: folder of the start model.
        shards: the splits that it reads.
    """
    model = [sha256_file(file) for file in model_files(start)]
    data = [sha256_file(tar.with_suffix(".parquet")) for split in shards for tar in split.tars]
    return Origin(
        version=version,
        config=config.determines(),
        seed=seed,
        start=f"{stable_hash(*model):016x}",
        data=f"{stable_hash(*data):016x}",
    )


def _differences(one: Origin, now: Origin) -> Iterator[str]:
    if one.format != now.format:
        yield f"format of the engine {one.format}, now {now.format}"
    if one.version != now.version:
        yield f"version of the recipe {one.version}, now {now.version}"
    yield from _changes(one.config, now.config)
    if one.seed != now.seed:
        yield f"seed {one.seed}, now {now.seed}"
    if one.start != now.start:
        yield "another start model"
    if one.data != now.data:
        yield "other data"


def _changes(before: Any, after: Any, key: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            inner = f"{key}.{name}" if key else name
            yield from _changes(before.get(name, MISSING), after.get(name, MISSING), inner)
    elif before != after:
        shown = [MISSING if v == MISSING else json.dumps(v) for v in (before, after)]
        yield f"{key} {shown[0]}, now {shown[1]}"
