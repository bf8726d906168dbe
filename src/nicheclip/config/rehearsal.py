"""Rehearsals: the whole grid of a config on drawn images and small random models, in minutes.

A config's plain values become those of its rehearsal before they are parsed; from then on the
workflow knows nothing of it. Every rule runs that the config would run, for nothing is skipped but
data sets that are used just like others (``alike``); what shrinks is the work within a job.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from nicheclip.config.alike import leave_out, used_like_others
from nicheclip.config.base import ConfigModel
from nicheclip.config.yaml_file import read_yaml_once
from nicheclip.runtime.paths import expand_path

Values = dict[str, Any]

#: the start model of all runs, with random weights, and that in the place of a ResNet, whose
#: stages thaw otherwise (`workflow/registry/models/`)
MODEL, RESNET = "nicheclip-tiny", "nicheclip-tiny-resnet"
#: the image model of all self-supervision, with random weights (timm's own test model)
BACKBONE = "test_efficientnet"
#: the grammar of all captions that a language model or a file would give
GRAMMAR = "rehearsal"
#: edges of images, which both start models read, and of local crops in pixels
IMAGE_SIZE, LOCAL_SIZE = 32, 16
BATCH = 8
EPOCHS = 2
#: two show what differs between seeds
SEEDS = 2
BOOTSTRAP = 200
#: sources that are read from this disk and have no labels to draw images by
KEPT_SOURCES = ("synthetic", "unlabelled")


class RehearsalConfig(ConfigModel):
    """How small a rehearsal is. `--config rehearsal=4` stands for `rehearsal: {images: 4}`."""

    images: Annotated[int, Field(ge=2, le=1000)]
    """Of each class in each split; where splits are drawn, three times as many of each class."""
    classes: Annotated[int, Field(ge=3, le=100)] = 12
    """Of a stand-in at most: the first of the registered names, or drawn species."""
    alike: Annotated[int, Field(ge=1)] | None = 1
    """Of data sets that are judged in the same way, by the same entries and tables, so many stay;
    null keeps all."""


def rehearsed(values: Values, registry: Path) -> Values:
    """The rehearsal of a valid config without grids, as plain values; ``values`` stay as they are.

    Args:
        values: of the config; `rehearsal` is a mapping, or the number of images.
        registry: `workflow/registry`.
    """
    chosen = values["rehearsal"]
    options = RehearsalConfig.model_validate(
        chosen if isinstance(chosen, Mapping) else {"images": chosen}
    )
    if options.alike is not None:
        values = leave_out(used_like_others(values, options.alike), values)
    # what is left is rehearsed as it is: the report reads these values again
    settled = {**options.model_dump(), "alike": None}
    made = {**values, "rehearsal": settled, "scale": "rehearsal"}
    made |= {"encoding": {"batch_size": 32}, "scratch": None, "leaderboard": {}}
    made["taxonomy"] = {**(values.get("taxonomy") or {}), "providers": []}
    made["datasets"] = {
        name: _dataset(name, one, _images(name, values, options), options, registry)
        for name, one in values["datasets"].items()
    }
    stand_ins = {name for name, one in made["datasets"].items() if _is_stand_in(one)}
    made["captions"] = {
        name: _captions(one, stand_ins, options) for name, one in _section(values, "captions")
    }
    made["models"] = {name: _model(one) for name, one in _section(values, "models")}
    made["training"] = {name: _training(one) for name, one in _section(values, "training")}
    made["pretraining"] = {name: _pretraining(one) for name, one in _section(values, "pretraining")}
    made["alignment"] = {
        name: _alignment(one, made["pretraining"]) for name, one in _section(values, "alignment")
    }
    made["evaluation"] = {
        name: _evaluation(one, stand_ins) for name, one in _section(values, "evaluation")
    }
    made["tasks"] = {
        name: _task(one, stand_ins, made["captions"], options)
        for name, one in _section(values, "tasks")
    }
    made["adaptation"] = {
        name: _adaptation(one, made) for name, one in _section(values, "adaptation")
    }
    return made


def _section(values: Values, name: str) -> list[tuple[str, Values]]:
    return list((values.get(name) or {}).items())


def _without(entry: Values, *keys: str) -> Values:
    return {key: value for key, value in entry.items() if key not in keys}


def _is_stand_in(dataset: Values) -> bool:
    source = dataset["source"]
    return bool(source["kind"] == "synthetic" and source["world"]["name"] == "stand_in")


# --- data sets ---


def _images(dataset: str, values: Values, options: RehearsalConfig) -> int:
    """Of each class and split: enough for the support sets that are drawn from them."""
    shots = [
        max(entry.get("shots", [1, 5]))
        for _, entry in _section(values, "evaluation")
        if "few_shot" in entry.get("protocols", ()) and dataset in _judged(entry)
    ]
    return max(options.images, max(shots, default=0) + 1)


def _judged(evaluation: Values) -> list[str]:
    found = evaluation["dataset"]
    return [found] if isinstance(found, str) else list(found)


def _dataset(
    name: str, entry: Values, count: int, options: RehearsalConfig, registry: Path
) -> Values:
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
        return {**entry, "source": _here(source, "path", "classes")}
    given = split.get("method", "stratified") == "given"
    images = dict.fromkeys(("train", "val", "test"), count)
    world = {
        "name": "stand_in",
        "size": IMAGE_SIZE,
        "images_per_class": images if given else {"train": 3 * count},
        **_registered(name, source, options.classes, registry),
    }
    return {**_without(made, "names"), "source": {"kind": "synthetic", "world": world}}


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


def _here(entry: Values, *keys: str) -> Values:
    """With the paths under ``keys`` from the root: the rehearsal works in a folder of its own."""
    paths = {key: str(expand_path(entry[key]).absolute()) for key in keys if _is_path(entry, key)}
    return {**entry, **paths}


def _is_path(entry: Values, key: str) -> bool:
    return isinstance(entry.get(key), str)


# --- texts ---


def _captions(entry: Values, stand_ins: set[str], options: RehearsalConfig) -> Values:
    backend = entry["backend"]
    fits = entry["dataset"] not in stand_ins
    gates = {**(entry.get("gates") or {}), "forbidden_classes": []}  # stand-ins share species
    made = {**entry, "samples": min(entry.get("samples", 20), 4 * options.images), "gates": gates}
    if backend["kind"] == "template" and fits:
        return made
    if backend["kind"] == "replay" and fits:
        return {**made, "backend": _here(backend, "path")}
    return {**made, **_drawn_texts(entry["dataset"], options)}


def _drawn_texts(dataset: str, options: RehearsalConfig) -> Values:
    return {
        "dataset": dataset,
        "backend": {"kind": "template", "grammar": GRAMMAR},
        "per": "class",
        "samples": 4 * options.images,
        "parts": 1,
    }


def _task(
    entry: Values, stand_ins: set[str], captions: dict[str, Values], options: RehearsalConfig
) -> Values:
    """A task; texts of classes that must be fetched, or are of other classes, become captions,
    which are added to ``captions``.
    """
    made = {**entry, "bootstrap": BOOTSTRAP}
    if isinstance(classes := entry.get("classes"), dict):
        few = max(2, options.classes // 2)
        made["classes"] = {**classes, "sample": min(classes["sample"], few)}
    texts = dict(entry.get("texts") or {})
    for key in ("descriptions", "details"):
        source = texts.get(key)
        if not isinstance(source, dict) or "captions" in source:
            continue
        if "file" in source and entry["dataset"] not in stand_ins:
            texts[key] = _here(source, "file")
            continue
        name = f"rehearsal-{entry['dataset']}"
        captions[name] = _drawn_texts(entry["dataset"], options)
        texts[key] = {"captions": name, "split": "all"}
    return {**made, "texts": texts}


# --- training ---


def _model(entry: Values) -> Values:
    resnet = entry["architecture"].startswith("RN") or entry["architecture"] == RESNET
    return {"architecture": RESNET if resnet else MODEL}


def _training(entry: Values) -> Values:
    made = _without(entry, "precision", "min_steps", "compile")
    made |= _steps(entry)
    if entry.get("accumulation"):
        made["accumulation"] = min(entry["accumulation"], 2)
    if entry.get("unfreezing"):
        made["unfreezing"] = {**entry["unfreezing"], "epochs_per_block": 1}
    return made


def _pretraining(entry: Values) -> Values:
    recipe = entry["recipe"]
    crops = {**(recipe.get("crops") or {}), "local_crops": 2, "local_size": LOCAL_SIZE}
    head = {"outputs": 64, "hidden": 32, "bottleneck": 16}
    return {
        **_without(entry, "precision", "min_steps", "weights"),
        **_steps(entry),
        "backbone": BACKBONE,
        "size": IMAGE_SIZE,
        "recipe": {**recipe, "crops": crops, **head},
    }


def _steps(entry: Values) -> Values:
    """Epochs, batches and seeds of a training, on one CPU."""
    schedule = dict(entry.get("schedule") or {})
    if schedule.get("warmup_steps", 0) >= 1:
        schedule["warmup_steps"] = 1
    return {
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "schedule": schedule,
        "seeds": entry.get("seeds", [0])[:SEEDS],
        "compute": {},
    }


def _alignment(entry: Values, pretraining: dict[str, Values]) -> Values:
    """An image model of others becomes one that is trained here, added to ``pretraining``."""
    made = dict(entry)
    if (fit := entry.get("fit")) and fit.get("kind") == "sgd":
        made["fit"] = {**fit, "epochs": EPOCHS}
    if backbone := entry.get("backbone"):
        name = _trained_here(backbone, entry["dataset"], pretraining)
        made = {**_without(made, "backbone"), "pretraining": name}
    return made


def _trained_here(
    backbone: Values, dataset: str, pretraining: dict[str, Values], taken: Collection[str] = ()
) -> str:
    """The name of the run, added to ``pretraining``, that stands for an image model of others; none
    of ``taken``.
    """
    # timm's names may have what no name of a config has: hf-hub:owner/model
    first = name = f"rehearsal-{re.sub('[^A-Za-z0-9_.-]+', '-', backbone['architecture'])}"
    number = 1
    while name in taken:
        number += 1
        name = f"{first}-{number}"
    if name not in pretraining:
        recipe = {"kind": "dino"}
        pretraining[name] = _pretraining(
            {"dataset": dataset, "backbone": BACKBONE, "recipe": recipe}
        )
    return name


# --- judging and adapting ---


def _evaluation(entry: Values, stand_ins: set[str]) -> Values:
    # a stand-in has none of the taxa of the data set that it stands for
    made = _without(entry, "within") if stand_ins & set(_judged(entry)) else entry
    return {**made, "folds": min(entry.get("folds", 5), 2), "bootstrap": BOOTSTRAP}


#: keys of each method that decide how long it takes, with the most that they may be
_MOST: dict[str, dict[str, int]] = {
    "fair": {"crops": 4, "top_crops": 2},
    "wca": {"crops": 4},
    "upl": {"context_tokens": 4, "images_per_class": 2},
    "lafter": {"prompt_tokens": 4, "text_steps": 5},
    "reclip": {"neighbours": 5},
    "must": {"teacher_steps": 10, "mask_side": 1},
}
_TRAINED = ("fair", "upl", "pouf", "lafter", "reclip", "dpa", "must")


def _adaptation(entry: Values, made: Values) -> Values:
    """A method. Those of one kind that train from one start share a job, which would else start
    for each task of each entry. Image models of others are added to the pretraining of ``made``.
    """
    method = dict(entry["method"])
    kind = method["kind"]
    for key, most in _MOST.get(kind, {}).items():
        if key not in method or method[key] is not None:  # null is all of them
            method[key] = min(method.get(key, most), most)
    if vision := method.get("vision"):
        dataset = made["tasks"][entry["tasks"][0]]["dataset"]
        names: list[str] = []
        for one in vision:
            given = isinstance(one, str)
            names.append(one if given else _trained_here(one, dataset, made["pretraining"], names))
        method["vision"] = names
    few = {**_without(entry, "side_by_side", "compute"), "seeds": entry.get("seeds", [0])[:SEEDS]}
    if kind not in _TRAINED:
        return {**few, "method": method}
    method = _without(method, "precision", "accumulation")
    start = entry.get("run") or entry.get("model")
    return {
        **few,
        "method": {**method, "epochs": 1, "batch_size": BATCH},
        "job": f"rehearsal-{kind}-{start}",
    }
