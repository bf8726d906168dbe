"""Lets a test hold a training run in a step. Python runs this file at the start of every
process that has its folder in PYTHONPATH.

A run whose folder holds the file ``pause`` goes on as far as the step whose number is in it, makes
the file ``paused`` with that number, and waits until ``pause`` is gone or names a later step.
"""

import sys
import time
from pathlib import Path


def pause_when_asked(folder):
    from nicheclip.training.objectives.pairs import PairObjective

    original = PairObjective.after_step

    def step_and_pause(objective, step):
        original(objective, step)
        while asked(folder) == step.step + 1:
            (folder / "paused").write_text(str(step.step + 1))
            time.sleep(0.1)

    PairObjective.after_step = step_and_pause


def asked(folder):
    try:
        return int((folder / "pause").read_text() or 0)
    except FileNotFoundError:
        return 0


if "nicheclip.engine.process" in sys.orig_argv:
    pause_when_asked(Path(sys.orig_argv[-2]).parent)
