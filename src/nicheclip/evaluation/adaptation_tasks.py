"""A task of adaptation, drawn with the labels so that nothing later needs them.

Which images are of the task's classes is known beforehand; which class each image belongs to is
not. So this is the one step that reads labels, and what it writes has none.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nicheclip.config.tasks import (
    CaptionSource,
    ClassSample,
    ClassTextSource,
    DescriptionFile,
    PublishedDescriptions,
    TaskConfig,
)
from nicheclip.data.description_files import read_descriptions
from nicheclip.data.descriptions import FetchedDescriptions
from nicheclip.data.image_set import ImageSet
from nicheclip.data.labels import Labels
from nicheclip.data.task_files import (
    BATCHES,
    FIT,
    JUDGE,
    TEXTS,
    TaskSentences,
    rows_of,
    write_sentences,
    write_subset,
)
from nicheclip.evaluation.class_texts import caption_texts, read_templates, template_texts
from nicheclip.evaluation.seen_classes import ClassGroup, choose_classes
from nicheclip.evaluation.task_batches import draw_batches
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path
from nicheclip.runtime.seeding import generator
from nicheclip.terms import UNLABELLED

NOTHING: Mapping[str, FetchedDescriptions] = MappingProxyType({})


def draw_task(
    task: TaskConfig,
    *,
    splits: Path,
    groups: Mapping[ClassGroup, Sequence[str]],
    texts: Path,
    templates: Path,
    captions: Mapping[str, Path],
    published: Mapping[str, FetchedDescriptions] = NOTHING,
    folder: Path,
) -> TaskSentences:
    """Write the images that are fitted and judged, the texts of the classes, and the batches.

    Args:
        task: of the config.
        splits: folder of the data set, with a folder for each split.
        groups: class ids of each group.
        texts: schema ``TEXTS`` of the data set.
        templates: of names.
        captions: files of schema ``CAPTIONS``, by the name of the caption set.
        published: descriptions by others, by the name of the registry's entry.
        folder: of the task.

    Raises:
        InputError: too few classes, a class without texts, or a split without images of them.
    """
    class_ids = task_classes(task, groups)
    sentences = task_sentences(task, class_ids, texts, templates, captions, published)
    (folder / BATCHES).mkdir(parents=True, exist_ok=True)
    write_sentences(folder / TEXTS, sentences)
    for name, split in ((FIT, task.fit), (JUDGE, task.judge)):
        labels = Labels(splits / split)
        # an image without a label may be of any class
        keep = rows_of(labels.numbers(), labels.classes, {*class_ids, UNLABELLED})
        if not keep.any():
            raise InputError(
                f"{splits / split}: no image of the task's {len(class_ids)} classes. Choose other "
                f"classes, or another split to {name}."
            )
        write_subset(ImageSet(splits / split), keep, folder / name)
    if task.batches:
        known = np.flatnonzero(keep)
        drawn = draw_batches(labels.numbers()[known], task.batches)
        for number, rows in enumerate(drawn):
            own = np.zeros(len(keep), dtype=bool)
            own[known[rows]] = True
            _write_batch(
                folder / BATCHES / f"{number:04d}", ImageSet(splits / task.judge), own, sentences
            )
    return sentences


def _write_batch(
    folder: Path, images: ImageSet, keep: NDArray[np.bool_], sentences: TaskSentences
) -> None:
    for name in (FIT, JUDGE):
        write_subset(images, keep, folder / name)
    write_sentences(folder / TEXTS, sentences)


def task_classes(task: TaskConfig, groups: Mapping[ClassGroup, Sequence[str]]) -> list[str]:
    """The class ids of ``task``, sorted.

    Raises:
        InputError: there are fewer than are asked for.
    """
    found = choose_classes(task.choice, groups, seen_in=task.seen_in)
    if not isinstance(task.classes, ClassSample):
        return found
    wanted = task.classes.sample
    if wanted > len(found):
        raise InputError(
            f"task on {task.dataset}: classes: sample: {wanted}, but there are {len(found)} "
            f"classes ({task.choice}). Ask for at most as many."
        )
    draw = generator("classes of a task", task.classes.seed)
    return sorted(draw.choice(found, size=wanted, replace=False).tolist())


def task_sentences(
    task: TaskConfig,
    class_ids: Sequence[str],
    texts: Path,
    templates: Path,
    captions: Mapping[str, Path],
    published: Mapping[str, FetchedDescriptions] = NOTHING,
) -> TaskSentences:
    """What is known of the classes, in the order of ``class_ids``."""
    sentences = read_templates(templates)
    wanted = task.texts
    names = template_texts(texts, wanted.name, ["{}"])

    _check_every_class(names, class_ids, f"name of the text type {wanted.name}")
    called = {class_id: names[class_id][0] for class_id in class_ids}

    def read(source: ClassTextSource) -> dict[str, list[str]]:
        if isinstance(source, CaptionSource):
            return caption_texts(captions[source.captions], source.split)
        if isinstance(source, DescriptionFile):
            return read_descriptions(expand_path(source.file), called, source.keys)[0]
        if isinstance(source, PublishedDescriptions):
            one = published[source.published]
            return read_descriptions(one.path, called, one.keys, clean=source.clean)[0]
        by_type = [template_texts(texts, text_type, sentences[:1]) for text_type in source]
        joined: dict[str, list[str]] = {}
        for class_id in class_ids:
            found = [text for one in by_type for text in one.get(class_id, [])]
            joined[class_id] = list(dict.fromkeys(found))
        return joined

    def of_each(found: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(found.get(class_id, ())) for class_id in class_ids)

    described = template_texts(texts, wanted.name, sentences)
    if wanted.descriptions:
        by_name, described = described, read(wanted.descriptions)
        if isinstance(
            wanted.descriptions, DescriptionFile | PublishedDescriptions
        ):  # of flawed files; see there
            described = {one: described[one] or by_name[one] for one in class_ids}
        _check_every_class(described, class_ids, "description")
    return TaskSentences(
        class_ids=tuple(class_ids),
        class_names=tuple(names[class_id][0] for class_id in class_ids),
        templates=tuple(sentences),
        descriptions=of_each(described),
        details=of_each(read(wanted.details)) if wanted.details else None,
    )


def _check_every_class(
    texts: Mapping[str, Sequence[str]], class_ids: Sequence[str], kind: str
) -> None:
    missing = [class_id for class_id in class_ids if not texts.get(class_id)]
    if missing:
        raise InputError(
            f"task: {len(missing)} of {len(class_ids)} classes have no {kind}: "
            f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}. Give them one, leave "
            "them out, or choose other texts in the task's section."
        )
