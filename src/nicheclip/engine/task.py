"""One run as the processes that work on it are told of it."""

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, Self, cast

from pydantic import BaseModel, ConfigDict

from nicheclip.config.compute import ComputeConfig
from nicheclip.runtime.files import read_json, write_json

FILE = "task.json"


class Task(BaseModel):
    """What the processes of a run need to start, and what one of them then does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entry: str
    """A module with ``run(task, data)``, an ``Entry``, which each process calls."""
    payload: dict[str, Any]
    """What the entry needs, as plain values."""
    compute: ComputeConfig
    data: Path
    """Folder of a data set; the processes may be given a copy."""
    run_folder: Path
    log: Path
    code: str = ""
    """A digest of the code; see ``ComputeConfig.on_code_change``."""
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
    def read(cls, file: Path | str) -> "Task":
        """The task that ``write`` wrote."""
        return cls.model_validate(read_json(file))


class Payload(BaseModel):
    """One run with all that its entry needs. The entry is the module of its class."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def as_task(
        self,
        compute: ComputeConfig,
        *,
        data: Path,
        run_folder: Path,
        log: Path,
        code: str = "",
        scratch: str | None = None,
        stop_at: float | None = None,
    ) -> Task:
        """What starts the processes of this run; see ``Task``."""
        return Task(
            entry=type(self).__module__,
            payload=self.model_dump(mode="json"),
            compute=compute,
            data=data,
            run_folder=run_folder,
            log=log,
            code=code,
            scratch=scratch,
            stop_at=stop_at,
        )

    @classmethod
    def of(cls, task: Task) -> Self:
        """The run that ``task`` is about."""
        return cls.model_validate(task.payload)


class Entry(Protocol):
    """What a process of a run does."""

    def run(self, task: Task, data: Path) -> object:
        """Its part of ``task``, with the data set in ``data``."""
        ...


def run_task(task: Task, data: Path) -> None:
    """Do this process's part of ``task`` with the data set in ``data``.

    Raises:
        as ``engine.run`` and the entry.
    """
    cast(Entry, import_module(task.entry)).run(task, data)
