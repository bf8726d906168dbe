"""The base of all config models, and the terms that they share."""

from pydantic import BaseModel, ConfigDict

SPLITS = ("train", "val", "test")

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")


class ConfigModel(BaseModel):
    """Immutable; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
