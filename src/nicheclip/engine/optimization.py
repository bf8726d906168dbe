"""The optimiser over the parameters that train, and its learning rate."""

import math
from typing import Any

import torch

from nicheclip.config.optimization import Decay, OptimizerConfig, ScheduleConfig, SgdConfig
from nicheclip.engine.objective import ParameterGroup
from nicheclip.runtime.errors import InputError


def parameter_groups(
    model: torch.nn.Module, new: ParameterGroup, weight_decay: float
) -> list[dict[str, Any]]:
    """The optimiser's groups of ``new``: what decays, and what does not."""
    parameters = dict(model.named_parameters())
    decayed = [name for name in new.names if _decays(name, parameters[name], new.decay)]
    plain = [name for name in new.names if name not in decayed]
    return [
        {
            "params": [parameters[name] for name in group],
            "weight_decay": weight_decay if decays else 0.0,
            "decays": decays,
            "lr_scale": new.lr_scale,
        }
        for group, decays in ((decayed, True), (plain, False))
        if group
    ]


def _decays(name: str, parameter: torch.nn.Parameter, which: Decay) -> bool:
    if which == "matrices":
        return parameter.ndim >= 2
    return which == "all" or (which == "all_but_biases" and not name.endswith("bias"))


def make_optimizer(
    config: OptimizerConfig | SgdConfig, groups: list[dict[str, Any]], *, fused: bool
) -> torch.optim.Optimizer:
    """AdamW or SGD over ``groups``."""
    if isinstance(config, SgdConfig):
        return torch.optim.SGD(
            groups,
            lr=config.lr,
            momentum=config.momentum,
            nesterov=config.nesterov,
            fused=fused or None,
        )
    return torch.optim.AdamW(
        groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=fused or None
    )


def learning_rate(base: float, schedule: ScheduleConfig, step: int, steps: int) -> float:
    """The rate of step ``step`` (from 0) of ``steps``.

    Linear from ``base / warm-up steps`` to ``base``, or at the schedule's own rate, then constant,
    a half cosine, a power of the steps since the warm-up, or down by a factor at shares of the run.
    """
    warmup = schedule.warmup(steps)
    if step < warmup:
        return schedule.warmup_lr or base * (step + 1) / warmup
    if schedule.kind == "constant":
        return base
    if schedule.kind == "step":
        drops = sum(step >= share * steps for share in schedule.drops)
        return base * schedule.factor**drops
    since = step - warmup
    if schedule.kind == "power":
        return float(base * (1 + schedule.power_speed * since) ** -schedule.power)
    return half_cosine(base, schedule.end_lr, since, steps - warmup)


def half_cosine(first: float, last: float, step: int, steps: int) -> float:
    """From ``first`` at step 0 to ``last`` after ``steps`` steps along half a cosine."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * (step / steps)))


def check_warmup(schedule: ScheduleConfig, steps: int) -> None:
    """Raise InputError if the warm-up does not end within the run."""
    if schedule.warmup(steps) >= steps:
        raise InputError(
            f"training: schedule.warmup_steps is {schedule.warmup_steps}, but the run has only "
            f"{steps} steps. Shorten the warm-up or train for more epochs."
        )
