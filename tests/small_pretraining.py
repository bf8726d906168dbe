"""Tiny self-supervised runs on a few coloured squares."""

import itertools
import os
import signal
from pathlib import Path

from nicheclip.config.pretraining import PretrainingConfig
from nicheclip.training.objectives.dino import Dino
from nicheclip.training.pretrain import PretrainingRun, pretrain

RECIPE = {
    "kind": "dino",
    "crops": {"local_crops": 2, "local_size": 16, "local_scale": [0.1, 0.5]},
    "outputs": 24,
    "hidden": 16,
    "bottleneck": 8,
    "neighbours": 3,
}


def pretraining_config(recipe=None, **changes):
    """Two epochs of a tiny ResNet."""
    settings = {
        "dataset": "squares",
        "backbone": "test_resnet",
        "size": 32,
        "epochs": 2,
        "batch_size": 4,
        "schedule": {"kind": "cosine", "warmup_steps": 2, "end_lr": 1e-6},
    }
    compute = {"log_every_steps": 1} | changes.pop("compute", {})
    recipe = RECIPE | (recipe or {})
    return PretrainingConfig.model_validate(
        settings | changes | {"recipe": recipe, "compute": compute}
    )


def run(images: Path, folder: Path, *, every_step=False, recipe=None, **changes):
    """Pretrain in ``folder``; with ``every_step`` a checkpoint follows each step."""
    compute = changes.pop("compute", {})
    compute |= {"checkpoint_seconds": 1e-9} if every_step else {}
    config = pretraining_config(recipe, compute=compute, **changes)
    one = PretrainingRun(config=config, seed=0, output=folder / "out")
    return pretrain(one, images=images, run_folder=folder / "run")


def run_killed(images: Path, folder: Path, *, at_step: int, **options):
    """As ``run``, in a process that is killed in a step (from 1)."""
    original, calls = Dino.after_step, itertools.count(1)

    def disturbed(objective, step):
        if next(calls) == at_step:
            os.kill(os.getpid(), signal.SIGKILL)
        original(objective, step)

    Dino.after_step = disturbed
    run(images, folder, **options)
