"""How a run of the engine is carried out, whatever it minimises."""

from dataclasses import dataclass
from typing import Any

from nicheclip.config.training import (
    ComputeConfig,
    OptimizerConfig,
    Precision,
    ScheduleConfig,
    SgdConfig,
)


@dataclass(frozen=True)
class RunSettings:
    """What the engine is told of a run."""

    epochs: int
    batch_size: int
    """Samples of a step, over all processes."""
    seed: int
    optimizer: OptimizerConfig | SgdConfig
    schedule: ScheduleConfig
    compute: ComputeConfig
    determines: dict[str, Any]
    """What of the run's config can change its result, as plain values: checkpoints of other
    configs are not resumed."""
    precision: Precision = "32-true"
    min_steps: int = 0
    """More epochs are run until there are so many steps."""
    pieces: int = 1
    """Into which each process cuts its part of a batch; see ``pieces.Pieces``."""
