"""The training processes of one node: ``python -m nicheclip.engine.node TASK``.

Starts one process for each device, passes signals on to them, and gives a run's shards a place on
the node's own disk as long as they need it. ``torchrun`` would kill its processes thirty seconds
after a signal, too soon for the checkpoint of a large model.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from nicheclip.data.scratch import on_scratch
from nicheclip.engine.interruption import EXIT_STATUS, leaving_on_signals, on_signals
from nicheclip.engine.task import Task
from nicheclip.runtime.job import job

#: how long the others may take to end after one has failed or stopped
SECONDS_AFTER_THE_FIRST = 30.0


def run_node(task: Task, file: Path) -> int:
    """Run the processes of this node for the task in ``file``; their exit status, 0 if all is done.

    Raises:
        Interrupted: a signal came before the processes were started.
    """
    with leaving_on_signals(), on_scratch(task.data, task.scratch) as data:
        command = [sys.executable, "-m", "nicheclip.engine.process", str(file), str(data)]
        return _run(command, rank_environments(task, os.environ))


def rank_environments(task: Task, own: Mapping[str, str]) -> list[dict[str, str]]:
    """The environment of each process of this node, whose own is ``own``.

    On several nodes this must be a step of a SLURM job with one task on each node. Its first node
    is the one that the step was started on, at an address that all its nodes have reached already.
    """
    compute = task.compute
    nodes, processes = compute.nodes, compute.node_processes
    node = int(own["SLURM_NODEID"]) if nodes > 1 else 0
    address = own["SLURM_LAUNCH_NODE_IPADDR"] if nodes > 1 else "127.0.0.1"
    return [
        {
            **own,
            "RANK": str(node * processes + local),
            "LOCAL_RANK": str(local),
            "GROUP_RANK": str(node),
            "WORLD_SIZE": str(nodes * processes),
            "MASTER_ADDR": address,
            "OMP_NUM_THREADS": str(compute.cpu_threads),
        }
        for local in range(processes)
    ]


def _run(command: list[str], environments: list[dict[str, str]]) -> int:
    ranks: list[subprocess.Popen[bytes]] = []
    received: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for rank in ranks:
            rank.send_signal(number)

    with on_signals(pass_on):
        for environment in environments:
            ranks.append(subprocess.Popen(command, env=environment))
            for number in received:  # before this one was there
                ranks[-1].send_signal(number)
        deadline = float("inf")
        while any(rank.poll() is None for rank in ranks):
            if deadline == float("inf") and any(rank.poll() for rank in ranks):
                deadline = time.monotonic() + SECONDS_AFTER_THE_FIRST
            if time.monotonic() > deadline:
                for rank in ranks:
                    rank.kill()
            time.sleep(0.1)
    failures = [rank.returncode for rank in ranks if rank.returncode]
    # What a rank says of itself comes first. A process that a forwarded signal killed had only just
    # started; no work is lost.
    own = [status for status in failures if status > 0]
    early = [EXIT_STATUS for status in failures if -status in received]
    return next(iter(own or early or failures), 0)


if __name__ == "__main__":
    task = Task.read(sys.argv[1])
    with job(task.log, alone=False):
        status = run_node(task, Path(sys.argv[1]))
    sys.exit(status if status >= 0 else 128 - status)
