"""One process of a run: ``python -m nicheclip.engine.process TASK SHARDS``.

RANK, WORLD_SIZE, LOCAL_RANK, GROUP_RANK, MASTER_ADDR and MASTER_PORT are set as torchrun sets them;
without them the process trains alone.
"""

import sys
from pathlib import Path

from nicheclip.engine.task import Task, run_task
from nicheclip.runtime.job import job

if __name__ == "__main__":
    task = Task.read(sys.argv[1])
    with job(task.log, alone=False):
        run_task(task, Path(sys.argv[2]))
