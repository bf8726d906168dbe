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
from nicheclip.training import loop, ownership

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
    original, calls = loop.bound_temperature, itertools.count(1)

    def disturb_a_step(model):
        if next(calls) == arguments["at_step"]:
            if "signal" in arguments:
                os.kill(os.getpid(), arguments["signal"])
            else:
                ownership.SECONDS_BETWEEN_LOOKS = 0
                wait_for_another_owner()
        original(model)

    loop.bound_temperature = disturb_a_step

loop.train(
    TrainingConfig.model_validate(arguments["config"]),
    start=Path(arguments["start"]),
    shards=Path(arguments["shards"]),
    seed=0,
    run_folder=folder / "run",
    output=folder / "model",
    code=arguments.get("code", ""),
)
