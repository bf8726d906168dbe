"""Stand-ins for SLURM's programs: they note what they are told, and every job fails at once."""

import json
import sys

PROGRAM = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path

calls = Path(__file__).parent / "calls.jsonl"
name, arguments = Path(__file__).name, sys.argv[1:]
if name == "sbatch":
    line = json.dumps(arguments) + "\\n"
    descriptor = os.open(calls, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, line.encode())  # the driver submits from several threads
    print(os.lseek(descriptor, 0, os.SEEK_CUR))  # a number that no other job has
elif name in ("squeue", "sacct") and "--name" in arguments and calls.exists():
    end = 0
    for line in calls.read_bytes().splitlines(keepends=True):
        end += len(line)
        print(f"{{end}}|FAILED")
elif name == "sacctmgr":
    sys.exit("Slurm accounting storage is disabled")
elif name == "sinfo":
    print("slurm 22.05.8")
"""
PROGRAMS = ("sbatch", "squeue", "sacct", "sacctmgr", "scancel", "scontrol", "sinfo")


def install(folder):
    """Put the programs into ``folder``, which is to stand first in PATH."""
    folder.mkdir(parents=True)
    for name in PROGRAMS:
        (folder / name).write_text(PROGRAM)
        (folder / name).chmod(0o755)
    return folder


def submitted(folder):
    """The arguments of every `sbatch`, in their order."""
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
