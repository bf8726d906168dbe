"""A process that trains a tiny CLIP, alone or as one of several, and may be stopped in a step."""

import json
import os
import signal
from pathlib import Path

from nicheclip.engine.sharding import own_part
from nicheclip.training.objectives.pairs import PairObjective
from nicheclip.training.run import TrainingRun, train
from small_training import texts_of, training_config


def train_tiny(images, start, folder, *, stop_at_step=None, stop_by=int(signal.SIGTERM), **config):
    """Train into ``folder``; in ``stop_at_step`` (from 1) this process gets the signal ``stop_by``.

    ``folder/parts-<rank>.json`` says how many numbers of each parameter this process keeps.
    """
    images, folder, rank = Path(images), Path(folder), os.environ.get("RANK", "0")
    original = PairObjective.after_step

    def after_step(objective, step):
        parts = {n: own_part(p).numel() for n, p in objective.module.named_parameters()}
        (folder / f"parts-{rank}.json").write_text(json.dumps(parts))
        if step.step + 1 == stop_at_step:
            os.kill(os.getpid(), stop_by)
        original(objective, step)

    PairObjective.after_step = after_step
    try:
        one = TrainingRun(
            config=training_config(**config),
            start=start,
            seed=0,
            output=folder / "out",
            **texts_of(images),
        )
        return train(one, images=images, run_folder=folder / "run")
    finally:
        PairObjective.after_step = original
