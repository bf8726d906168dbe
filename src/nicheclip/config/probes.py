"""How a linear probe learns."""

from typing import Annotated, Literal

from pydantic import Field

from nicheclip.config.base import ConfigModel


class SolvedProbe(ConfigModel):
    """Logistic regression with a squared penalty, solved to its minimum."""

    solver: Literal["lbfgs"] = "lbfgs"


class AdamwProbe(ConfigModel):
    """Softmax regression after some epochs of AdamW, as CLIP_benchmark has it.

    The defaults are its own. Its numbers depend on them, since ten epochs are not its minimum.
    """

    solver: Literal["adamw"]
    epochs: Annotated[int, Field(ge=1)] = 10
    lr: Annotated[float, Field(gt=0)] = 0.1
    """At the start; it falls to 0 along half a cosine."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    batch_size: Annotated[int, Field(ge=1)] = 64


ProbeConfig = Annotated[SolvedProbe | AdamwProbe, Field(discriminator="solver")]
