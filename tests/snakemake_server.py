"""Runs of Snakemake that start at once: a server has imported it, and forks each of them.

``python snakemake_server.py`` reads calls from standard input, a line of JSON each: arguments of
the command, folder, environment, and the file that becomes its output. It answers each with two
lines, the process and, when that has ended, its exit status.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path


def run(arguments, *, folder, environment, output):
    """What ``snakemake ARGUMENTS`` does in ``folder``; the exit status."""
    call = {"arguments": arguments, "folder": str(folder), "environment": environment}
    server = _server()
    server.stdin.write(json.dumps(call | {"output": str(output)}) + "\n")
    server.stdin.flush()
    process = int(server.stdout.readline())
    try:
        return int(server.stdout.readline())
    except BaseException:  # a test that took too long, Ctrl-C
        os.kill(process, 9)
        _server.cache_clear()
        raise


@cache
def _server():
    """It ends with this process, which holds its standard input."""
    kept = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, __file__], env=kept, **pipes)


def _serve():
    from snakemake.cli import get_argument_parser, main

    get_argument_parser()  # imports the plugins
    sys.path[0] = str(Path(sys.executable).parent)  # as the command has it, in the place of tests
    for line in sys.stdin:
        process = os.fork()
        if not process:
            _become(**json.loads(line))
            sys.exit(main())
        print(process, flush=True)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(arguments, folder, environment, output):
    """Make this process the one that the command would be."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(Path(sys.executable).with_name("snakemake")), *arguments]
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for place, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, file), (2, file)):
        os.dup2(source, place)


if __name__ == "__main__":
    _serve()
