"""Config of alignment: a self-supervised image model is put in front of a CLIP's text tower."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nicheclip.config.backbones import BackboneConfig
from nicheclip.config.base import ConfigModel, GridModel


class RidgeFit(ConfigModel):
    """The best linear map, in closed form, from one pass over the images; any number of them."""

    kind: Literal["ridge"] = "ridge"
    penalty: Annotated[float, Field(ge=0)] = 0.0
    """On the squared weights, as a share of the features' mean variance. It is raised, with a
    warning, where there are no more images than features, or features depend on each other."""


class SgdFit(ConfigModel):
    """The linear map as AgriCLIP's repository trains it; all features are held in memory."""

    kind: Literal["sgd"]
    variance: Annotated[float, Field(gt=0)] = 4.5
    """Both sides are first scaled to it."""
    lr: Annotated[float, Field(gt=0)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    batch_size: Annotated[int, Field(ge=1)] = 100
    epochs: Annotated[int, Field(ge=1)] = 70
    period: Annotated[int, Field(ge=1)] = 200
    """Epochs of the half cosine along which the rate falls; it does not end within 70."""
    bias: Literal["correct", "as_published"] = "correct"
    """How scaling is taken back. The repository's bias is wrong unless both sides had one scale."""


class AlignmentConfig(GridModel):
    """A linear map from the features of an image model, self-supervised as a rule, to a CLIP's
    image features."""

    dataset: str
    """By its name under `datasets`: the map is fitted to the images of its train split."""
    pretraining: str | None = None
    """By its name under `pretraining`; its first seed."""
    backbone: BackboneConfig | None = None
    """Or an image model that others have trained."""
    run: str | None = None
    """The training run, by name, whose first seed is the CLIP."""
    model: str | None = None
    """Or the start model, by name."""
    text: Literal["finetuned", "original"] = "finetuned"
    """The text tower: of the CLIP, or of what its run started from, as in the repository."""
    normalisation: Literal["own", "as_published"] = "own"
    """Of the images that the map is fitted to. The repository takes the mean colour from the
    backbone's images twice, and gives the CLIP images that are prepared for the backbone."""
    fit: Annotated[RidgeFit | SgdFit, Field(discriminator="kind")] = RidgeFit()
    fusion: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Weight of the CLIP's own image feature beside the aligned one, each of length 1; null: none.
    open_clip alone loads such a model without its fusion."""

    @model_validator(mode="after")
    def _one_backbone(self) -> "AlignmentConfig":
        if (self.pretraining is None) == (self.backbone is None):
            raise ValueError(
                "give one of pretraining and backbone: the image model that is aligned"
            )
        return self

    @model_validator(mode="after")
    def _one_clip(self) -> "AlignmentConfig":
        if (self.run is None) == (self.model is None):
            raise ValueError("give one of run and model: the CLIP whose space is aligned to")
        if self.text == "original" and self.run is None:
            raise ValueError("text: original needs run: a start model has one text tower only")
        return self
