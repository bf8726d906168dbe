"""Data sets that a config uses in just the same way, and the config without some of them."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from nicheclip.config.rehearsal.options import Values

Use = tuple[str, ...]


def used_like_others(values: Values, keep: int) -> set[str]:
    """The data sets beyond the first ``keep`` of those that are judged in the same way.

    Two are judged in the same way when evaluations, tasks and caption sets of the same content,
    data set and texts aside, are on both, and the same entries and keys of papers name these. What
    trains something, or decides which classes are seen, always stays.

    Args:
        values: of a valid config without grids, as plain values.
        keep: at least 1.
    """
    named_in = _places(values)
    uses: dict[str, set[Use]] = {name: set() for name in values["datasets"]}
    for section, aside in (
        ("evaluation", ("dataset", "class_texts")),
        ("tasks", ("dataset", "texts")),
        ("captions", ("dataset",)),
    ):
        for name, entry in (values.get(section) or {}).items():
            rest = {key: value for key, value in entry.items() if key not in aside}
            use = (section, json.dumps(rest, sort_keys=True, default=str), *named_in[name])
            for dataset in _datasets(entry):
                uses[dataset].add(use if section != "captions" else use[:2])
    groups: dict[frozenset[Use], list[str]] = defaultdict(list)
    needed = set(_needed(values))
    for dataset, found in uses.items():
        if dataset not in needed and found:
            groups[frozenset(found)].append(dataset)
    return {dataset for group in groups.values() for dataset in group[keep:]}


def leave_out(datasets: set[str], values: Values) -> Values:
    """``values`` without ``datasets``, and without what is on them alone."""
    made = dict(values)
    made["datasets"] = {
        name: _apart_from(one, datasets)
        for name, one in values["datasets"].items()
        if name not in datasets
    }
    gone: set[str] = set()
    for section in ("captions", "evaluation", "tasks"):
        entries = values.get(section) or {}
        kept = {
            name: _on_others(entry, datasets)
            for name, entry in entries.items()
            if not set(_datasets(entry)) <= datasets
        }
        gone |= entries.keys() - kept.keys() if section != "captions" else set()
        made[section] = kept
    made["adaptation"] = {
        name: {**entry, "tasks": [task for task in entry["tasks"] if task not in gone]}
        for name, entry in (values.get("adaptation") or {}).items()
    }
    made["papers"] = _unnamed(values.get("papers") or {}, gone)
    return made


def _datasets(entry: Values) -> list[str]:
    found = entry["dataset"]
    return [found] if isinstance(found, str) else list(found)


def _places(values: Values) -> dict[str, list[str]]:
    """The keys of adaptations and papers under which each text stands, lists and all."""
    found: dict[str, list[str]] = defaultdict(list)
    for section in ("adaptation", "papers"):
        for place, text in _texts(values.get(section) or {}, section):
            found[text].append(place)
    return defaultdict(list, {text: sorted(set(places)) for text, places in found.items()})


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _texts(one, f"{place}.{key}")
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, place)
    elif isinstance(value, str):
        yield place, value


def _needed(values: Values) -> Iterator[str]:
    """Data sets that train something, choose its epoch or decide which classes are seen."""
    for section in ("training", "pretraining", "alignment"):
        for entry in (values.get(section) or {}).values():
            yield entry["dataset"]
            for key in ("replay", "validation"):
                if named := (entry.get(key) or {}).get("dataset"):
                    yield named
    for section in ("evaluation", "tasks"):
        for entry in (values.get(section) or {}).values():
            if entry.get("seen_in"):
                yield entry["seen_in"]


def _apart_from(dataset: Values, datasets: set[str]) -> Values:
    """With those of ``datasets`` left out of its `leakage`."""
    leakage = dataset.get("leakage")
    if not leakage:
        return dataset
    others = [name for name in leakage["apart_from"] if name not in datasets]
    return {**dataset, "leakage": {**leakage, "apart_from": others} if others else None}


def _on_others(entry: Values, datasets: set[str]) -> Values:
    """An evaluation, task or caption set on what is left of its data sets."""
    made = dict(entry)
    if isinstance(entry["dataset"], list):
        made["dataset"] = [name for name in entry["dataset"] if name not in datasets]
    texts = entry.get("class_texts")
    if isinstance(texts, dict) and isinstance(texts.get("captions"), dict):
        own = {name: one for name, one in texts["captions"].items() if name not in datasets}
        made["class_texts"] = {**texts, "captions": own}
    return made


def _unnamed(value: Any, gone: set[str]) -> Any:
    """A section of papers without the entries that are gone."""
    if isinstance(value, dict):
        return {key: _unnamed(one, gone) for key, one in value.items() if not _is_gone(one, gone)}
    if isinstance(value, list):
        return [_unnamed(one, gone) for one in value if not _is_gone(one, gone)]
    return value


def _is_gone(value: Any, gone: set[str]) -> bool:
    return isinstance(value, str) and value in gone
