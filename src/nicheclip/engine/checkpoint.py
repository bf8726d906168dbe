"""Checkpoints: whole or absent, verified, and used only by a run with the same result.

``<folder>/<fingerprint>-<code>/step-<n>.pt`` holds the state, ``step-<n>.json`` beside it a
``Record``: the checksum, what the run follows from, and the digest of the code. The record is
written last, so a state without one was cut off by a kill.

The fingerprint decides which checkpoints give the same result: it follows from the config, the
seed, the start model, the data, the engine's format and the objective's version. The digest of the
code is not part of it, since most edits change no result; what to do about an edit is the user's
choice (``ComputeConfig.on_code_change``).
"""

import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict

from nicheclip.engine.origin import Origin
from nicheclip.runtime.errors import InputError, cause
from nicheclip.runtime.files import atomic_path, read_json, sha256_file, write_json

log = logging.getLogger(__name__)

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """The state after ``step`` steps."""

    step: int
    state: dict[str, Any]
    """Tensors, numbers, texts, lists and dicts of them: what ``weights_only`` loads."""
    file: Path | None = None
    """Where it lies."""


class Record(BaseModel):
    """What stands beside a state."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int
    steps: int
    """Of the whole run."""
    sha256: str
    """Of the state's file."""
    code: tuple[str, ...]
    """Digests of the code that made the steps so far, in their order."""
    origin: Origin


#: a state's file, its record, the state
Stored = tuple[Path, Record, dict[str, Any]]


class CheckpointFolder:
    """The checkpoints of one run."""

    def __init__(
        self,
        folder: Path,
        origin: Origin,
        *,
        steps: int,
        code: str = "",
        on_code_change: Literal["stop", "continue", "restart"] = "stop",
    ) -> None:
        """Nothing is read yet.

        Args:
            folder: of the checkpoints of this run under any config and code.
            origin: what the run follows from.
            steps: of the whole run.
            code: a digest of the code that runs.
            on_code_change: see ``ComputeConfig``.
        """
        self._root, self._origin, self._steps = folder, origin, steps
        self._on_code_change = on_code_change
        self.fingerprint = origin.fingerprint
        self.folder = folder / (f"{self.fingerprint}-{code}" if code else self.fingerprint)
        self.code: tuple[str, ...] = (code,) if code else ()
        """Digests of the code that made this run's steps, in their order; see ``latest``."""

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write ``checkpoint`` and remove all but the last ``KEPT``; returns its file."""
        path = self.folder / f"step-{checkpoint.step:09d}.pt"
        for place in (path, path.with_suffix(".json")):
            if place.is_dir():
                shutil.rmtree(place)
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            torch.save(checkpoint.state, stream)  # by name, it hides why a write has failed
        record = Record(
            step=checkpoint.step,
            steps=self._steps,
            sha256=sha256_file(path),
            code=self.code,
            origin=self._origin,
        )
        write_json(path.with_suffix(".json"), record.model_dump(mode="json"))
        for old in _newest_first([self.folder])[KEPT:]:
            _remove(old.with_suffix(".json"))
            _remove(old)
        return path

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole, or None; ``code`` then begins with its code.

        What is passed over, and why, goes to the log; nothing is deleted.

        Raises:
            InputError: there are only checkpoints of other code, and ``on_code_change`` is
                ``stop``.
        """
        found = self._choose()
        if found is None:
            return None
        file, record, state = found
        if record.code[-1:] != self.code:
            log.warning("%s: written by other code; training continues from it", file)
            self.code = (*record.code, *self.code)
        else:
            self.code = record.code
        return Checkpoint(record.step, state, file)

    def _choose(self) -> Stored | None:
        for folder, reason in self._of_others():
            log.warning("%s: not used: %s", folder, reason)
        others = [f for f in self._same_fingerprint() if f != self.folder]
        if self._on_code_change == "continue":
            return next(_whole([self.folder, *others]), None)
        own = next(_whole([self.folder]), None)
        if own is None and self._on_code_change == "stop":
            for file, record, _ in _whole(others):
                raise self._other_code(file, record)
        for folder in others:
            log.warning("%s: not used: other code; kept until the run is complete", folder)
        return own

    def _other_code(self, file: Path, record: Record) -> InputError:
        then, now = (code[-1] if code else "none" for code in (record.code, self.code))
        return InputError(
            f"training: the checkpoint {file} (step {record.step} of {record.steps}) was written "
            f"by other code (digest {then}, now {now}): what training uses has changed since. "
            "Nothing was deleted. Choose in this run's section of the config:\n"
            "  compute: {on_code_change: continue}  continue from the checkpoint; train.json lists "
            "both digests\n"
            "  compute: {on_code_change: restart}   start again; the checkpoint is kept until the "
            "new run is complete\n"
            "Or go back to the code that wrote it."
        )

    def _folders(self) -> list[Path]:
        return sorted(path for path in self._root.glob("*") if path.is_dir())

    def _same_fingerprint(self) -> list[Path]:
        return [f for f in self._folders() if f.name.split("-")[0] == self.fingerprint]

    def _of_others(self) -> Iterator[tuple[Path, str]]:
        """Folders with another fingerprint, and what is other about them."""
        own = self._same_fingerprint()
        for folder in self._folders():
            if folder not in own:
                yield folder, self._reason(folder)

    def _reason(self, folder: Path) -> str:
        for path in _newest_first([folder]):
            try:
                record = read_json(path.with_suffix(".json"))
                if isinstance(record, dict) and "origin" not in record:
                    return f"format of the engine 1, now {self._origin.format}"
                return Record.model_validate(record).origin.differences(self._origin)
            except Exception as error:
                log.debug("%s: its record is damaged (%s)", path, cause(error))
        return "what it follows from cannot be read"

    def remove(self) -> None:
        """Delete all checkpoints, those of other configs and code as well: the run is complete.

        How many there were goes to the log, and what was other about those not of this run.
        """
        reasons = dict(self._of_others())
        reasons |= {f: "other code" for f in self._same_fingerprint() if f != self.folder}
        counts: Counter[str] = Counter()
        for folder, reason in reasons.items():
            counts[reason] += len(_newest_first([folder]))
        for reason, count in counts.items():
            log.info("the run is complete: removed %d old checkpoints (%s)", count, reason)
        shutil.rmtree(self._root, ignore_errors=True)


def _newest_first(folders: list[Path]) -> list[Path]:
    found = [path for folder in folders for path in folder.glob("step-*.pt")]
    return sorted(found, key=lambda path: path.name, reverse=True)


def _remove(path: Path) -> None:
    """Delete what lies at ``path``, if anything: a file, or a folder in its place."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _whole(folders: list[Path]) -> Iterator[Stored]:
    """The checkpoints in ``folders`` that are not damaged, newest first."""
    for path in _newest_first(folders):
        try:
            record = Record.model_validate(read_json(path.with_suffix(".json")))
            if sha256_file(path) != record.sha256:
                raise ValueError("its checksum differs")
            state = torch.load(path, map_location="cpu", weights_only=True)
        except MemoryError:
            raise
        except Exception as error:  # a library may meet damage with any
            log.warning("%s: damaged (%s); trying the one before", path, cause(error))
            continue
        yield path, record, state
