"""What a run writes about itself: log lines, TensorBoard, the history and the report."""

import csv
import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from torch.utils.tensorboard import SummaryWriter

from nicheclip.runtime.files import write_text, writing

#: folder of TensorBoard's files
BOARD = "tensorboard"

Figures = dict[str, float | int | None]
"""One line of ``log.jsonl``, or one row of ``history.csv``, by column.

Both hold ``step`` (steps done), ``epoch`` (in the log from 0, in the history epochs done), ``loss``
(in the history its mean over the epoch's samples), the objective's other terms and figures, ``lr``
and ``trainable`` (numbers in all parameters that train); the log ``images_per_second`` since the
line before, without what lies between epochs. The history holds no times, so that a second run
gives the same bytes.
"""


def in_words(record: Figures) -> str:
    """What was measured in an epoch, for a log line."""
    fixed = ("epoch", "step", "lr", "trainable")
    found = {name: value for name, value in record.items() if name not in fixed}
    return ", ".join(f"{name} {value:.4g}" for name, value in found.items() if value is not None)


#: file of the report of a run, beside its result
REPORT = "train.json"


class RunReport(BaseModel):
    """``train.json``: what was done, with what, and how fast."""

    model_config = ConfigDict(frozen=True)

    config: dict[str, Any]
    """What of the run's config can change the result."""
    compute: dict[str, Any]
    """With what it was computed: ``ComputeConfig``."""
    seed: int
    fingerprint: str
    """See ``Origin``."""
    code: list[str]
    """Digests of the code that trained, in their order: more than one where the code changed
    between a checkpoint and what followed it."""
    epochs: int
    steps: int
    samples_seen: int
    facts: dict[str, Any]
    """What the objective says of the data."""
    final: Figures
    """The last row of the history."""
    kept_epoch: int
    """Whose weights are the result: the last, or the best by validation."""
    trainable: int
    """Numbers in all parameters that trained in the last epoch."""
    parameters: int
    """Numbers in all parameters of the model."""
    resumed_at_steps: list[int]
    """Empty for an unbroken run."""
    seconds: float
    """In steps, over all attempts; validation and checkpoints left out."""
    seconds_per_iteration: float
    images_per_second: float
    device: str
    processes: int
    threads: int
    """Of each process; on a CPU the same weights bit by bit need the same number."""
    precision: str
    peak_memory_bytes: int
    """Of process 0 in the last attempt: allocated on the GPU, or resident on the CPU."""
    flops_per_sample: float | None = None
    """Floating-point operations of one forward and backward pass, counted in the run's first step;
    this and the next two on GPUs alone."""
    utilisation: float | None = None
    """MFU: operations a second as a share of the GPUs' peak; None where that is not known."""
    energy_joules: float | None = None
    """Of all GPUs, validation and loading included; None where the driver does not tell."""
    packages: dict[str, str]
    python: str


class RunLog:
    """``log.jsonl`` and TensorBoard files in a run folder."""

    def __init__(self, folder: Path, *, resume_at: int) -> None:
        """Drop what an earlier attempt wrote after step ``resume_at`` (0: all of it)."""
        self._folder, self._path = folder, folder / "log.jsonl"
        kept = _lines_up_to(self._path, resume_at)
        write_text(self._path, "".join(f"{line}\n" for line in kept))
        board = folder / BOARD
        if resume_at == 0:
            shutil.rmtree(board, ignore_errors=True)
        self._board = SummaryWriter(str(board), purge_step=resume_at + 1)

    def step(self, record: Figures) -> None:
        """Append one line, null for what is no finite number, and the numbers to TensorBoard."""
        line = {name: value if _is_number(value) else None for name, value in record.items()}
        with writing(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, allow_nan=False) + "\n")
        self._scalars("train", record)

    def epoch(self, record: Figures) -> None:
        """Add an epoch's figures to TensorBoard."""
        self._scalars("epoch", record)

    def close(self) -> None:
        """Write what TensorBoard still holds back."""
        with writing(self._folder / BOARD):
            self._board.close()

    def _scalars(self, group: str, record: Figures) -> None:
        with writing(self._folder / BOARD):
            for name, value in record.items():
                if value is not None and name != "step":
                    self._board.add_scalar(f"{group}/{name}", value, record["step"])


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _lines_up_to(path: Path, step: int) -> list[str]:
    """The whole lines of a log that a kill may have cut, as far as ``step``."""
    if step == 0 or not path.is_file():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            done = json.loads(line)["step"]
        except (ValueError, KeyError, TypeError):
            continue
        if done <= step:
            kept.append(line)
    return kept


def write_history(path: Path, history: list[Figures]) -> None:
    """Write ``history.csv``; an empty field is a figure that was not measured."""
    text = io.StringIO()
    columns = dict.fromkeys(name for record in history for name in record)
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(path, text.getvalue())
