"""What a local run asks of this machine, looked at before its first job."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

_COUNT = "import torch; print(torch.cuda.device_count())"


def gpus_here() -> int:
    """GPUs that torch sees; asked in another process, since importing torch takes seconds."""
    done = subprocess.run(
        [sys.executable, "-c", _COUNT], capture_output=True, text=True, check=False
    )
    found = done.stdout.strip()
    return int(found) if found.isdigit() else 0


def missing_gpus(asked: Mapping[str, int], found: int) -> list[str]:
    """A line for each job that asks for more GPUs than there are.

    Args:
        asked: GPUs by what asks for them, as a user knows it.
        found: on this machine.
    """
    return [
        f"{what} asks for {count} GPU{'s' * (count > 1)}, and torch sees {found} here. Set it to "
        f"{found}{' (the CPU)' if not found else ''}, or run on a machine that has them."
        for what, count in asked.items()
        if count > found
    ]


def missing_programs(asked: Mapping[str, str]) -> list[str]:
    """A line for each program that is not installed.

    Args:
        asked: the program's name, by what needs it.
    """
    return [
        f"{what} needs the program {program}, which is not installed here."
        for what, program in asked.items()
        if not shutil.which(program)
    ]


def missing_weights(models: Sequence[Mapping[str, str | None]]) -> list[str]:
    """A line for each start model or backbone that cannot be made: see ``models.at_hand``.

    Args:
        models: ``name``, ``architecture`` and ``pretrained`` of each, or ``name``, ``backbone`` and
            ``weights``.
    """
    if not models:
        return []
    command = [sys.executable, "-m", "nicheclip.models.at_hand"]
    done = subprocess.run(
        command, input=json.dumps(list(models)), capture_output=True, text=True, check=False
    )
    # what goes wrong in looking is no reason to stop: the job itself will say it
    lines: list[str] = json.loads(done.stdout) if done.returncode == 0 else []
    return lines
