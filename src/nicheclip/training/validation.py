"""The loss and the accuracy on held-out images, after every epoch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nicheclip.config.training import TrainingConfig
from nicheclip.engine.loading import Batch, Reader, load_batches
from nicheclip.engine.objective import Epoch
from nicheclip.engine.sampling import Sampling, slice_sizes
from nicheclip.runtime.progress import progress
from nicheclip.training.losses import Pairs


def validation_batches(
    reader: Reader, sizes: Sequence[int], config: TrainingConfig, seed: int, epoch: Epoch
) -> Iterator[tuple[Batch, tuple[int, ...]]]:
    """This process's part of each batch of validation samples, on its device, and how many samples
    of the batch each process has.

    Args:
        reader: of the samples, without augmentation.
        sizes: samples of each shard.
        config: whose batch size is used.
        seed: of the order, which is that of the first epoch.
        epoch: that has ended.
    """
    processes = epoch.processes
    sampling = Sampling(tuple(sizes), config.batch_size, seed)
    sampling.check_processes(processes.world)
    plans = sampling.plans(0, sampling.batches, rank=processes.rank, world=processes.world)
    batches = load_batches(reader, plans, workers=epoch.workers)
    if processes.is_first:
        batches = progress(batches, label="validate (batches)", total=sampling.batches)
    for plan, batch in batches:
        length = sampling.batch_length(plan.number)
        yield processes.to_device(batch), tuple(slice_sizes(length, processes.world))


@dataclass(frozen=True)
class Validation:
    """Figures of one epoch on the validation split."""

    loss: float
    """Of the recipe, in batches of the training batch size and a fixed order, weighted by their
    length."""
    accuracy: float
    """Share of images whose nearest class mean is that of their own class; a class's mean is over
    the features of its validation texts."""


def class_mean_accuracy(pairs: Pairs) -> float:
    """Zero-shot accuracy with the mean text of each class that occurs as its prototype."""
    classes, numbers = torch.unique(pairs.labels, return_inverse=True)
    sums = torch.zeros(len(classes), pairs.texts.shape[1], dtype=pairs.texts.dtype)
    sums = sums.to(pairs.texts.device).index_add(0, numbers, pairs.texts)
    prototypes = torch.nn.functional.normalize(sums, dim=1)  # a mean's direction is the sum's
    hits: Tensor = (pairs.images @ prototypes.T).argmax(dim=1) == numbers
    return float(hits.double().mean())


def joined(parts: list[Pairs]) -> Pairs:
    """All pairs of ``parts``."""
    return Pairs(
        torch.cat([p.images for p in parts]),
        torch.cat([p.texts for p in parts]),
        torch.cat([p.labels for p in parts]),
    )
