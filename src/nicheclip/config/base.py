"""The base of all config models."""

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

#: names become folder names, and parts of file names, which may have 255 characters
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=150)]
#: a seed is part of folder names
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]


def in_order(value: Any) -> Any:
    """Plain values with the keys of every mapping sorted: another order is no change."""
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value


def without_defaults(values: dict[str, Any], model: BaseModel, *names: str) -> dict[str, Any]:
    """``values`` without those of ``names`` that ``model`` has at their defaults: what was made
    before these keys came stays what it was.
    """
    fields = type(model).model_fields
    unset = {name for name in names if getattr(model, name) == fields[name].default}
    return {key: value for key, value in values.items() if key not in unset}


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    return value


def _with_strict_numbers(schema: Any) -> Any:
    """A part of a core schema in which no boolean counts as a number.

    Whole numbers are strict. Others stay lax, since YAML reads 1e-4 as a text. Models in it are
    left out: each does this for itself.
    """
    if isinstance(schema, list | tuple):
        return type(schema)(_with_strict_numbers(part) for part in schema)
    if not isinstance(schema, dict) or schema.get("type") == "model":
        return schema
    if schema.get("type") == "function-before" and schema["function"]["function"] is _number:
        return schema  # pydantic hands out the schema of a finished model again
    if schema.get("type") == "int":
        return {**schema, "strict": True}
    if schema.get("type") == "float":
        return core_schema.no_info_before_validator_function(_number, schema)
    return {key: _with_strict_numbers(part) for key, part in schema.items()}


@cache
def _class_bodies(module: str) -> dict[str, ast.ClassDef]:
    """The classes of a module by name; each module is parsed once."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {one.name: one for one in ast.walk(tree) if isinstance(one, ast.ClassDef)}


def _attribute_texts(model: type) -> dict[str, str]:
    """The text below each attribute of a class."""
    found = _class_bodies(model.__module__)[model.__name__]
    return {
        attribute.target.id: inspect.cleandoc(text.value.value)
        for attribute, text in pairwise(found.body)
        if isinstance(attribute, ast.AnnAssign)
        and isinstance(attribute.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


class ConfigModel(BaseModel):
    """Immutable. An unknown key is an error, and so is true, .inf or .nan for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        model: Any = schema
        while model["type"] != "model" and "schema" in model:
            model = model["schema"]  # within the validators of the whole model
        if model["type"] == "model":
            model["schema"] = _with_strict_numbers(model["schema"])
        return schema

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """With the texts below the attributes, read here: pydantic's own way reads them at every
        import, which each job would wait for.
        """
        schema = handler(core)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        texts: dict[str, str] = {}
        for model in reversed(cls.__mro__):
            if issubclass(model, ConfigModel):
                declared = vars(model).get("__annotations__", {})
                texts = {name: text for name, text in texts.items() if name not in declared}
                texts |= _attribute_texts(model)
        for name in properties.keys() & texts.keys():
            properties[name].setdefault("description", texts[name])
        return schema


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
