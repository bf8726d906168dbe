"""A process that trains, and in the middle of a step may send itself a signal or wait until another
process wants to own the run."""

import itertools
import logging
import os
import sys
import time

from nicheclip.engine import ownership
from nicheclip.training.objectives.classes import ClassObjective
from nicheclip.training.objectives.pairs import PairObjective
from nicheclip.training.run import TrainingRun, train


def train_disturbed(run: TrainingRun, images, folder, *, at_step=None, number=None, code=""):
    """Train in ``folder/run``; in ``at_step`` (from 1) comes the signal ``number``, or the wait.

    ``folder/waiting`` is there while the process waits.
    """
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    logging.getLogger("nicheclip").setLevel(logging.INFO)
    kinds, calls = (ClassObjective, PairObjective), itertools.count(1)
    for kind, original in [(kind, kind.after_step) for kind in kinds]:

        def after_step(objective, step, original=original):
            if next(calls) == at_step:
                if number is None:
                    wait_for_another_owner(folder)
                else:
                    os.kill(os.getpid(), number)
            original(objective, step)

        kind.after_step = after_step
    train(run, images=images, run_folder=folder / "run", code=code)


def wait_for_another_owner(folder):
    ownership.SECONDS_BETWEEN_LOOKS = 0
    owner = (folder / "run/owner").read_text()
    (folder / "waiting").touch()
    while (folder / "run/owner").read_text() == owner:
        time.sleep(0.05)
