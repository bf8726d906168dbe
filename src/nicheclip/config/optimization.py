"""Config of optimisers and of the learning rate over a run."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nicheclip.config.base import ConfigModel

Decay = Literal["matrices", "all_but_biases", "all", "none"]
"""Which parameters weight decay holds for: those of two or more dimensions, which no norm is; all
but biases; all; none."""


class OptimizerConfig(ConfigModel):
    """AdamW; in a training, biases, norms and the temperature are not decayed."""

    lr: Annotated[float, Field(gt=0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.2
    betas: tuple[float, float] = (0.9, 0.98)
    eps: Annotated[float, Field(gt=0)] = 1e-6
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient; null does not clip."""

    @model_validator(mode="after")
    def _betas_are_shares(self) -> "OptimizerConfig":
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas: expected two numbers of at least 0 and below 1: {self.betas}")
        return self


class SgdConfig(ConfigModel):
    """Stochastic gradient descent with momentum, for methods that were published with it."""

    kind: Literal["sgd"]
    lr: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient; null does not clip."""


class ScheduleConfig(ConfigModel):
    """The learning rate over the run."""

    kind: Literal["constant", "cosine", "power", "step"] = "cosine"
    """After the warm-up: the rate; a half cosine from it to `end_lr`; the rate times
    (1 + `power_speed` * step) ** -`power`; or down by `factor` at each of `drops`."""
    warmup_steps: Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, lt=1)] = 0
    """Linear rise from 0; a number below 1 is a share of the run's steps."""
    warmup_lr: Annotated[float, Field(gt=0)] | None = None
    """The rate of all steps of the warm-up instead of the rise."""
    end_lr: Annotated[float, Field(ge=0)] = 0.0
    """Where the cosine ends."""
    power: Annotated[float, Field(gt=0)] = 0.75
    power_speed: Annotated[float, Field(gt=0)] = 2e-4
    drops: list[Annotated[float, Field(gt=0, lt=1)]] = Field(default=[0.5, 0.75])
    """Of `step`: where the rate falls, as shares of the run's steps."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Of `step`: what the rate is multiplied by at each drop."""

    def warmup(self, steps: int) -> int:
        """Steps of the warm-up in a run of ``steps``."""
        given = self.warmup_steps
        return given if isinstance(given, int) else int(given * steps)
