"""Config of the papers' tables: which run fills which row."""

from typing import Literal

from pydantic import Field, model_validator

from nicheclip.config.base import ConfigModel
from nicheclip.terms import TextType


class FungalzslConfig(ConfigModel):
    """FungalZSL, Table 1 and figures 4 and 5."""

    rows: dict[str, str] = Field(min_length=1)
    """Row label of Table 1 (`RN50`, ... or the demo's own) and the training run that fills it."""
    evaluation: str
    """The evaluation with the `retrieval` protocol, by its name under `evaluation`."""
    caption_sources: list[str] = Field(min_length=1)
    """Figure 4: the evaluations that are compared, one for each source of class texts; each uses
    the `zero_shot` protocol."""
    figures_from: str
    """The training run, by name, whose first seed figures 4 and 5 show."""


TrainedOn = TextType | Literal["mixed"]


class BioclipConfig(ConfigModel):
    """BioCLIP: taxonomy as text, judged on species that training saw and on others."""

    rows: dict[str, str] = Field(min_length=1)
    """Row label of the tables and the training run that fills it; trained on mixed text types."""
    evaluation: str
    """The evaluation with the `text_types` protocol, by its name under `evaluation`."""
    few_shot: list[str] = Field(min_length=1)
    """Evaluations with the `few_shot` protocol, for example one of seen and one of unseen species;
    each is shown beside zero-shot among the same classes."""
    text_type: TextType = "taxon_com"
    """The text type that models are tested with, where a table or figure has one only."""
    ablation: dict[TrainedOn, str] = Field(min_length=1)
    """Text-type ablation: the training run of each text type, and of their mixture (`mixed`)."""
    comparisons: list[tuple[TrainedOn, TrainedOn]] = Field(default=[])
    """Pairs of `ablation` whose accuracies are compared image by image, each run tested with the
    text type that it was trained on, and `mixed` with `text_type`."""
    figures_from: str
    """The training run, by name, whose first seed the figures of the tree show."""

    def tested_with(self, label: TrainedOn) -> TextType:
        """The text type that the run of ``ablation`` is tested with in `comparisons`."""
        return self.text_type if label == "mixed" else label

    @model_validator(mode="after")
    def _comparisons_are_of_the_ablation(self) -> "BioclipConfig":
        for pair in self.comparisons:
            for label in pair:
                if label not in self.ablation:
                    raise ValueError(
                        f"comparisons: {label!r} is not in ablation ({', '.join(self.ablation)})"
                    )
            if pair[0] == pair[1]:
                raise ValueError(f"comparisons: {pair[0]!r} is compared with itself")
        return self


class PapersConfig(ConfigModel):
    """The papers to reproduce; a paper that is absent is not made."""

    fungalzsl: FungalzslConfig | None = None
    bioclip: BioclipConfig | None = None
