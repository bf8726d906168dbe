"""Run a method on a task that is there: ``python trained_process.py TASK FOLDER KIND OPTIONS``."""

import json
import sys
from pathlib import Path

from nicheclip.adaptation.fit import fit
from nicheclip.config.training import ComputeConfig
from nicheclip.data.image_set import ImageSet
from small_trained import method, task_texts

task, folder = Path(sys.argv[1]), Path(sys.argv[2])
fit(
    method(sys.argv[3], **json.loads(sys.argv[4])),
    start=task / "start",
    images=ImageSet(task / "squares/train"),
    texts=task_texts(task / "start"),
    seed=0,
    output=folder / "out",
    run_folder=folder / "run",
    compute=ComputeConfig(nodes=2),
)
