"""Errors of the config in a user's words: where, what is wrong, and what was meant."""

import difflib
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from nicheclip.config.yaml_file import compose_yaml

Schema = dict[str, Any]

SHOWN = 20
"""Errors that are explained; more are only counted."""

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80

_Roots = list[tuple[Path | str, yaml.Node | None]]


def explain(
    error: ValidationError,
    schema: Schema,
    files: Sequence[Path | str],
    origins: Mapping[tuple[str, str], str],
) -> list[str]:
    """The errors of pydantic in a user's words, each in a line with its place in the file.

    Args:
        error: as pydantic raised it.
        schema: the JSON schema of the config.
        files: that the config was read from; the last one that has the key is named.
        origins: the grid of each entry that one made, by (section, entry).
    """
    items = error.errors(include_url=False, include_context=False)
    roots = [(file, compose_yaml(file)) for file in reversed(files)]
    lines = [_explained(item, schema, roots, origins) for item in items[:SHOWN]]
    more = len(items) - len(lines)
    return [*lines, f"and {more} more. Mend these first."] if more else lines


def _explained(
    item: Any, schema: Schema, roots: _Roots, origins: Mapping[tuple[str, str], str]
) -> str:
    path = [str(part) for part in item["loc"]]
    if item["type"] == "extra_forbidden":
        message = f"unknown key {path[-1]!r}{_meant(path, schema)}"
    elif item["type"] == "missing":
        message = f"the key {path[-1]!r} is missing"
    else:
        given = "" if isinstance(item["input"], dict) else f" (given: {_SHORT.repr(item['input'])})"
        message = item["msg"].removeprefix("Value error, ") + given
    keys = _without_tags(path, schema)
    if tuple(keys[:2]) in origins:
        made = keys[1]
        keys = [keys[0], origins[keys[0], made], *keys[2:]]
        message += f" (entry {made} of the grid)"
    return ": ".join(part for part in (_place(keys, roots), ".".join(keys), message) if part)


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest of ``known``, or all of them."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    choices = ", ".join(sorted(known)) or "none"
    return f"; did you mean {nearest[0]!r}?" if nearest else f"; valid: {choices}"


def _meant(path: list[str], schema: Schema) -> str:
    """What an unknown key may stand for: the same key of a section beside it, or a similar one."""
    *parents, key = path
    valid = _valid_keys(parents, schema)
    inside = [one for one in valid if key in _valid_keys([*parents, one], schema)]
    return f"; did you mean '{inside[0]}.{key}'?" if inside else suggestion(key, valid)


def _valid_keys(path: list[str], schema: Schema) -> list[str]:
    """The keys that ``schema`` allows in the section at ``path``."""
    nodes = [schema]
    for part in path:
        nodes = [child for node in nodes for child in _children(node, part, schema)]
    nodes = [option for node in nodes for option in _options(node, schema)]
    return sorted({key for node in nodes for key in node.get("properties", {})})


def _children(node: Schema, part: str, schema: Schema) -> list[Schema]:
    found = []
    for option in _options(node, schema):
        if part in option.get("properties", {}):
            found.append(option["properties"][part])
        elif isinstance(option.get("additionalProperties"), dict):
            found.append(option["additionalProperties"])
        elif isinstance(option.get("patternProperties"), dict):
            found += option["patternProperties"].values()
        elif part.isdigit() and isinstance(option.get("items"), dict):
            found.append(option["items"])
        elif option.get("properties", {}).get("kind", {}).get("const") == part:
            found.append(option)  # pydantic puts a union's tag into the path
    if not found and part in schema.get("$defs", {}):
        return [schema["$defs"][part]]  # or the name of a class, where the union has no tags
    return found


def _options(node: Schema, schema: Schema) -> list[Schema]:
    if "$ref" in node:
        return _options(schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], schema)
    unions = [*node.get("anyOf", []), *node.get("oneOf", [])]
    # an entry that may have a grid has keys of its own beside its union of what is required
    found = [option for union in unions for option in _options(union, schema)]
    return found if unions and "properties" not in node else [node, *found]


def _without_tags(path: list[str], schema: Schema) -> list[str]:
    """A pydantic path without the tags of unions, which are in no file."""
    keys = []
    for i, part in enumerate(path):
        parent = _valid_keys(path[:i], schema)
        if not parent or part in parent or i + 1 == len(path):
            keys.append(part)
    return keys


def _place(keys: list[str], roots: _Roots) -> str:
    """``file:line`` of the deepest of ``keys`` that a file has; the first of ``roots`` wins."""
    for file, root in roots:
        line = _line(root, keys)
        if line is not None:
            return f"{file}, line {line}"
    return ""


def _line(node: yaml.Node | None, keys: list[str]) -> int | None:
    line = None
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            pair = next((p for p in node.value if p[0].value == key), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and key.isdigit() and int(key) < len(node.value):
            node = node.value[int(key)]
            line = node.start_mark.line + 1
        else:
            break
    return line
