"""Grids: one entry of the config that stands for many.

``grid: {model: [a, b], dataset: [x, y]}`` in an entry ``t`` makes the entries ``t-a-x``, ``t-a-y``,
``t-b-x`` and ``t-b-y``: each is the rest of ``t`` with these values. A key may lead deeper
(``recipe.kind``), and values that are not names get some: ``{texts: {sci: {types: {sci: 1}}}}``.
Where other entries name ``t``, they mean all of its entries, or the one of their data set.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from nicheclip.runtime.errors import InputError

#: sections whose entries may have a grid
SECTIONS = ("captions", "training", "pretraining", "alignment", "evaluation", "tasks", "adaptation")


@dataclass(frozen=True)
class Expanded:
    """A config without grids."""

    values: dict[str, Any]
    origins: dict[tuple[str, str], str] = field(default_factory=dict)
    """The grid of each entry that one made, by (section, entry)."""


def expand_grids(values: dict[str, Any]) -> Expanded:
    """``values`` with each grid replaced by its entries, and references to grids by theirs.

    Sections that are not mappings stay as they are; the schema refuses them later.

    Raises:
        InputError: a grid is not a mapping of keys to values, sets a key that the entry has as
            well, or makes an entry that is there already.
    """
    expanded = Expanded(dict(values))
    members: dict[str, dict[str, list[str]]] = {}
    for section in SECTIONS:
        entries = values.get(section)
        if not isinstance(entries, dict):
            continue
        found: dict[str, Any] = {}
        for name, entry in entries.items():
            if not isinstance(entry, dict) or "grid" not in entry:
                found[name] = entry
                continue
            made: dict[str, Any] = {}
            for one, values_of_one in _entries(section, str(name), entry):
                if one in made or one in entries or one in found:
                    raise InputError(
                        f"config: {section}.{name}.grid makes the entry {one!r}, which is there "
                        "already. Give one of them another name."
                    )
                made[one] = values_of_one
            found |= made
            members.setdefault(section, {})[str(name)] = list(made)
            expanded.origins.update({(section, one): str(name) for one in made})
        expanded.values[section] = found
    _resolve(expanded.values, members)
    return expanded


def _entries(section: str, name: str, entry: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    where = f"config: {section}.{name}.grid"
    axes = entry["grid"]
    if not isinstance(axes, dict) or not axes:
        raise InputError(f"{where}: expected keys with lists of values, for example model: [a, b].")
    rest = {key: value for key, value in entry.items() if key != "grid"}
    choices = []
    keys = [str(key) for key in axes]
    for key in keys:
        if inside := [other for other in keys if other.startswith(f"{key}.")]:
            raise InputError(f"{where}: {key!r} and {inside[0]!r} set the same value; keep one.")
    for key, chosen in axes.items():
        labelled = chosen if isinstance(chosen, dict) else _labelled(chosen, f"{where}.{key}")
        if not labelled:
            raise InputError(f"{where}.{key}: expected one value or more.")
        if _has(rest, str(key).split(".")):
            raise InputError(f"{where}.{key}: the entry sets {key!r} as well; leave it out there.")
        choices.append([(str(key), str(label), value) for label, value in labelled.items()])
    for combination in product(*choices):
        made = copy.deepcopy(rest)
        for key, _, value in combination:
            _set(made, key.split("."), copy.deepcopy(value), f"{where}.{key}")
        yield "-".join([name, *(label for _, label, _ in combination)]), made


def _labelled(chosen: Any, where: str) -> dict[str, Any]:
    """Values by the names that entries get from them."""
    if not isinstance(chosen, list) or any(isinstance(value, dict | list) for value in chosen):
        raise InputError(
            f"{where}: expected a list of names or numbers, or a mapping of names to values."
        )
    labels = [re.sub(r"[^A-Za-z0-9_.-]+", "-", str(value)) for value in chosen]
    if len(set(labels)) < len(labels):
        raise InputError(f"{where}: values repeat ({', '.join(labels)}).")
    return dict(zip(labels, chosen, strict=True))


def _has(entry: Any, keys: list[str]) -> bool:
    for key in keys:
        if not isinstance(entry, dict) or key not in entry:
            return False
        entry = entry[key]
    return True


def _set(entry: dict[str, Any], keys: list[str], value: Any, where: str) -> None:
    for key in keys[:-1]:
        entry = entry.setdefault(key, {})
        if not isinstance(entry, dict):
            raise InputError(f"{where}: the entry's {key!r} is not a mapping; leave it out there.")
    entry[keys[-1]] = value


def _resolve(values: dict[str, Any], members: dict[str, dict[str, list[str]]]) -> None:
    """Put entries where a grid is named: lists of runs, and the caption sets of data sets."""
    lists = {"runs": members.get("training", {}), "aligned": members.get("alignment", {})}
    captions = members.get("captions", {})
    by_dataset = {grid: _by_dataset(grid, names, values) for grid, names in captions.items()}
    for name, dataset in _mappings(values, "datasets"):
        own = by_dataset.get(str(dataset.get("captions")), {})
        if name in own:
            values["datasets"][name] = {**dataset, "captions": own[name]}
    for name, task in _mappings(values, "evaluation"):
        task = dict(task)
        for key, grids in lists.items():
            if isinstance(named := task.get(key), list):
                task[key] = [one for entry in named for one in grids.get(str(entry), [entry])]
        texts = task.get("class_texts")
        if isinstance(texts, dict) and str(texts.get("captions")) in by_dataset:
            task["class_texts"] = {**texts, "captions": by_dataset[str(texts["captions"])]}
        values["evaluation"][name] = task
    tasks = members.get("tasks", {})
    for name, method in _mappings(values, "adaptation"):
        if isinstance(named := method.get("tasks"), list):
            found = [one for task in named for one in tasks.get(str(task), [task])]
            values["adaptation"][name] = {**method, "tasks": found}


def _by_dataset(grid: str, names: list[str], values: dict[str, Any]) -> dict[str, str]:
    """The entry of a grid of caption sets for each data set."""
    found: dict[str, str] = {}
    for name in names:
        dataset = str(values["captions"][name].get("dataset"))
        if dataset in found and _is_named(grid, dataset, values):
            raise InputError(
                f"config: captions.{grid}.grid makes two sets for the data set {dataset!r}, "
                f"{found[dataset]} and {name}. Name the one that is meant where {grid!r} is named."
            )
        found[dataset] = name
    return found


def _is_named(grid: str, dataset: str, values: dict[str, Any]) -> bool:
    """Whether a data set, or an evaluation on it, names the grid of caption sets."""
    own = dict(_mappings(values, "datasets")).get(dataset, {})
    if own.get("captions") == grid:
        return True
    for _, task in _mappings(values, "evaluation"):
        judged = task.get("dataset")
        texts = task.get("class_texts")
        on_it = dataset in judged if isinstance(judged, list) else judged == dataset
        if on_it and isinstance(texts, dict) and texts.get("captions") == grid:
            return True
    return False


def _mappings(values: dict[str, Any], section: str) -> list[tuple[str, dict[str, Any]]]:
    entries = values.get(section)
    if not isinstance(entries, dict):
        return []
    values[section] = dict(entries)
    return [(str(name), entry) for name, entry in entries.items() if isinstance(entry, dict)]
