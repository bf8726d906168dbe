"""Zero-shot classification by several text types, among all, seen and unseen classes."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.bootstrap import class_share_interval
from nicheclip.evaluation.class_texts import (
    ClassEmbeddings,
    class_embeddings,
    read_templates,
    template_texts,
)
from nicheclip.evaluation.counting_encoder import CountingEncoder
from nicheclip.evaluation.judged_split import JudgedSplit, read_judged_split
from nicheclip.evaluation.metrics import (
    Cell,
    CellMetrics,
    GroupAccuracy,
    Measure,
    class_accuracies,
    measure_cost,
    rank_accuracies,
    write_metrics,
)
from nicheclip.evaluation.predictions import Predictions, write_group_predictions
from nicheclip.evaluation.standing import GROUPS, Group
from nicheclip.evaluation.zero_shot import zero_shot
from nicheclip.models.openclip import load
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped


def evaluate_text_types(
    cell: Cell,
    config: EvaluationConfig,
    *,
    model: Path,
    features: Path,
    catalog: Path,
    classes: Path,
    texts: Path,
    templates: Path,
    groups: Mapping[Group, Sequence[str]],
    seed: int,
    batch_size: int,
    device: str,
    predictions: Path,
    metrics: Path,
) -> CellMetrics:
    """Judge each text type among each group; writes ``predictions`` and ``metrics``.

    The images of a group's classes choose among these classes, as in BioCLIP's test on rare
    species. Groups with fewer than two classes, or without an image, are left out and listed.

    Args:
        cell: what is judged.
        config: the evaluation.
        model: folder of the model that made ``features``.
        features: file of image features of the split.
        catalog: schema ``CATALOG``, for the labels.
        classes: schema ``CLASSES``.
        texts: schema ``TEXTS``, for the names of each text type.
        templates: file of templates that the names go into.
        groups: class ids of each group (``standing.class_groups``).
        seed: of the bootstrap.
        batch_size: texts encoded at once.
        device: where texts are encoded.
        predictions: written, schema ``GROUP_PREDICTIONS``.
        metrics: written, ``metrics.json``.
    """
    start = time.monotonic()
    whole = read_judged_split(features, catalog, classes, cell.split)
    splits, excluded = _judged_groups(whole, groups)
    if "all" not in splits:
        raise InputError(f"{classes}: the protocol text_types needs two classes to choose from.")
    clip = load(model)
    encoder = CountingEncoder(clip, batch_size=batch_size, device=device)
    sentences = read_templates(templates)
    found: dict[tuple[str, str], Predictions] = {}
    entries = []
    for text_type in config.text_types:
        class_texts = template_texts(texts, text_type, sentences)
        embeddings = class_embeddings(whole.classes["class_id"].to_list(), class_texts, encoder)
        for group, split in splits.items():
            chosen = _among(embeddings, split.classes["class_id"].to_list())
            judged = zero_shot(split.images, split.labels, chosen, logit_scale=clip.logit_scale)
            found[text_type, group] = judged
            entries.append(_accuracy(text_type, group, judged, split, config, seed))
    result = CellMetrics(
        **cell.model_dump(),
        protocol="text_types",
        n=len(whole.labels),
        classes=len(whole.classes),
        groups=entries,
        counts={"texts": encoder.texts, "texts_cut": encoder.cut},
        excluded=excluded,
        cost=measure_cost(time.monotonic() - start, device),
    )
    write_group_predictions(predictions, found)
    write_metrics(metrics, result)
    return result


def _judged_groups(
    whole: JudgedSplit, groups: Mapping[Group, Sequence[str]]
) -> tuple[dict[Group, JudgedSplit], list[Dropped]]:
    splits: dict[Group, JudgedSplit] = {}
    excluded = []
    for group in GROUPS:
        class_ids = groups.get(group, [])
        split = whole.among(class_ids)
        if len(class_ids) < 2:
            excluded.append(Dropped(key=group, reason="fewer than two classes to choose from"))
        elif not split.labels:
            excluded.append(Dropped(key=group, reason="no image in the split"))
        else:
            splits[group] = split
    return splits, excluded


def _among(embeddings: ClassEmbeddings, class_ids: list[str]) -> ClassEmbeddings:
    place = {class_id: row for row, class_id in enumerate(embeddings.class_ids)}
    rows = [place[class_id] for class_id in class_ids]
    return ClassEmbeddings(class_ids, embeddings.embeddings[rows])


def _accuracy(
    text_type: str,
    group: Group,
    judged: Predictions,
    split: JudgedSplit,
    config: EvaluationConfig,
    seed: int,
) -> GroupAccuracy:
    count = len(split.classes)

    def top(k: int) -> Measure:
        return _measure(judged.correct(k), judged.labels, config, seed, chance=k / count)

    return GroupAccuracy(
        text_type=text_type,
        group=group,
        classes=count,
        top1=top(1),
        top5=top(5) if count > 5 else None,
        macro=float(np.mean([entry.accuracy for entry in class_accuracies(judged)])),
        hierarchical=rank_accuracies(judged, split.classes),
    )


def _measure(
    credit: npt.NDArray[np.float64],
    labels: Sequence[str],
    config: EvaluationConfig,
    seed: int,
    *,
    chance: float,
) -> Measure:
    interval = class_share_interval(
        credit, labels, resamples=config.bootstrap, confidence=config.confidence, seed=seed
    )
    return Measure(value=float(credit.mean()), n=len(credit), interval=interval, chance=chance)
