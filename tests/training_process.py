"""Run ``train`` in a process of its own, which in the middle of a step may send itself a signal or
wait until another process wants to own the run.

``python training_process.py ARGUMENTS.json``; see ``test_training.py`` for the arguments.
"""

import itertools
import json
import logging
import os
import sys
import time
from pathlib import Path

from nicheclip.config.training import TrainingConfig
from nicheclip.engine import ownership
from nicheclip.training.objectives.classes import ClassObjective
from nicheclip.training.objectives.pairs import PairObjective
from nicheclip.training.run import TrainingRun, train
from small_training import texts_of

arguments = json.loads(Path(sys.argv[1]).read_text())
logging.basicConfig(stream=sys.stderr, format="%(message)s")
logging.getLogger("nicheclip").setLevel(logging.INFO)

folder = Path(arguments["folder"])


def wait_for_another_owner():
    owner = (folder / "run/owner").read_text()
    (folder / "waiting").touch()
    while (folder / "run/owner").read_text() == owner:
        time.sleep(0.05)


if "at_step" in arguments:
    kind = ClassObjective if "run" in arguments else PairObjective
    original, calls = kind.after_step, itertools.count(1)

    def disturb_a_step(objective, step):
        if next(calls) == arguments["at_step"]:
            if "signal" in arguments:
                os.kill(os.getpid(), arguments["signal"])
            else:
                ownership.SECONDS_BETWEEN_LOOKS = 0
                wait_for_another_owner()
        original(objective, step)

    kind.after_step = disturb_a_step

images = Path(arguments["images"])
if "run" in arguments:
    one = TrainingRun.model_validate(arguments["run"])
else:
    one = TrainingRun(
        config=TrainingConfig.model_validate(arguments["config"]),
        start=Path(arguments["start"]),
        **texts_of(images),
        seed=0,
        output=folder / "model",
    )
train(one, images=images, run_folder=folder / "run", code=arguments.get("code", ""))
