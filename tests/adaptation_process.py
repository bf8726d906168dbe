"""Adapt a small task in a process that kills itself after a step, or as one of several.

``python adaptation_process.py TASK FOLDER OPTIONS AT_STEP NODES``, options as JSON; 0: no kill.
A checkpoint is written after every step.
"""

import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

from pydantic import TypeAdapter

from nicheclip.config.adaptation import Trained
from nicheclip.config.training import ComputeConfig
from small_adaptation import SmallTask, adapt

if __name__ == "__main__":
    task, folder, options, at_step, nodes = sys.argv[1:]
    method = TypeAdapter(Trained).validate_json(options)
    objective = import_module(f"nicheclip.adaptation.trained.{json.loads(options)['kind']}")
    original = objective.OBJECTIVE.after_step

    def disturb(self, step):
        original(self, step)
        if step.step + 1 == int(at_step):
            os.kill(os.getpid(), signal.SIGKILL)

    objective.OBJECTIVE.after_step = disturb
    every_step = ComputeConfig(checkpoint_seconds=1e-9, nodes=int(nodes))
    adapt(SmallTask(Path(task)), Path(folder), method, compute=every_step)
