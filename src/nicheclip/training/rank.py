"""One process of a training run: ``python -m nicheclip.training.rank TASK SHARDS``.

RANK, WORLD_SIZE, LOCAL_RANK, GROUP_RANK, MASTER_ADDR and MASTER_PORT are set as torchrun sets them;
without them the process trains alone.
"""

import sys
from pathlib import Path

from nicheclip.runtime.job import job
from nicheclip.training.loop import train
from nicheclip.training.task import TrainingTask


def run_rank(task: TrainingTask, shards: Path) -> None:
    """Do this process's part of ``task`` with the shards in ``shards``.

    Raises:
        as ``training.loop.train``.
    """
    train(
        task.config,
        start=task.start,
        shards=shards,
        seed=task.seed,
        run_folder=task.run_folder,
        output=task.output,
        code=task.code,
        stop_at=task.stop_at,
    )


if __name__ == "__main__":
    task = TrainingTask.read(sys.argv[1])
    with job(task.log, alone=False):
        run_rank(task, Path(sys.argv[2]))
