"""The base of all config models."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

#: a seed is part of folder names
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]


def in_order(value: Any) -> Any:
    """Plain values with the keys of every mapping sorted: another order is no change."""
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value


class ConfigModel(BaseModel):
    """Immutable; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _with_grid(schema: dict[str, Any]) -> None:
    """For editors alone: grids are gone before the config is checked (see ``config.grids``)."""
    schema["properties"]["grid"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": ["array", "object"]},
        "description": "Makes one entry for each combination of the values of these keys, named "
        "`<entry>-<value>-<value>`: lists of names or numbers, or mappings of names to values. "
        "Other entries that name this one mean all of them, or the one of their data set.",
    }
    if required := schema.pop("required", None):
        schema["anyOf"] = [{"required": required}, {"required": ["grid"]}]


class GridModel(ConfigModel):
    """An entry that may stand for many: see ``config.grids``."""

    model_config = ConfigDict(json_schema_extra=_with_grid)
