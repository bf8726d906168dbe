"""The base of all config models."""

from pydantic import BaseModel, ConfigDict


class ConfigModel(BaseModel):
    """Immutable; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
