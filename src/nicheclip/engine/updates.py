"""The module as the engine runs it, which of its parameters train, and the optimiser over them."""

import logging
from typing import Any

import torch
from lightning_fabric.wrappers import _FabricOptimizer
from torch.nn.modules.batchnorm import _BatchNorm

from nicheclip.config.optimization import SgdConfig
from nicheclip.engine.kept import KeptWeights
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import Objective, Outputs, ParameterGroup
from nicheclip.engine.optimization import learning_rate, make_optimizer, parameter_groups
from nicheclip.engine.pieces import Pieces, Whole
from nicheclip.engine.processes import Processes
from nicheclip.engine.settings import RunSettings
from nicheclip.engine.sharding import average_uncut, cut_like, make_whole, whole
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import stable_hash

log = logging.getLogger(__name__)

#: what compiles
BACKEND = "inductor"


class Updates:
    """How an objective's module is run and changed.

    Raises:
        InputError: nothing trains in the first epoch.
    """

    def __init__(self, processes: Processes, settings: RunSettings, objective: Objective) -> None:
        self._processes, self._fabric = processes, processes.fabric
        self._settings, self._objective = settings, objective
        share_statistics(objective.module, processes)
        objective.module.requires_grad_(False)
        for held in objective.held.values():
            self._fabric.to_device(held.requires_grad_(False).eval())
        if not (new := self._let_require(0)):
            raise InputError("training: nothing trains in the first epoch.")
        if settings.channels_last:
            for module in (objective.module, *objective.held.values()):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if settings.compiled:
            objective.module.compile(backend=BACKEND)
        self._module: Any = self._fabric.setup_module(objective.module)
        self.kept = KeptWeights(
            objective.module,
            decay=settings.ema,
            keep=settings.keep,
            epochs=settings.keep_epochs,
        )
        # The scaler of 16-mixed cannot unscale for clipping what a fused step unscales itself, and
        # a fused step takes parts of weights and whole ones only by turns.
        fused = settings.precision != "16-mixed" and not processes.sharded
        plain = make_optimizer(settings.optimizer, self._groups(new), fused=fused)
        optimizer = self._fabric.setup_optimizers(plain)
        assert isinstance(optimizer, _FabricOptimizer)
        self._optimizer = optimizer
        set_training_mode(objective.module)

    def let_train(self, epoch: int) -> None:
        """Let train what is due in ``epoch``, and tell DDP and the optimiser."""
        if epoch == 0 or not (new := self._let_require(epoch)):
            return  # those of the first epoch train already
        if self._processes.sharded:
            raise InputError(
                "training: with compute.sharding all that trains must train from the start; leave "
                "unfreezing out, or train without sharding."
            )
        self._module = self._fabric.setup_module(self._objective.module)
        for group in self._groups(new):
            self._optimizer.optimizer.add_param_group(group)
        set_training_mode(self._objective.module)

    def _let_require(self, epoch: int) -> list[ParameterGroup]:
        """What begins to train in ``epoch``, which then requires gradients."""
        parameters = dict(self._objective.module.named_parameters())
        found = [new for new in self._objective.trainable(epoch) if new.names]
        for name in (name for new in found for name in new.names):
            parameters[name].requires_grad_(True)
        if found:
            log.info("epoch %d: %d parameters train", epoch + 1, self.trainable)
        return found

    def _groups(self, found: list[ParameterGroup]) -> list[dict[str, Any]]:
        module, decay = self._objective.module, self._settings.optimizer.weight_decay
        return [group for new in found for group in parameter_groups(module, new, decay)]

    @property
    def trainable(self) -> int:
        """Numbers in all parameters that train."""
        return sum(p.numel() for p in self._objective.module.parameters() if p.requires_grad)

    def forward(self, batch: Batch) -> Outputs:
        """The module's outputs, in the run's precision."""
        outputs: Outputs = self._module(batch)
        return outputs

    def seeded_pass(self, step: int) -> Whole | Pieces:
        """Of the batch of ``step`` through the module; dropout, if any, is seeded."""
        seed = stable_hash(self._settings.seed, "step", step, self._processes.rank)
        torch.manual_seed(seed)
        if self._settings.pieces == 1:
            return Whole(self._module)
        return Pieces(self._module, self._fabric, count=self._settings.pieces, seed=seed)

    def try_out(self, batch: Batch) -> None:
        """``batch`` through the module and back, for nothing but the memory that it takes.

        No other process is waited for.
        """
        module = self._objective.module
        module.zero_grad()
        trained = [p for p in module.parameters() if p.requires_grad]
        with self._fabric.autocast():
            outputs: Outputs = module(batch)
        ends = [out.float().sum() for out in outputs.values() if out.requires_grad]
        torch.autograd.grad(torch.stack(ends).sum(), trained, allow_unused=True)

    def bytes_to_come(self) -> int:
        """What the optimiser allocates in its first step, if that was not taken."""
        if self._optimizer.optimizer.state:
            return 0
        copies = 1 if isinstance(self._settings.optimizer, SgdConfig) else 2
        return copies * 4 * self.trainable

    def apply(self, step: int, steps: int) -> float:
        """Change the parameters by their gradients; returns the learning rate."""
        config = self._settings.optimizer
        rate = learning_rate(config.lr, self._settings.schedule, step, steps)
        decay = self._objective.weight_decay(step, steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"]
            if decay is not None and group["decays"]:
                group["weight_decay"] = decay
        if self._processes.sharded:
            average_uncut(self._objective.module.parameters())
        if config.gradient_clip is not None:
            self._fabric.clip_gradients(
                self._module,
                self._optimizer,
                max_norm=config.gradient_clip,
                error_if_nonfinite=False,  # in 16-mixed the scaler skips such a step
            )
        self._optimizer.step()
        self._optimizer.zero_grad()
        return rate

    def state_dict(self) -> dict[str, Any]:
        """Modules, objective, optimiser and scaler; all processes must ask, the first gets it."""
        objective = self._objective
        state = {
            "module": objective.module.state_dict(),
            "held": {name: module.state_dict() for name, module in objective.held.items()},
            "objective": objective.state_dict(),
            "optimizer": self._optimizer.optimizer.state_dict(),
            "precision": self._fabric.strategy.precision.state_dict(),
            "kept": self.kept.state_dict(),
        }
        processes = self._processes
        return whole(state, keep=processes.is_first) if processes.sharded else state

    def give_result(self) -> None:
        """Give the module of the first process the weights that are the result, for good; those of
        the last epochs are whole there as well.
        """
        self.kept.take()
        if self._processes.sharded:
            first = self._processes.is_first
            self.kept.last = whole(self.kept.last, keep=first)
            make_whole(self._objective.module, keep=first)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state; what trained in its epoch must train here."""
        objective = self._objective
        if self._processes.sharded:
            state = self._cut(state)
        objective.module.load_state_dict(state["module"])
        for name, module in objective.held.items():
            module.load_state_dict(state["held"][name])
        objective.load_state_dict(state["objective"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._fabric.strategy.precision.load_state_dict(state["precision"])
        self.kept.load_state_dict(state["kept"])

    def _cut(self, state: dict[str, Any]) -> dict[str, Any]:
        """A whole state with this process's parts of what is shared."""
        like = self._objective.module.state_dict()
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]

        def cut(tensors: dict[str, Any]) -> dict[str, Any]:
            return {name: cut_like(value, like[name]) for name, value in tensors.items()}

        optimizer = {
            number: {name: cut_like(value, parameters[number]) for name, value in values.items()}
            for number, values in state["optimizer"]["state"].items()
        }
        kept = {name: cut(state["kept"][name]) for name in ("average", "best")}
        kept["last"] = {epoch: cut(weights) for epoch, weights in state["kept"]["last"].items()}
        return state | {
            "module": cut(state["module"]),
            "optimizer": state["optimizer"] | {"state": optimizer},
            "kept": state["kept"] | kept,
        }


def set_training_mode(module: torch.nn.Module) -> None:
    """Set ``module`` to training mode, but frozen batch norms to evaluation mode: otherwise their
    running statistics drift although their weights stand still.
    """
    module.train()
    for part in module.modules():
        if isinstance(part, _BatchNorm) and not any(p.requires_grad for p in part.parameters()):
            part.eval()


def share_statistics(module: torch.nn.Module, processes: Processes) -> None:
    """Let batch norms within ``module`` see the whole batch, not one GPU's part of it.

    torch offers it on GPUs alone.
    """
    if processes.world > 1 and processes.device.type == "cuda":
        torch.nn.SyncBatchNorm.convert_sync_batchnorm(module)
