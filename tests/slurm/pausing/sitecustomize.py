"""Lets a test hold a training run between two steps. Python runs this file at the start of every
process that has its folder in PYTHONPATH.

A run whose folder holds the file ``pause`` goes on as far as the step whose number is in it, makes
the file ``paused`` with that number, and waits until ``pause`` is gone or names a later step.
"""

import sys
import time
from pathlib import Path


def pause_when_asked(folder):
    from nicheclip.engine import engine

    original = engine._Engine._train_step

    def step_and_pause(run, plan, batch):
        done = original(run, plan, batch)
        while asked(folder) == run._step + 1:
            (folder / "paused").write_text(str(run._step + 1))
            time.sleep(0.1)
        return done

    engine._Engine._train_step = step_and_pause


def asked(folder):
    try:
        return int((folder / "pause").read_text() or 0)
    except FileNotFoundError:
        return 0


if "nicheclip.engine.process" in sys.orig_argv:
    pause_when_asked(Path(sys.orig_argv[-2]).parent)
