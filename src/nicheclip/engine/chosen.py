"""What a process reads, and the order of samples where an objective chooses them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nicheclip.engine.objective import Objective
from nicheclip.engine.processes import Processes
from nicheclip.engine.sampling import BatchPlan, Sampling, slice_sizes
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator


def plans_of(
    objective: Objective, sampling: Sampling, step: int, steps: int, processes: Processes
) -> Iterator[BatchPlan]:
    """What this process reads from ``step`` on, as far as the samples are known.

    Args:
        objective: its samples.
        sampling: of the run.
        step: from 0.
        steps: of the run.
        processes: all of them.
    """
    rank, world = processes.rank, processes.world
    if not objective.chooses_samples:
        return sampling.plans(step, steps, rank=rank, world=world)
    epoch, number = divmod(step, sampling.batches)
    chosen = objective.samples(epoch)
    if chosen is None:
        last = (epoch + 1) * sampling.batches
        return sampling.plans(step, last, rank=rank, world=world)
    return chosen_plans(sampling, chosen, epoch=epoch, first=number, rank=rank, world=world)


def chosen_plans(
    sampling: Sampling,
    chosen: NDArray[np.int64],
    *,
    epoch: int,
    first: int,
    rank: int,
    world: int,
) -> Iterator[BatchPlan]:
    """What process ``rank`` of ``world`` reads in ``epoch`` from its batch ``first`` on.

    An epoch keeps its length whatever was chosen, so that steps and schedule stay as planned: fewer
    samples come again in a new order, and of more each has the same chance.

    Raises:
        InputError: nothing was chosen.
    """
    if not len(chosen):
        raise InputError(
            f"training: no sample was chosen for epoch {epoch + 1}. Loosen what the objective "
            "demands of a sample."
        )
    random = generator(sampling.seed, "order of chosen samples", epoch)
    rounds = -(-sampling.samples // len(chosen))
    order = np.concatenate([random.permutation(chosen) for _ in range(rounds)])
    for number in range(first, sampling.batches):
        start = number * sampling.batch_size
        batch = order[start : start + sampling.batch_length(number)]
        sizes = slice_sizes(len(batch), world)
        begin = sum(sizes[:rank])
        yield BatchPlan(epoch, number, batch[begin : begin + sizes[rank]])
