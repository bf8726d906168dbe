"""A run that has diverged: what shows it, and what the user is told."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch

from nicheclip.engine.objective import Objective
from nicheclip.engine.processes import Processes
from nicheclip.engine.sharding import own_part
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.finite import not_finite

#: of the samples in an error message
NAMES_SHOWN = 8


def weights_not_finite(objective: Objective, processes: Processes) -> str | None:
    """Which weights are no finite numbers, in words; None where all are.

    Where processes share the weights, each looks at its part, and all must ask.
    """
    modules = {"": objective.module, **{f"{k}.": module for k, module in objective.held.items()}}
    names = [
        prefix + name
        for prefix, module in modules.items()
        for name in not_finite({n: own_part(t) for n, t in module.state_dict().items()})
    ]
    found = len(names)
    if processes.sharded:
        found = int(processes.sum(torch.tensor(float(found), device=processes.device)))
    if not found:
        return None
    first = names[0] if names else "one that another process keeps"
    return f"{found} tensors of the model, the first {first}, are not finite"


def figures_not_finite(figures: Mapping[str, float | None]) -> str | None:
    """Which of ``figures`` are no finite numbers, in words; None where all are."""
    wrong = [
        f"{name} is {value}"
        for name, value in figures.items()
        if value is not None and not math.isfinite(value)
    ]
    return ", ".join(wrong) or None


def diverged(what: str, step: str, *, checkpoint: Path | None, samples: list[str]) -> InputError:
    """The error of a run in which ``what`` was found at ``step``.

    Args:
        what: is wrong, in words.
        step: in words.
        checkpoint: the last one that was written.
        samples: of the step; the first ``NAMES_SHOWN`` are named.
    """
    more = ", ..." if len(samples) > NAMES_SHOWN else ""
    return InputError(
        f"training: {what} at {step}. Last good checkpoint: {checkpoint or 'none was written'}. "
        f"Samples of the step: {', '.join(samples[:NAMES_SHOWN])}{more}. Lower optimizer.lr, set "
        "optimizer.gradient_clip, lengthen schedule.warmup_steps, or use precision 32-true or "
        "bf16-mixed instead of 16-mixed."
    )
