"""A batch that does not fit into a GPU's memory: how many samples would."""

import gc
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from nicheclip.engine.loading import Batch
from nicheclip.engine.pieces import length, rows
from nicheclip.engine.processes import Processes
from nicheclip.engine.settings import RunSettings
from nicheclip.engine.updates import Updates
from nicheclip.runtime.errors import InputError

#: of the memory that an estimate may fill: the rest is lost between blocks
USABLE = 0.95


@contextmanager
def explained(
    batch: Batch, updates: Updates, processes: Processes, settings: RunSettings
) -> Iterator[None]:
    """Within it a step is taken with ``batch``, this process's part of one.

    Raises:
        InputError: it did not fit into the memory of a GPU. Two smaller parts of it then go through
            the module; from what they take follows what would fit.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        traceback.clear_frames(error.__traceback__)  # they hold the step's tensors
        raise _too_large(batch, updates, processes, settings) from error


def _too_large(
    batch: Batch, updates: Updates, processes: Processes, settings: RunSettings
) -> InputError:
    pieces, samples = settings.pieces, length(batch)
    size = -(-samples // pieces)
    told = f"training: {size} samples at once do not fit into the memory of this GPU. "
    fitting = None if processes.sharded else _fitting(batch, size, updates, processes)
    if not fitting:
        return InputError(
            f"{told}Lower batch_size or, where the run has these keys, raise accumulation or set "
            "gradient_checkpointing: true."
        )
    return InputError(
        f"{told}By steps with fewer, measured now, about {fitting} do: set batch_size to "
        f"{fitting * pieces * processes.world} or less or, where the run has these keys, "
        f"accumulation to {-(-samples // fitting)} or more, or gradient_checkpointing: true."
    )


def _fitting(batch: Batch, size: int, updates: Updates, processes: Processes) -> int | None:
    memory = GpuMemory(processes.device)

    def measure(samples: int) -> int:
        memory.forget()
        updates.try_out(processes.to_device(rows(batch, 0, samples)))
        return memory.peak()

    gc.collect()
    memory.free()
    room = USABLE * memory.room() - updates.bytes_to_come()
    try:
        return largest(measure, room, size, few=max(size // 8, 1))
    except torch.OutOfMemoryError:
        return None


def largest(measure: Callable[[int], int], room: float, size: int, *, few: int) -> int:
    """How many samples fit into ``room`` bytes, fewer than the ``size`` that did not; 0: none.

    Args:
        measure: bytes that so many samples take at most; in between they grow evenly.
        room: bytes.
        size: samples that did not fit, or are not wanted.
        few: samples of the first measurement; the second has twice as many.
    """
    first, second = measure(few), measure(2 * few)
    each = max((second - first) / few, 1.0)
    fitting = int((room - (first - each * few)) // each)
    return max(min(fitting, size - 1), 0)


class GpuMemory:
    """The memory of one GPU, in bytes."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def free(self) -> None:
        """Give back what is kept for later."""
        torch.cuda.empty_cache()

    def forget(self) -> None:
        """Begin to look for the most that is allocated."""
        torch.cuda.reset_peak_memory_stats(self._device)

    def peak(self) -> int:
        """The most that was allocated since ``forget``."""
        return torch.cuda.max_memory_allocated(self._device)

    def room(self) -> int:
        """What this process may allocate in all."""
        free, _ = torch.cuda.mem_get_info(self._device)
        return free + torch.cuda.memory_reserved(self._device)
