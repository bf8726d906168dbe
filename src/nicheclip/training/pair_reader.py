"""Batches of images, each paired with one of its texts.

Every random choice is seeded by run seed, epoch and image, so batches do not depend on the number
of worker processes or on where a run resumed.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from nicheclip.config.training import AugmentConfig, TextConfig
from nicheclip.data.shard_reader import ShardSample, ShardSet
from nicheclip.engine.loading import Batch
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.views import Pixels, ViewSettings, centre_view, decode, random_view
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator, unit_interval


@dataclass(frozen=True)
class PairReader:
    """Turns a plan into a batch: ``images`` uint8 [n, 3, s, s], ``tokens`` int64 [n, context] and
    ``labels`` int64 [n], class numbers. It carries no model: worker processes get a copy of it.
    """

    shards: ShardSet
    views: ViewSettings
    tokenizer: Any
    """Of the model; see ``Clip``."""
    texts: TextConfig
    augment: AugmentConfig | None
    """None gives the view of evaluation, and text choices that do not change with the epoch."""
    classes: tuple[str, ...]
    """Class ids; a label is a place in this tuple."""
    seed: int

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {class_id: number for number, class_id in enumerate(self.classes)}

    @cached_property
    def _centre(self) -> Any:
        return centre_view(self.views)

    def read(self, plan: BatchPlan) -> Batch:
        """See ``Reader``.

        Raises:
            InputError: a sample without the text that was drawn, or an image that cannot be
                decoded.
        """
        images, texts, labels = [], [], []
        for sample in self.shards.read_many(plan.indices):
            texts.append(self._text(sample, plan))
            images.append(self._image(sample, plan.epoch))
            labels.append(self._numbers[sample.class_id])
        return {
            "images": torch.from_numpy(np.stack(images)),
            "tokens": self.tokenizer(texts),
            "labels": torch.tensor(labels),
        }

    def _image(self, sample: ShardSample, epoch: int) -> Pixels:
        image = decode(sample.jpg, name=sample.image_id, where=self.shards.folder)
        if self.augment is None:
            pixels: Pixels = self._centre(image)
            return pixels
        return random_view(
            image,
            self.views,
            generator(self.seed, "augment", epoch, sample.image_id),
            scale=self.augment.crop_scale,
            flip=self.augment.flip,
            rotate=self.augment.rotate,
        )

    def _text(self, sample: ShardSample, plan: BatchPlan) -> str:
        drawn_for = sample.image_id if self.texts.draw == "sample" else f"batch {plan.number}"
        epoch = plan.epoch if self.augment is not None else "fixed"
        text_type = draw_text_type(self.texts, self.seed, "text type", epoch, drawn_for)
        text = sample.texts.get(text_type, "")
        if not text.strip():
            raise InputError(
                f"{self.shards.folder}: sample {sample.image_id} (class {sample.class_id}) has no "
                f"text of type {text_type!r}; it has: {', '.join(sorted(sample.texts)) or 'none'}. "
                + _REMEDIES.get(text_type, "Give the taxonomy, or leave this type out of `texts`.")
            )
        return text


_REMEDIES = {
    "caption": "Name an entry of `captions` in the data set's key `captions`, with enough samples "
    "for every class and split, or leave captions out of the run's `texts`.",
}


def draw_text_type(config: TextConfig, *seed: object) -> str:
    """One of the text types of ``config`` by their weights, fixed by ``seed``."""
    types = sorted(config.types)
    ends = np.cumsum([config.types[name] for name in types])
    place = unit_interval(*seed) * ends[-1]
    return types[min(int(np.searchsorted(ends, place, side="right")), len(types) - 1)]
