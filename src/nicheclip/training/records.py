"""What a run writes about itself: log lines, TensorBoard, the history and the report."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from torch.utils.tensorboard import SummaryWriter

from nicheclip.runtime.files import write_text


class StepRecord(BaseModel):
    """One line of ``log.jsonl``."""

    model_config = ConfigDict(frozen=True)

    step: int
    """Steps done, from the start of the run."""
    epoch: int
    """From 0."""
    loss: float
    lr: float
    logit_scale: float
    images_per_second: float
    """Since the line before, validation and checkpoints left out."""
    trainable: int
    """Numbers in all parameters that train."""


class EpochRecord(BaseModel):
    """One row of ``history.csv``; it holds no times, so that a second run gives the same bytes."""

    model_config = ConfigDict(frozen=True)

    epoch: int
    """Epochs done."""
    step: int
    """Steps done."""
    loss: float
    """Mean over the epoch's batches, weighted by their length."""
    val_loss: float | None
    """Null without validation images."""
    val_accuracy: float | None
    """See ``Validation``."""
    lr: float
    """Of the epoch's last step."""
    logit_scale: float
    """After the epoch."""
    trainable: int
    """Numbers in all parameters that train in this epoch."""

    def figures(self) -> str:
        """What was measured, for a log line."""
        text = f"loss {self.loss:.4f}"
        if self.val_loss is not None:
            text += f", validation loss {self.val_loss:.4f}, accuracy {self.val_accuracy:.3f}"
        return text


class TrainReport(BaseModel):
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
    classes: int
    final_loss: float
    """Of the last epoch; see ``EpochRecord``."""
    final_val_loss: float | None
    final_val_accuracy: float | None
    final_logit_scale: float
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
    packages: dict[str, str]
    python: str


class RunLog:
    """``log.jsonl`` and TensorBoard files in a run folder."""

    def __init__(self, folder: Path, *, resume_at: int) -> None:
        """Drop what an earlier attempt wrote after step ``resume_at`` (0: all of it)."""
        self._path = folder / "log.jsonl"
        kept = _lines_up_to(self._path, resume_at)
        write_text(self._path, "".join(f"{line}\n" for line in kept))
        board = folder / "tensorboard"
        if resume_at == 0:
            shutil.rmtree(board, ignore_errors=True)
        self._board = SummaryWriter(str(board), purge_step=resume_at + 1)

    def step(self, record: StepRecord) -> None:
        """Append one line and the same numbers to TensorBoard."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record.model_dump()) + "\n")
        self._scalars("train", record.model_dump(exclude={"step"}), record.step)

    def epoch(self, record: EpochRecord) -> None:
        """Add the validation figures to TensorBoard."""
        self._scalars("val", record.model_dump(include={"val_loss", "val_accuracy"}), record.step)

    def close(self) -> None:
        """Write what TensorBoard still holds back."""
        self._board.close()

    def _scalars(self, group: str, values: dict[str, float | None], step: int) -> None:
        for name, value in values.items():
            if value is not None:
                self._board.add_scalar(f"{group}/{name.removeprefix('val_')}", value, step)


def _lines_up_to(path: Path, step: int) -> list[str]:
    """The whole lines of a log that a kill may have cut, as far as ``step``."""
    if step == 0 or not path.is_file():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = StepRecord.model_validate_json(line)
        except ValueError:
            continue
        if record.step <= step:
            kept.append(line)
    return kept


def write_history(path: Path, history: list[EpochRecord]) -> None:
    """Write ``history.csv``; an empty field is a figure that was not measured."""
    text = io.StringIO()
    writer = csv.DictWriter(text, EpochRecord.model_fields, lineterminator="\n")
    writer.writeheader()
    for record in history:
        writer.writerow(record.model_dump())
    write_text(path, text.getvalue())
