"""Weights, gradients and the optimiser's state in parts: each process keeps its share of them.

PyTorch's FSDP (``fully_shard``). The weights of a block are gathered when it runs, and the mean of
its gradients over processes, as DDP has it, goes to the process that keeps them. Numbers without a
dimension, such as a temperature, cannot be cut: every process keeps them whole.

Checkpoints and results are whole, so that a run may go on with and without sharding.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.strategy import _BackwardSyncControl
from torch import Tensor, nn
from torch.distributed import all_reduce
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


class _AlwaysSummed(_BackwardSyncControl):
    """Gradients are summed after each piece of a batch: whole ones would fill the memory."""

    def no_backward_sync(self, module: nn.Module, enabled: bool) -> AbstractContextManager[None]:
        """Nothing is held back."""
        del module, enabled
        return nullcontext()


class Sharded(DDPStrategy):
    """What Fabric asks of a strategy, with the weights in parts."""

    def __init__(self) -> None:
        super().__init__()
        self._backward_sync_control: Any = _AlwaysSummed()

    def setup_module(self, module: nn.Module) -> nn.Module:  # type: ignore[override]
        """Cut the parameters of ``module``, which stay where they are in it."""
        mesh = init_device_mesh(self.root_device.type, (self.world_size,))
        for block in blocks(module):
            fully_shard(block, mesh=mesh)
        uncut = {p for p in module.parameters() if not p.ndim}
        # True: its own parameters are cut again as well, so that whoever asks sees one kind
        fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=uncut)
        return module

    def clip_gradients_norm(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        max_norm: float | int,
        norm_type: float | int = 2.0,
        error_if_nonfinite: bool = True,
    ) -> Tensor:
        """Scale all gradients so that their norm is ``max_norm`` at most; returns what it was."""
        del optimizer, norm_type, error_if_nonfinite
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        squares = torch.zeros((), dtype=torch.float64, device=self.root_device)
        for gradient in gradients:
            if isinstance(gradient, DTensor):
                squares += own_part(gradient).double().square().sum()
        all_reduce(squares)
        squares += sum(g.double().square().sum() for g in gradients if not isinstance(g, DTensor))
        norm = squares.sqrt()
        factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)  # as torch's clip_grad_norm_
        for gradient in gradients:
            own_part(gradient).mul_(factor.to(gradient.dtype))
        return norm


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """What repeats in ``module``: members of a list or sequence that has several of a class.

    What repeats within such a member is a part of it.
    """
    kinds = [type(child) for child in module.children()]
    for child in module.children():
        repeats = isinstance(module, nn.ModuleList | nn.Sequential)
        repeats = repeats and kinds.count(type(child)) > 1
        if repeats and any(p.ndim for p in child.parameters()):
            yield child
        elif not repeats:
            yield from blocks(child)


def average_uncut(parameters: Iterable[nn.Parameter]) -> None:
    """Average over processes the gradients of what every process keeps whole."""
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is not None and not isinstance(gradient, DTensor):
            all_reduce(gradient)
            gradient /= torch.distributed.get_world_size()


def own_part(tensor: Tensor) -> Tensor:
    """What this process keeps of ``tensor``."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(value: Any, *, keep: bool) -> Any:
    """``value``, a nesting of dicts and lists, with whole tensors on the CPU in place of parts.

    All processes must ask; those that do not ``keep`` get None in their place.
    """
    if isinstance(value, DTensor):
        full = value.full_tensor().detach()
        return full.cpu() if keep else None
    if isinstance(value, dict):
        return {name: whole(one, keep=keep) for name, one in value.items()}
    if isinstance(value, list):
        return [whole(one, keep=keep) for one in value]
    return value


def cut_like(value: Tensor, like: Tensor) -> Tensor:
    """This process's part of the whole tensor ``value``, where it has one of ``like``."""
    if not isinstance(like, DTensor) or value.shape != like.shape:
        return value
    on_device = value.to(like.device)
    return distribute_tensor(on_device, like.device_mesh, like.placements, src_data_rank=None)


def make_whole(module: nn.Module, *, keep: bool) -> None:
    """Give ``module`` its parameters whole, on the CPU, for good; see ``whole``."""
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            full = whole(parameter, keep=keep)
            if isinstance(parameter, DTensor) and full is not None:
                setattr(part, name, nn.Parameter(full, requires_grad=parameter.requires_grad))
