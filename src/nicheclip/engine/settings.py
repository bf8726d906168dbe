"""How a run of the engine is carried out, whatever it minimises."""

from dataclasses import dataclass
from typing import Any, Literal

from nicheclip.config.compute import ComputeConfig, Precision
from nicheclip.config.optimization import OptimizerConfig, ScheduleConfig, SgdConfig


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
    ema: float | None = None
    """Decay of a moving average of the weights; None: there is none."""
    keep: Literal["last", "best"] = "last"
    """Which epoch's weights are the result; see ``kept.KeptWeights``."""
    keep_epochs: int = 0
    """How many of the last epochs' weights are saved beside it; see ``epoch_models``."""
    channels_last: bool = False
    """Whether images and kernels lie with the channels last in memory."""
    compiled: bool = False
    """Whether the module runs as ``torch.compile`` makes it."""
    sharded: bool = False
    """Whether processes share weights, gradients and the optimiser's state; see ``sharding``."""
    pieces: int = 1
    """Into which each process cuts its part of a batch; see ``pieces.Pieces``."""
