"""Options of the methods that adapt a CLIP without labels and without training.

Each method's defaults are its published hyperparameters.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nicheclip.config.backbones import BackboneConfig
from nicheclip.config.base import ConfigModel

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class ClipMethod(ConfigModel):
    """CLIP's zero-shot classifier: the mean of each class's name in several templates."""

    kind: Literal["clip"]


class CuplMethod(ConfigModel):
    """CuPL: descriptions instead of templates."""

    kind: Literal["cupl"]
    combination: Literal["anchors", "mean_of_cosines"] = "anchors"
    """Cosine to the mean description (all published code), or the mean of cosines (FAIR, eq. 5)."""


class WcaMethod(ConfigModel):
    """WCA: weighted alignment of an image's crops with a class's descriptions."""

    kind: Literal["wca"]
    formula: Literal["paper", "code"] = "code"
    """The weights of crops and descriptions; the published numbers come from the code's."""
    crops: Count = 60
    """Of each image."""
    crop_side: tuple[float, float] = (0.5, 0.9)
    """Range of a square crop's side, as a share of the image's shorter side."""


class CoderMethod(ConfigModel):
    """CODER: cosines to names, attributes and analogies."""

    kind: Literal["coder"]


class AssignmentChoices(ConfigModel):
    """How images are assigned to classes together; see ``adaptation.assignments``."""

    neighbours: Annotated[int, Field(ge=0)] = 3
    text_weight: NotNegative = 1.0
    likelihood_weight: NotNegative = 1 / 50
    affinity_weight: NotNegative | None = None
    """Of neighbours; null: 1 / (2 * neighbours), the published 1/6 for three."""
    steps: Count = 5
    """In each iteration."""
    step: Literal["monotone", "published"] = "monotone"
    """``published`` may lower the objective."""


class TransClipMethod(ConfigModel):
    """TransCLIP-ZS: all images are classified together, by Gaussians tied to the texts."""

    kind: Literal["transclip"]
    iterations: Annotated[int, Field(ge=0)] = 10
    confident_images: Count = 8
    """Of each class, for the first means."""
    unit_means: bool = False
    """Divide means by their lengths, as the published code does."""
    assignments: AssignmentChoices = AssignmentChoices()


class StatAMethod(ConfigModel):
    """StatA: as TransCLIP, with Gaussians held near the texts."""

    kind: Literal["stata"]
    iterations: Annotated[int, Field(ge=0)] = 10
    anchor_weight: Positive = 1.0
    """In images: a text counts as much as so many."""
    counts: Literal["hard", "soft"] = "hard"
    """How the images of a class are counted."""
    formula: Literal["paper", "code"] = "paper"
    assignments: AssignmentChoices = AssignmentChoices()


class TransportMethod(ConfigModel):
    """Optimal transport that joins CLIP with features of vision models."""

    kind: Literal["optimal_transport"]
    vision: list[str | BackboneConfig] = Field(default=[])
    """The vision models: names under `pretraining`, each with its first seed, or models of timm
    that others have trained. Empty: the CLIP's own image features stand in their place."""
    iterations: Count = 10
    formula: Literal["paper", "code"] = "paper"
    """How models are weighted."""
    class_mass: Literal["uniform", "zero_shot"] = "uniform"
    """How many images each class is expected to have."""
    entropy_weight: Positive = 0.01
    sinkhorn_steps: Count = 15
    likelihood_weight: NotNegative = 1 / 50
    confident_images: Count = 8

    @model_validator(mode="after")
    def _vision_models_differ(self) -> "TransportMethod":
        for number, one in enumerate(self.vision):
            if one in self.vision[:number]:
                name = one if isinstance(one, str) else f"{one.architecture} ({one.weights})"
                raise ValueError(f"vision: {name} is there twice; name each model once")
        return self


TrainingFree = (
    ClipMethod
    | CuplMethod
    | WcaMethod
    | CoderMethod
    | TransClipMethod
    | StatAMethod
    | TransportMethod
)


def pretrained_vision(method: object) -> list[str]:
    """The names under `pretraining` of the vision models of any method of adaptation."""
    return [one for one in _vision(method) if isinstance(one, str)]


def given_vision(method: object) -> list[BackboneConfig]:
    """Its vision models that others have trained."""
    return [one for one in _vision(method) if isinstance(one, BackboneConfig)]


def _vision(method: object) -> list[str | BackboneConfig]:
    return method.vision if isinstance(method, TransportMethod) else []
