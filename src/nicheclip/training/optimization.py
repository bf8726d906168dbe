"""AdamW over the parameters that train, its learning rate, and CLIP's bound of the temperature."""

import math
from typing import Any

import torch

from nicheclip.config.training import OptimizerConfig, ScheduleConfig
from nicheclip.runtime.errors import InputError

LARGEST_LOGIT_SCALE = 100.0


def parameter_groups(
    model: torch.nn.Module, names: list[str], weight_decay: float
) -> list[dict[str, Any]]:
    """AdamW groups of the named parameters: biases, norms and the temperature are not decayed."""
    parameters = dict(model.named_parameters())
    decayed = [name for name in names if parameters[name].ndim >= 2]
    plain = [name for name in names if parameters[name].ndim < 2]
    return [
        {"params": [parameters[name] for name in group], "weight_decay": decay}
        for group, decay in ((decayed, weight_decay), (plain, 0.0))
        if group
    ]


def make_optimizer(
    config: OptimizerConfig, groups: list[dict[str, Any]], *, fused: bool
) -> torch.optim.AdamW:
    """AdamW over ``groups``."""
    return torch.optim.AdamW(
        groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=fused or None
    )


def learning_rate(base: float, schedule: ScheduleConfig, step: int, steps: int) -> float:
    """The rate of step ``step`` (from 0) of ``steps``.

    Linear from ``base / warmup_steps`` to ``base``, then constant or a half cosine towards 0.
    """
    if step < schedule.warmup_steps:
        return base * (step + 1) / schedule.warmup_steps
    if schedule.kind == "constant":
        return base
    progress = (step - schedule.warmup_steps) / (steps - schedule.warmup_steps)
    return base * 0.5 * (1 + math.cos(math.pi * progress))


def check_warmup(schedule: ScheduleConfig, steps: int) -> None:
    """Raise InputError if the warm-up does not end within the run."""
    if schedule.warmup_steps >= steps:
        raise InputError(
            f"training: schedule.warmup_steps is {schedule.warmup_steps}, but the run has only "
            f"{steps} steps. Shorten the warm-up or train for more epochs."
        )


@torch.no_grad()
def bound_temperature(model: torch.nn.Module) -> None:
    """Keep the logit scale at or below 100, as CLIP does (section 2.5 of its paper)."""
    model.get_parameter("logit_scale").clamp_(max=math.log(LARGEST_LOGIT_SCALE))
