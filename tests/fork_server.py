"""Processes that start at once: a server has imported what trains, and forks each of them.

The server is a process of its own that has started no thread, so its children can train.
"""

import multiprocessing
import os
import sys
from multiprocessing import forkserver
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "toy_objective",
        "trained_together",
        "training_process",
        "small_pretraining",
        "small_trained",
        "small_adaptation",
    ]
)


def start(function, *arguments, errors, environment=None, **options):
    """Call ``function`` in a process of its own, whose standard error becomes a file.

    Args:
        function: of a module.
        arguments: of it.
        errors: the file.
        environment: variables of the process beside those of the server.
        options: of ``function``.
    """
    plain = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # where the server looks for modules
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH") if plain is None else os.environ.update(PYTHONPATH=plain)
    call = (function, arguments, options, Path(errors), environment or {})
    process = _CONTEXT.Process(target=_call, args=call)
    process.start()
    return process


def start_two(function, *arguments, folder, **options):
    """Start both processes of a run; standard error becomes ``folder/errors-0.txt`` and ``-1``."""
    return [
        start(
            function,
            *arguments,
            errors=folder / f"errors-{rank}.txt",
            environment=one_of_two(rank),
            **options,
        )
        for rank in (0, 1)
    ]


def one_of_two(rank):
    """The environment of one of two processes that train together."""
    return {
        "WORLD_SIZE": "2",
        "RANK": str(rank),
        "GROUP_RANK": str(rank),
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(29000 + os.getpid() % 1000),
    }


def statuses(processes, seconds=300):
    """Wait until all have ended; their exit statuses."""
    for process in processes:
        process.join(timeout=seconds)
    return [process.exitcode for process in processes]


def _call(function, arguments, options, errors, environment):
    os.environ.update(environment)
    with errors.open("wb") as file:
        os.dup2(file.fileno(), sys.__stderr__.fileno())
    function(*arguments, **options)
