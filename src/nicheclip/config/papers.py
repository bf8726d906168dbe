"""Config of the papers' tables: which run fills which row."""

from pydantic import Field

from nicheclip.config.base import ConfigModel


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


class PapersConfig(ConfigModel):
    """The papers to reproduce; a paper that is absent is not made."""

    fungalzsl: FungalzslConfig | None = None
