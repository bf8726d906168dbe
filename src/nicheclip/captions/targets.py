"""What is described: the classes or images of a data set, and the requests for them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from nicheclip.captions.backend import Request
from nicheclip.captions.prompts import CLASS_SLOTS, RIVAL, Prompt, fill, slots
from nicheclip.captions.variables import Values
from nicheclip.config.captions import CaptionConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.flatten import class_names as text_names

IMAGES_AT_ONCE = 64

QUESTIONS_KEPT = 1 << 12
"""Rendered questions, which the next samples of their class ask again."""


@dataclass(frozen=True)
class Target:
    """A class or an image that is to be described."""

    class_id: str
    image_id: str | None

    @property
    def id(self) -> str:
        """Of the image, or else of the class."""
        return self.image_id or self.class_id


def class_names(classes: pa.Table) -> dict[str, dict[str, str]]:
    """What fills a prompt's slots ``CLASS_SLOTS``, by class_id (``classes``: schema CLASSES)."""
    rows = zip(text_names(classes).iter_rows(named=True), classes["name"].to_pylist(), strict=True)
    return {
        names["class_id"]: {
            "class": name or names["com"],
            **{slot: names[slot] for slot in CLASS_SLOTS if slot != "class"},
        }
        for names, name in rows
    }


def targets(
    config: CaptionConfig,
    names: Mapping[str, object],
    catalog: pa.Table,
    part: int = 0,
    parts: int = 1,
) -> Iterator[Target]:
    """The targets of a part, a run of neighbours in the order of their table.

    Args:
        config: says whether classes or images are described.
        names: by class_id.
        catalog: schema CATALOG.
        part: from 0.
        parts: how many there are.
    """
    everything = len(names) if config.per == "class" else len(catalog)
    start, end = (everything * number // parts for number in (part, part + 1))
    if config.per == "class":
        yield from (Target(class_id, None) for class_id in list(names)[start:end])
        return
    own = catalog.select(["class_id", "image_id"]).slice(start, end - start)
    for batch in own.to_batches():
        for class_id, image_id in zip(*(column.to_pylist() for column in batch), strict=True):
            yield Target(class_id, image_id)


class Questions:
    """The rendered prompts of each class."""

    def __init__(
        self, prompt: Prompt, values: Values, names: Mapping[str, Mapping[str, str]]
    ) -> None:
        """``names``: of ``class_names``.

        Raises:
            InputError: the prompt compares classes, and there is only one.
        """
        self._questions = prompt.questions
        self._compares = [RIVAL in slots(text) for text in self._questions]
        self._values = values
        self._names = names
        self._order = {class_id: place for place, class_id in enumerate(names)}
        self._ids = list(names)
        self._rendered = lru_cache(maxsize=QUESTIONS_KEPT)(self._render)
        if len(names) < 2 and any(self._compares):
            raise InputError(
                "captions: the prompt compares a class with others ({rival}), and the data set has "
                "only one class."
            )

    def of(self, class_id: str, sample: int) -> str:
        """The question of request number ``sample``: questions take turns, then rivals do."""
        turn, place = divmod(sample, len(self._questions))
        rival = None
        if self._compares[place]:
            step = 1 + turn % (len(self._ids) - 1)
            rival = self._ids[(self._order[class_id] + step) % len(self._ids)]
        return self._rendered(class_id, place, rival)

    def _render(self, class_id: str, place: int, rival: str | None) -> str:
        fillers = {**self._values.of_class(class_id), **self._names[class_id]}
        if rival is not None:
            fillers[RIVAL] = self._names[rival]["class"]
        return fill(self._questions[place], fillers)


def requests(
    chosen: Sequence[Target],
    questions: Questions,
    *,
    samples: int,
    variants: int,
    images: Sequence[Path],
    seed: int,
) -> Iterator[Request]:
    """The requests of each target; those with images in the order of the image files."""
    sees = any(target.image_id for target in chosen)
    for target, image in _with_images(chosen, images) if sees else ((t, None) for t in chosen):
        for sample in range(-(-samples // variants)):
            yield Request(
                class_id=target.class_id,
                image_id=target.image_id,
                sample=sample,
                prompt=questions.of(target.class_id, sample),
                image=image,
                seed=seed,
                variants=variants,
            )


def _with_images(
    chosen: Iterable[Target], images: Sequence[Path]
) -> Iterator[tuple[Target, bytes]]:
    """Each target with its image's bytes; a few images are in memory at a time."""
    waiting = {target.image_id: target for target in chosen}
    for folder in images:
        split = ImageSet(folder)
        for start in range(0, len(split), IMAGES_AT_ONCE):
            rows = range(start, min(start + IMAGES_AT_ONCE, len(split)))
            for image in split.read_many(r for r in rows if split.image_id(r) in waiting):
                yield waiting.pop(image.image_id), image.encoded
    if waiting:
        raise InputError(
            f"captions: {len(waiting)} images of the catalog, the first {next(iter(waiting))}, are "
            f"in none of {[str(folder) for folder in images]}. Run the acquire stage of this data "
            "set again."
        )
