"""Published hyperparameters by data set: `workflow/registry/methods/<method>.yaml`.

A file names what differs from a method's defaults in `config/adaptation.py`.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from nicheclip.config.adaptation import Method
from nicheclip.config.base import ConfigModel
from nicheclip.config.yaml_file import read_yaml_once
from nicheclip.runtime.errors import InputError


class PublishedMethod(ConfigModel):
    """One file."""

    method: str
    """The method's `kind`."""
    source: str
    """Where the numbers were read."""
    datasets: dict[str, dict[str, Any]] = Field(min_length=1)
    """For each data set the keys that differ; a mapping changes just the keys that it has."""


def read_published(file: Path) -> PublishedMethod:
    """The content of ``file``.

    Raises:
        InputError: it cannot be read, or a key is wrong.
    """
    try:
        return PublishedMethod.model_validate(read_yaml_once(file))
    except ValidationError as error:
        raise InputError(f"{file}: no published hyperparameters: {error}") from error


_METHOD: TypeAdapter[Any] = TypeAdapter(Method)
NOTHING: Mapping[str, Any] = MappingProxyType({})


def published_options(
    registry: Path, kind: str, dataset: str, given: Mapping[str, Any] = NOTHING
) -> Method | None:
    """A method's options as published for ``dataset``; None where nothing is published for it.

    Args:
        registry: `workflow/registry`.
        kind: of the method.
        dataset: its name in the method's file.
        given: keys that count more than the published ones.

    Raises:
        InputError: the file cannot be read, or an option in it is wrong.
    """
    file = registry / "methods" / f"{kind}.yaml"
    if not file.is_file() or dataset not in (found := read_published(file)).datasets:
        return None
    defaults = _METHOD.validate_python({"kind": kind}).model_dump()
    try:
        merged = _over(_over(defaults, found.datasets[dataset]), given)
        options: Method = _METHOD.validate_python(merged)
    except ValidationError as error:
        raise InputError(f"{file}: {dataset}: {error}") from error
    return options


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``below`` with the values of ``above``, mapping by mapping."""
    merged = dict(below)
    for key, value in above.items():
        nested = isinstance(value, dict) and isinstance(below.get(key), dict)
        merged[key] = _over(below[key], value) if nested else value
    return merged
