"""An objective of the engine that is no CLIP: a student of two modules follows a moving average.

``python toy_objective.py FOLDER ARGUMENTS`` calls ``run_disturbed`` with the arguments in JSON.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nicheclip.config.compute import ComputeConfig
from nicheclip.config.optimization import OptimizerConfig, ScheduleConfig
from nicheclip.engine.engine import run
from nicheclip.engine.objective import LOSS, Objective, ParameterGroup
from nicheclip.engine.settings import RunSettings

SAMPLES = 25


def settings(checkpoint_seconds=600.0, nodes=1, pieces=1, min_steps=0):
    return RunSettings(
        epochs=3,
        batch_size=4,
        seed=7,
        optimizer=OptimizerConfig(lr=0.02, weight_decay=0.1, gradient_clip=1.0, eps=1e-3),
        schedule=ScheduleConfig(kind="cosine", warmup_steps=3),
        compute=ComputeConfig(
            checkpoint_seconds=checkpoint_seconds, nodes=nodes, log_every_steps=1
        ),
        determines={"toy": True},
        pieces=pieces,
        min_steps=min_steps,
    )


class Student(nn.Module):
    """8 numbers to 4 by ``body``, and to 2 by ``head``."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(8, 4), nn.Linear(4, 2)

    def forward(self, batch):
        hidden = self.body(batch["vectors"])
        return {"hidden": hidden, "logits": self.head(torch.tanh(hidden))}


class VectorReader:
    """Vectors made from the numbers of the samples."""

    def read(self, plan):
        vectors = [np.random.default_rng(int(i)).normal(size=8) for i in plan.indices]
        stacked = torch.tensor(np.array(vectors), dtype=torch.float32)
        return {"vectors": stacked, "places": torch.tensor(plan.indices)}


class Toy(Objective):
    version = 1

    def __init__(self, *, choose=False, broken_at=None, disturb=lambda step: None):
        self.module = Student()
        self.held = {"teacher": nn.Linear(8, 4)}
        self.held["teacher"].load_state_dict(self.module.body.state_dict())
        self.chooses_samples = choose
        self._broken_at, self._disturb = broken_at, disturb
        self._queue, self._chosen = torch.zeros(0, 4), []
        self._steps_seen, self._places, self._bodies = [], [], []

    reader = VectorReader()
    shard_sizes = (12, 13)

    def inputs(self):
        return {"vectors": "a", "choice": str(self.chooses_samples)}

    def trainable(self, epoch):
        """The body first, the head from the second epoch on, at a tenth of the rate."""
        if epoch == 0:
            yield ParameterGroup(["body.weight", "body.bias"])
        if epoch == 1:
            yield ParameterGroup(["head.weight", "head.bias"], lr_scale=0.1, decay=False)

    def begin_epoch(self, epoch):
        """Ten samples, those after the last choice."""
        first = self._chosen[-1] + 1 if self._chosen else 0
        self._chosen = list(range(first, min(first + 10, SAMPLES)))

    def samples(self, epoch):
        return np.array(self._chosen)

    def losses(self, outputs, batch, step):
        with torch.no_grad():
            target = self.held["teacher"](batch["vectors"]) + batch["vectors"][:, :4]
        pull = (outputs["hidden"] - target).square().sum() / step.length
        # contrastive, over the batches of all processes: it does not add up from pieces
        everyone = step.processes.gather(outputs["logits"], step.sizes)
        apart = torch.logsumexp(outputs["logits"] @ everyone.T, dim=1).sum() / step.length
        queue = (outputs["hidden"] @ self._queue.T).sum() / step.length * 0.01
        if step.step == self._broken_at:
            pull = pull * float("nan")
        own = batch["places"].tolist()
        self._places.append(own)
        return {LOSS: pull + apart + queue, "pull": pull}

    def after_step(self, step):
        self._disturb(step.step)
        self._steps_seen.append(step.step)
        weight = self.module.body.weight.detach()
        self._bodies.append(weight.clone())
        self._queue = torch.cat([self._queue, weight.mean(dim=1)[None]])
        with torch.no_grad():
            for slow, fast in zip(
                self.held["teacher"].parameters(), self.module.body.parameters(), strict=True
            ):
                slow.lerp_(fast, 0.1)

    def end_epoch(self, epoch):
        return {"held_out": None, "queue": len(self._queue)}

    def facts(self):
        return {"samples": SAMPLES}

    def sample_names(self, places):
        return [f"sample {place}" for place in places]

    def state_dict(self):
        return {
            "queue": self._queue,
            "chosen": self._chosen,
            "steps_seen": self._steps_seen,
            "places": self._places,
            "bodies": self._bodies,
        }

    def load_state_dict(self, state):
        self._queue, self._chosen = state["queue"], state["chosen"]
        self._steps_seen, self._places = state["steps_seen"], state["places"]
        self._bodies = state["bodies"]

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "module": self.module.state_dict(),
            "teacher": self.held["teacher"].state_dict(),
            "steps_seen": self._steps_seen,
            "places": self._places,
            "bodies": self._bodies,
        }
        torch.save(content, folder / "toy.pt")


def run_disturbed(folder, *, at_step=None, signal=None, every_step=True, choose=False, nodes=1):
    """Train in this process, which sends itself a signal after a step."""

    def disturb(step):
        if step + 1 == at_step:
            os.kill(os.getpid(), signal)

    run(
        settings(1e-9 if every_step and at_step else 600.0, nodes),
        lambda: Toy(choose=choose, disturb=disturb),
        run_folder=folder / "run",
        output=folder / "out",
    )


if __name__ == "__main__":
    run_disturbed(Path(sys.argv[1]), **json.loads(sys.argv[2]))
