"""A run that has diverged: what shows it, and what the user is told."""

import math
from collections.abc import Mapping
from pathlib import Path

from nicheclip.engine.objective import Objective
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.finite import not_finite

#: of the samples in an error message
NAMES_SHOWN = 8


def weights_not_finite(objective: Objective) -> str | None:
    """Which weights are no finite numbers, in words; None where all are."""
    modules = {"": objective.module, **{f"{k}.": module for k, module in objective.held.items()}}
    names = [prefix + n for prefix, m in modules.items() for n in not_finite(m.state_dict())]
    if not names:
        return None
    return f"{len(names)} tensors of the model, the first {names[0]}, are not finite"


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
