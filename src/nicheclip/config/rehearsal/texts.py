"""Texts of a rehearsal: by a grammar, where a language model or a fetched file would give them."""

from nicheclip.config.rehearsal.datasets import from_root
from nicheclip.config.rehearsal.options import BOOTSTRAP, RehearsalConfig, Values

#: the grammar of all captions that a language model or a file would give
GRAMMAR = "rehearsal"


def rehearsed_captions(entry: Values, stand_ins: set[str], options: RehearsalConfig) -> Values:
    """A caption set with few captions; of ``stand_ins`` by the grammar alone."""
    backend = entry["backend"]
    fits = entry["dataset"] not in stand_ins
    gates = {**(entry.get("gates") or {}), "forbidden_classes": []}  # stand-ins share species
    made = {**entry, "samples": min(entry.get("samples", 20), 4 * options.images), "gates": gates}
    if backend["kind"] == "template" and fits:
        return made
    if backend["kind"] == "replay" and fits:
        return {**made, "backend": from_root(backend, "path")}
    return {**made, **_drawn_texts(entry["dataset"], options)}


def _drawn_texts(dataset: str, options: RehearsalConfig) -> Values:
    return {
        "dataset": dataset,
        "backend": {"kind": "template", "grammar": GRAMMAR},
        "per": "class",
        "samples": 4 * options.images,
        "parts": 1,
    }


def rehearsed_task(
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
            texts[key] = from_root(source, "file")
            continue
        name = f"rehearsal-{entry['dataset']}"
        captions[name] = _drawn_texts(entry["dataset"], options)
        texts[key] = {"captions": name, "split": "all"}
    return {**made, "texts": texts}
