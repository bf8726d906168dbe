"""Zero-shot classification by several text types, among all, seen and unseen classes."""

from collections.abc import Mapping, Sequence
from functools import partial

from nicheclip.config.text_sets import text_type_sets
from nicheclip.evaluation.accuracy import class_accuracies, macro, measure_share, rank_accuracies
from nicheclip.evaluation.bootstrap import class_share_interval
from nicheclip.evaluation.evaluation_split import EvaluationSplit
from nicheclip.evaluation.measures import Measure
from nicheclip.evaluation.predictions import Predictions
from nicheclip.evaluation.protocols.zero_shot import answers
from nicheclip.evaluation.seen_classes import GROUPS, ClassGroup
from nicheclip.evaluation.task import Judged, Task
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped


def judge(task: Task) -> Judged:
    """Judge each text type among each group of classes.

    The images of a group's classes choose among these classes, as in BioCLIP's test on rare
    species. Groups with fewer than two classes, or without an image, are left out and listed.

    Raises:
        InputError: there are fewer than two classes.
    """
    splits, excluded = _groups(task.whole, task.groups)
    if "all" not in splits:
        raise InputError(
            f"{task.options.dataset}: the protocol text_types needs two classes to choose from."
        )
    found: dict[tuple[str, str], Predictions] = {}
    measures, texts, cut = [], 0, 0
    for text_set in text_type_sets(task.options):
        everything = task.class_embeddings(text_set).among(task.whole.classes["class_id"].to_list())
        texts += int(everything.texts.sum())
        cut += int(everything.cut.sum())
        for group, split in splits.items():
            classes = everything.among(split.classes["class_id"].to_list())
            judged = answers(split, classes)
            found[text_set.text_type, group] = judged
            facets: dict[str, str] = {"text_type": text_set.text_type, "group": group}
            measures += _measures(judged, split, task, facets)
    return Judged(
        n=len(splits["all"].labels),
        classes=len(splits["all"].classes),
        measures=measures,
        predictions=found,
        counts={"texts": texts, "texts_cut": cut},
        excluded=excluded,
    )


def _groups(
    whole: EvaluationSplit, groups: Mapping[ClassGroup, Sequence[str]]
) -> tuple[dict[ClassGroup, EvaluationSplit], list[Dropped]]:
    splits: dict[ClassGroup, EvaluationSplit] = {}
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


def _measures(
    judged: Predictions, split: EvaluationSplit, task: Task, facets: dict[str, str]
) -> list[Measure]:
    """Intervals are over classes: images of one species are not independent."""
    count, n = len(split.classes), len(judged.labels)
    interval = partial(
        class_share_interval,
        resamples=task.options.bootstrap,
        confidence=task.options.confidence,
        seed=task.seed,
        kind=task.options.interval,
    )
    measures = [
        measure_share(
            f"top{k}",
            credit := judged.correct(k),
            interval(credit, judged.labels),
            chance=k / count,
            classes=count,
            facets=facets,
        )
        for k in (1, 5)
        if k == 1 or count > k
    ]
    measures.append(macro(class_accuracies(judged), n, facets))
    return [*measures, *rank_accuracies(judged, split.classes, facets, interval=interval)]
