"""Checkpoints: whole or absent, verified, and used only by the run that wrote them.

``<folder>/<fingerprint>/step-<n>.pt`` holds the state, ``step-<n>.json`` beside it the checksum.
The checksum is written last, so a state without one was cut off by a kill.
"""

import logging
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nicheclip.config.training import TrainingConfig
from nicheclip.data.shard_reader import ShardSet
from nicheclip.models.openclip import CONFIG_FILE, WEIGHTS_FILE
from nicheclip.runtime.files import atomic_path, read_json, sha256_file, write_json
from nicheclip.runtime.seeding import stable_hash

log = logging.getLogger(__name__)

#: part of every fingerprint: raise it when the content of a state changes
FORMAT = 1
KEPT = 2
#: config keys that do not change the result
WITHOUT_EFFECT = {
    "seeds",
    "gpus",
    "nodes",
    "hours",
    "workers",
    "checkpoint_seconds",
    "log_every_steps",
}


@dataclass(frozen=True)
class Checkpoint:
    """The state after ``step`` steps."""

    step: int
    state: dict[str, Any]
    """Tensors, numbers, texts, lists and dicts of them: what ``weights_only`` loads."""


def fingerprint(
    config: TrainingConfig, *, seed: int, start: Path, shards: list[ShardSet], code: str
) -> str:
    """Sixteen hex digits over all that determines a run: config, seed, start model, data, code."""
    settings = config.model_dump_json(exclude=WITHOUT_EFFECT)
    model = [sha256_file(start / name) for name in (CONFIG_FILE, WEIGHTS_FILE)]
    data = [sha256_file(tar.with_suffix(".parquet")) for split in shards for tar in split.tars]
    return f"{stable_hash(FORMAT, settings, seed, code, *model, *data):016x}"


class CheckpointFolder:
    """The checkpoints of one run."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._root = folder
        self.folder = folder / fingerprint

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write ``checkpoint`` and remove all but the last ``KEPT``; returns its file."""
        path = self.folder / f"step-{checkpoint.step:09d}.pt"
        with atomic_path(path) as temporary:
            torch.save(checkpoint.state, temporary)
        write_json(
            path.with_suffix(".json"), {"step": checkpoint.step, "sha256": sha256_file(path)}
        )
        for old in self._newest_first()[KEPT:]:
            old.with_suffix(".json").unlink(missing_ok=True)
            old.unlink()
        return path

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole, or None; what is passed over goes to the log."""
        for other in sorted(self._root.glob("*/")):
            if other != self.folder:
                log.warning("%s: from another config, seed, start model or data; not used", other)
        for path in self._newest_first():
            try:
                record = read_json(path.with_suffix(".json"))
                if sha256_file(path) != record["sha256"]:
                    raise ValueError("its checksum differs")
                state = torch.load(path, map_location="cpu", weights_only=True)
                return Checkpoint(record["step"], state)
            except (OSError, ValueError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
                log.warning("%s: damaged (%s); trying the one before", path, error)
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.pt"), reverse=True)

    def remove(self) -> None:
        """Delete all checkpoints, those of other configs as well: the run is complete."""
        shutil.rmtree(self._root, ignore_errors=True)
