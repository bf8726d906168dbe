"""What a rehearsal trains, adapts and judges: small random models for a few steps."""

import re
from collections.abc import Collection

from nicheclip.config.rehearsal.datasets import judged_datasets
from nicheclip.config.rehearsal.options import BOOTSTRAP, IMAGE_SIZE, Values, without

#: the start model of all runs, with random weights, and that in the place of a ResNet, whose
#: stages thaw otherwise (`workflow/registry/models/`)
MODEL, RESNET = "nicheclip-tiny", "nicheclip-tiny-resnet"
#: edge of local crops in pixels
LOCAL_SIZE = 16
#: the image model of all self-supervision, with random weights (timm's own test model)
BACKBONE = "test_efficientnet"
BATCH = 8
EPOCHS = 2
#: two show what differs between seeds
SEEDS = 2


def rehearsed_model(entry: Values) -> Values:
    """A start model."""
    resnet = entry["architecture"].startswith("RN") or entry["architecture"] == RESNET
    return {"architecture": RESNET if resnet else MODEL}


def rehearsed_training(entry: Values) -> Values:
    """A training run."""
    made = without(entry, "precision", "min_steps", "compile")
    made |= _steps(entry)
    if entry.get("accumulation"):
        made["accumulation"] = min(entry["accumulation"], 2)
    if entry.get("unfreezing"):
        made["unfreezing"] = {**entry["unfreezing"], "epochs_per_block": 1}
    return made


def rehearsed_pretraining(entry: Values) -> Values:
    """A self-supervised run."""
    recipe = entry["recipe"]
    crops = {**(recipe.get("crops") or {}), "local_crops": 2, "local_size": LOCAL_SIZE}
    head = {"outputs": 64, "hidden": 32, "bottleneck": 16}
    return {
        **without(entry, "precision", "min_steps", "weights"),
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


def rehearsed_alignment(entry: Values, pretraining: dict[str, Values]) -> Values:
    """An image model of others becomes one that is trained here, added to ``pretraining``."""
    made = dict(entry)
    if (fit := entry.get("fit")) and fit.get("kind") == "sgd":
        made["fit"] = {**fit, "epochs": EPOCHS}
    if backbone := entry.get("backbone"):
        name = _trained_here(backbone, entry["dataset"], pretraining)
        made = {**without(made, "backbone"), "pretraining": name}
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
        pretraining[name] = rehearsed_pretraining(
            {"dataset": dataset, "backbone": BACKBONE, "recipe": recipe}
        )
    return name


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


def rehearsed_adaptation(entry: Values, made: Values) -> Values:
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
    few = {**without(entry, "side_by_side", "compute"), "seeds": entry.get("seeds", [0])[:SEEDS]}
    if kind not in _TRAINED:
        return {**few, "method": method}
    method = without(method, "precision", "accumulation")
    start = entry.get("run") or entry.get("model")
    return {
        **few,
        "method": {**method, "epochs": 1, "batch_size": BATCH},
        "job": f"rehearsal-{kind}-{start}",
    }


def rehearsed_evaluation(entry: Values, stand_ins: set[str]) -> Values:
    """An evaluation with few folds and resamples."""
    # a stand-in has none of the taxa of the data set that it stands for
    made = without(entry, "within") if stand_ins & set(judged_datasets(entry)) else entry
    return {**made, "folds": min(entry.get("folds", 5), 2), "bootstrap": BOOTSTRAP}
