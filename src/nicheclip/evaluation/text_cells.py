"""Cells that need a model's text side: zero-shot classification and retrieval."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from nicheclip.config.evaluation import EvaluationConfig, TemplateTexts
from nicheclip.data.shard_reader import ShardSet
from nicheclip.evaluation.class_texts import (
    caption_texts,
    class_embeddings,
    read_templates,
    template_texts,
)
from nicheclip.evaluation.counting_encoder import CountingEncoder
from nicheclip.evaluation.judged_split import read_judged_split
from nicheclip.evaluation.metrics import (
    Cell,
    CellMetrics,
    judge_predictions,
    measure_cost,
    measure_share,
    write_metrics,
)
from nicheclip.evaluation.predictions import read_classes, write_predictions
from nicheclip.evaluation.retrieval import make_gallery, retrieve
from nicheclip.evaluation.zero_shot import zero_shot
from nicheclip.models.encode import encode_texts
from nicheclip.models.features import read_features
from nicheclip.models.openclip import load
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped

#: the text type that retrieval looks for
CAPTION = "caption"


def read_class_texts(
    config: EvaluationConfig, *, texts: Path, source: Path
) -> dict[str, list[str]]:
    """The texts of each class that ``config.class_texts`` asks for.

    Args:
        config: the evaluation.
        texts: ``texts.parquet`` of the data set; templates take the names from it.
        source: the file of templates, or the ``captions.parquet`` of the caption set.
    """
    wanted = config.class_texts
    if isinstance(wanted, TemplateTexts):
        return template_texts(texts, wanted.name, read_templates(source))
    return caption_texts(source, wanted.split)


def evaluate_zero_shot(
    cell: Cell,
    config: EvaluationConfig,
    *,
    model: Path,
    features: Path,
    catalog: Path,
    classes: Path,
    class_ids: Sequence[str],
    class_texts: Mapping[str, Sequence[str]],
    seed: int,
    batch_size: int,
    device: str,
    predictions: Path,
    metrics: Path,
) -> CellMetrics:
    """Judge zero-shot classification; writes ``predictions`` and ``metrics``.

    Args:
        cell: what is judged.
        config: the evaluation.
        model: folder of the model that made ``features``.
        features: file of image features of the split.
        catalog: schema ``CATALOG``, for the labels.
        classes: schema ``CLASSES``, for the ranks.
        class_ids: the classes to choose from; images of others are left out and counted.
        class_texts: texts of each class.
        seed: of the bootstrap.
        batch_size: texts encoded at once.
        device: where texts are encoded.
        predictions: written, schema ``PREDICTIONS``.
        metrics: written, ``metrics.json``.
    """
    start = time.monotonic()
    whole = read_judged_split(features, catalog, classes, cell.split)
    split = whole.among(class_ids)
    clip = load(model)
    encoder = CountingEncoder(clip, batch_size=batch_size, device=device)
    embeddings = class_embeddings(class_ids, class_texts, encoder)
    judged = zero_shot(split.images, split.labels, embeddings, logit_scale=clip.logit_scale)
    result = judge_predictions(
        cell,
        "zero_shot",
        judged,
        embeddings.class_ids,
        whole.classes,
        config,
        seed=seed,
        cost=measure_cost(time.monotonic() - start, device),
    )
    counts = {"texts": encoder.texts, "texts_cut": encoder.cut}
    if config.classes != "all":
        counts["images_of_other_classes"] = len(whole.labels) - len(split.labels)
    result = result.model_copy(update={"counts": counts})
    write_predictions(predictions, judged)
    write_metrics(metrics, result)
    return result


def evaluate_retrieval(
    cell: Cell,
    config: EvaluationConfig,
    *,
    model: Path,
    features: Path,
    shards: Path,
    classes: Path,
    seed: int,
    batch_size: int,
    device: str,
    predictions: Path,
    metrics: Path,
) -> CellMetrics:
    """Judge retrieval of captions by images; writes ``predictions`` and ``metrics``.

    The gallery is the captions of the split's own items; items without one are left out and
    listed. Arguments are those of ``evaluate_zero_shot``, but for ``shards``: the folder of the
    split's shards, where the captions are.
    """
    start = time.monotonic()
    images = read_features(features)
    items = _captioned_items(ShardSet(shards))
    if not items.image_ids:
        raise InputError(
            f"{shards}: no item has a caption, so there is nothing to retrieve. Set captions for "
            f"the data set {cell.dataset!r}, or leave out the retrieval protocol."
        )
    gallery = make_gallery(items.labels, items.captions)
    clip = load(model)
    texts = encode_texts(clip, gallery.texts, batch_size=batch_size, device=device)
    found = retrieve(
        items.image_ids,
        images.rows(items.image_ids),
        items.labels,
        items.captions,
        gallery,
        texts.features,
    )
    result = judge_predictions(
        cell,
        "retrieval",
        found.predictions,
        sorted(set(gallery.class_ids)),
        read_classes(classes),
        config,
        seed=seed,
        cost=measure_cost(time.monotonic() - start, device),
    )
    result = result.model_copy(
        update={
            "extra": {
                "recall_at_1_class": measure_share(
                    found.by_class, config, seed, found.chance_by_class
                ),
                "recall_at_1_item": measure_share(
                    found.by_item, config, seed, found.chance_by_item
                ),
            },
            "counts": {"gallery": len(gallery.texts), "texts_cut": texts.cut},
            "excluded": items.excluded,
        }
    )
    write_predictions(predictions, found.predictions)
    write_metrics(metrics, result)
    return result


class _Items:
    """The items of a split that have a caption."""

    def __init__(self) -> None:
        self.image_ids: list[str] = []
        self.labels: list[str] = []
        self.captions: list[str] = []
        self.excluded: list[Dropped] = []


def _captioned_items(shards: ShardSet) -> _Items:
    items = _Items()
    for index in range(len(shards)):
        sample = shards.read(index)
        caption = sample.texts.get(CAPTION)
        if not caption:
            items.excluded.append(Dropped(key=sample.image_id, reason="no caption"))
            continue
        items.image_ids.append(sample.image_id)
        items.labels.append(sample.class_id)
        items.captions.append(caption)
    return items
