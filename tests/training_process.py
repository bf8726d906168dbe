"""Run ``train`` in a process of its own, which may send itself a signal in the middle of a step.

``python training_process.py ARGUMENTS.json``; see ``test_training.py`` for the arguments.
"""

import itertools
import json
import logging
import os
import sys
from pathlib import Path

from nicheclip.config.training import TrainingConfig
from nicheclip.training import loop

arguments = json.loads(Path(sys.argv[1]).read_text())
logging.basicConfig(stream=sys.stderr, format="%(message)s")
logging.getLogger("nicheclip").setLevel(logging.INFO)

if "signal" in arguments:
    original, calls = loop.bound_temperature, itertools.count(1)

    def signal_in_step(model):
        if next(calls) == arguments["at_step"]:
            os.kill(os.getpid(), arguments["signal"])
        original(model)

    loop.bound_temperature = signal_in_step

folder = Path(arguments["folder"])
loop.train(
    TrainingConfig.model_validate(arguments["config"]),
    start=Path(arguments["start"]),
    shards=Path(arguments["shards"]),
    seed=0,
    run_folder=folder / "run",
    output=folder / "model",
    processes=arguments.get("processes"),
)
