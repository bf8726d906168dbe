"""Config of evaluations."""

from typing import Annotated, Literal

from pydantic import Field

from nicheclip.config.base import ConfigModel
from nicheclip.config.training import TextType


class TemplateTexts(ConfigModel):
    """Class names set into an ensemble of templates."""

    kind: Literal["templates"]
    templates: str = "photo"
    """Name of a file in `workflow/registry/prompts/`."""
    name: TextType = "com"
    """The text type whose bare name goes into the templates."""


class CaptionTexts(ConfigModel):
    """The accepted captions of a caption set describe the classes."""

    kind: Literal["captions"]
    captions: str
    """By its name under `captions`."""
    split: Literal["train", "val", "test", "all"] = "train"
    """The captions of this split; `train` keeps the evaluated items' own captions out."""


Protocol = Literal["zero_shot", "retrieval", "few_shot"]


class EvaluationConfig(ConfigModel):
    """One task that models are judged by."""

    dataset: str
    """By its name under `datasets`."""
    split: Literal["train", "val", "test"] = "test"
    runs: list[str] | None = None
    """The training runs that are judged, each with its start model; null: those of the data set."""
    protocols: list[Protocol] = Field(default=["zero_shot"], min_length=1)
    class_texts: Annotated[TemplateTexts | CaptionTexts, Field(discriminator="kind")] = (
        TemplateTexts(kind="templates")
    )
    """The text side of `zero_shot`: embedded, normalised, averaged by class, normalised again."""
    shots: list[Annotated[int, Field(ge=1)]] = Field(default=[1, 5], min_length=1)
    """Support images per class of `few_shot`; the rest of the split is the query."""
    folds: Annotated[int, Field(ge=1)] = 5
    """Support sets drawn for each number of shots."""
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    """Resamplings of the images for the interval."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    baseline: bool = True
    """Judge the colour histogram by the same task, learnt from the train split."""
