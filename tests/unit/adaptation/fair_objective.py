"""The objective of FAIR on a small task, and a batch of it."""

import numpy as np

from nicheclip.adaptation.trained.fair import OBJECTIVE
from nicheclip.config.compute import ComputeConfig
from nicheclip.engine.objective import Step
from nicheclip.engine.processes import join_processes
from nicheclip.engine.sampling import BatchPlan
from small_adaptation import fair

SEED = 0


def objective_of(task, **changes):
    return OBJECTIVE(
        fair(**changes), start=task.start, images=task.images, texts=task.texts, seed=SEED
    )


def first_batch(objective, rows=(3, 0, 11, 7, 16)):
    return objective.reader.read(BatchPlan(0, 0, np.array(rows)))


def step_of(rows):
    return Step(0, 1, 0, (rows,), join_processes(ComputeConfig(), "32-true"))
