"""Data sets of a rehearsal: stand-ins that are drawn."""

from pathlib import Path

from nicheclip.config.rehearsal.options import IMAGE_SIZE, RehearsalConfig, Values, section, without
from nicheclip.config.yaml_file import read_yaml_once
from nicheclip.runtime.paths import expand_path

#: sources that are read from this disk and have no labels to draw images by
KEPT_SOURCES = ("synthetic", "unlabelled")


def is_stand_in(dataset: Values) -> bool:
    """Whether its images are drawn in the place of others."""
    source = dataset["source"]
    return bool(source["kind"] == "synthetic" and source["world"]["name"] == "stand_in")


def images_needed(dataset: str, values: Values, options: RehearsalConfig) -> int:
    """Of each class and split: enough for the support sets that are drawn from them."""
    shots = [
        max(entry.get("shots", [1, 5]))
        for _, entry in section(values, "evaluation")
        if "few_shot" in entry.get("protocols", ()) and dataset in judged_datasets(entry)
    ]
    return max(options.images, max(shots, default=0) + 1)


def judged_datasets(evaluation: Values) -> list[str]:
    """The data sets on which an evaluation judges."""
    found = evaluation["dataset"]
    return [found] if isinstance(found, str) else list(found)


def rehearsed_dataset(
    name: str, entry: Values, count: int, options: RehearsalConfig, registry: Path
) -> Values:
    """``count`` images of each class and split, drawn where they would be fetched."""
    source = entry["source"]
    split = _split(entry.get("split"), count)
    parts = entry.get("parts", 1)
    fewer = min(parts, 2)
    made = {
        **entry,
        "split": split,
        "parts": fewer,
        "shards": fewer * min(entry.get("shards", 1) // parts, 2),
    }
    if source["kind"] == "synthetic":
        return {**made, "source": {**source, "world": _world(source["world"], count)}}
    if source["kind"] in KEPT_SOURCES:
        return {**entry, "source": from_root(source, "path", "classes")}
    given = split.get("method", "stratified") == "given"
    images = dict.fromkeys(("train", "val", "test"), count)
    world = {
        "name": "stand_in",
        "size": IMAGE_SIZE,
        "images_per_class": images if given else {"train": 3 * count},
        **_registered(name, source, options.classes, registry),
    }
    return {**without(made, "names"), "source": {"kind": "synthetic", "world": world}}


def _registered(name: str, source: Values, most: int, registry: Path) -> Values:
    """Under which name others publish, and the first of the classes; where the registry names
    none, so many species.
    """
    if source["kind"] != "registry":
        return {"of": name, "species": most}
    entry = read_yaml_once(registry / "datasets" / f"{source['name']}.yaml")
    known_as = {"of": entry.get("images_of") or source["name"]}
    if names := entry.get("class_names"):
        return known_as | {"classes": dict(list(names.items())[:most])}
    return known_as | {"species": min(entry.get("classes") or most, most)}


def _split(split: Values | None, count: int) -> Values:
    split = dict(split or {})
    for key in ("train_images", "test_images"):
        if split.get(key):
            split[key] = count
    return split


def _world(world: Values, count: int) -> Values:
    """A procedural world with small and few images."""
    if world["name"] == "stand_in":
        return world
    few = dict.fromkeys(("train", "val", "test"), count)
    images = {"images_per_species": few, "species": 24}
    made = {**world, "size": IMAGE_SIZE}
    return made | (images if world["name"] == "arbor" else {"images_per_class": few})


def from_root(entry: Values, *keys: str) -> Values:
    """With the paths under ``keys`` from the root: the rehearsal works in a folder of its own."""
    paths = {key: str(expand_path(entry[key]).absolute()) for key in keys if _is_path(entry, key)}
    return {**entry, **paths}


def _is_path(entry: Values, key: str) -> bool:
    return isinstance(entry.get(key), str)
