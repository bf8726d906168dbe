"""Processes that start at once: a server has imported torch and the engine, and forks each of them.

The server is a process of its own that has started no thread, so its children can train.
"""

import multiprocessing
import os
import sys
from multiprocessing import forkserver
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["toy_objective"])


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


def _call(function, arguments, options, errors, environment):
    os.environ.update(environment)
    with errors.open("wb") as file:
        os.dup2(file.fileno(), sys.__stderr__.fileno())
    function(*arguments, **options)
