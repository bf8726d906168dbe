"""One training run as the processes that work on it are told of it."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nicheclip.config.training import TrainingConfig
from nicheclip.runtime.files import read_json, write_json

FILE = "task.json"


class TrainingTask(BaseModel):
    """What ``training.loop.train`` needs, and what its processes need to start."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: TrainingConfig
    start: Path
    shards: Path
    seed: int
    run_folder: Path
    output: Path
    log: Path
    code: str = ""
    scratch: str | None = None
    """Folder on each node's own disk, in a user's words, or None."""
    stop_at: float | None = None
    """Seconds since 1970."""

    def write(self) -> Path:
        """Write the task into its run folder; returns the file."""
        file = self.run_folder / FILE
        write_json(file, self.model_dump(mode="json"))
        return file

    @classmethod
    def read(cls, file: Path | str) -> "TrainingTask":
        """The task that ``write`` wrote."""
        return cls.model_validate(read_json(file))
