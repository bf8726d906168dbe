"""What a method remembers of every image: a feature and a label."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from nicheclip.adaptation.trained.views import ViewReader, Wanted
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.loading import load_batches
from nicheclip.engine.objective import Epoch
from nicheclip.engine.processes import Processes
from nicheclip.engine.sampling import BatchPlan, slice_sizes
from nicheclip.models.views import ViewSettings
from nicheclip.runtime.progress import progress

#: images that go through the model at once when no gradient is asked for
ENCODE_BATCH = 128


class Memory(nn.Module):
    """A feature and a label of each of n images; one of an objective's ``held`` modules, so that it
    is on the run's device and in its checkpoints.
    """

    features: Tensor
    labels: Tensor

    def __init__(self, images: int, width: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(images, width))
        self.register_buffer("labels", torch.zeros(images, dtype=torch.int64))


def encode_all(
    encode: Callable[[Tensor], Tensor], images: ImageSet, settings: ViewSettings, epoch: Epoch
) -> Tensor:
    """[n, d]: what ``encode`` makes of the centre view of every image, on the run's device.

    The processes share the work, and each gets all rows.

    Args:
        encode: from views uint8 [b, 3, h, w] to rows [b, d].
        images: all of them, in their order.
        settings: of the model.
        epoch: the processes.
    """
    processes = epoch.processes
    lengths = [
        min(ENCODE_BATCH, len(images) - start) for start in range(0, len(images), ENCODE_BATCH)
    ]
    reader = ViewReader(images, settings, Wanted(), seed=0)
    batches = load_batches(reader, _slices(lengths, processes, epoch.epoch), workers=epoch.workers)
    if processes.is_first:
        batches = progress(batches, label="encode images (batches)", total=len(lengths))
    parts = []
    with torch.no_grad():
        for plan, batch in batches:
            rows = encode(processes.to_device(batch["plain"]))
            length = lengths[plan.number]
            if length >= processes.world:
                rows = processes.gather(rows, slice_sizes(length, processes.world))
            parts.append(rows)
    return torch.cat(parts)


def _slices(lengths: list[int], processes: Processes, epoch: int) -> Iterator[BatchPlan]:
    """This process's images of each batch; all of a batch with fewer images than processes."""
    start = 0
    for number, length in enumerate(lengths):
        sizes = slice_sizes(length, processes.world)
        begin, count = start + sum(sizes[: processes.rank]), sizes[processes.rank]
        if length < processes.world:
            begin, count = start, length
        yield BatchPlan(epoch, number, np.arange(begin, begin + count))
        start += length
