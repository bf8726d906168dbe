"""Batches, read ahead by worker processes."""

import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from nicheclip.engine.sampling import BatchPlan
from nicheclip.runtime.errors import InputError

Batch = Mapping[str, Any]
"""Tensors by name, with one row a sample, or mappings of them."""


class Reader(Protocol):
    """From a plan to a batch."""

    def read(self, plan: BatchPlan) -> Batch:
        """The samples of ``plan``, in its order.

        Raises:
            InputError: a sample cannot be read.
        """
        ...


@dataclass(frozen=True)
class CopiedReader:
    """A reader whose copies for worker processes lack what its cached properties hold."""

    def __getstate__(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


class _Batches(Dataset[tuple[BatchPlan, Batch | InputError]]):
    """A reader as torch's loader wants it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __getitem__(self, plan: BatchPlan) -> tuple[BatchPlan, Batch | InputError]:
        """The batch, or the error in its data: a worker process would bury it in a traceback."""
        try:
            return plan, self._reader.read(plan)
        except InputError as error:
            return plan, error


def load_batches(
    reader: Reader, plans: Iterable[BatchPlan], *, workers: int, pin_memory: bool = False
) -> Iterator[tuple[BatchPlan, Batch]]:
    """The batches of ``plans`` in their order, read ahead by ``workers`` processes (0: here).

    Raises:
        InputError: as ``reader`` does.
    """
    loader: DataLoader[tuple[BatchPlan, Batch | InputError]] = DataLoader(
        _Batches(reader),
        batch_size=None,
        sampler=plans,
        num_workers=workers,
        pin_memory=pin_memory,
        collate_fn=_as_it_is,
        worker_init_fn=_leave_signals_to_the_trainer,
    )
    for plan, batch in loader:
        if isinstance(batch, InputError):
            raise batch
        yield BatchPlan(*plan), batch


def _as_it_is(item: Any) -> Any:
    return item


def _leave_signals_to_the_trainer(worker: int) -> None:
    """A scheduler signals all processes of a job; workers must outlive the step in progress."""
    del worker
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
