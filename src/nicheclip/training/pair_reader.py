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
from nicheclip.data.image_set import ImageSet
from nicheclip.data.labels import Labels
from nicheclip.data.sample_texts import SampleTexts
from nicheclip.engine.loading import Batch, CopiedReader
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.views import ViewSettings
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import unit_interval
from nicheclip.training.image_reader import ImageReader
from nicheclip.training.tokens import TokenCache


@dataclass(frozen=True)
class PairReader(CopiedReader):
    """Turns a plan into a batch: ``images`` uint8 [n, 3, s, s], ``tokens`` int64 [n, context] and
    ``labels`` int64 [n], class numbers (see ``Labels``). It carries no model: worker processes get
    a copy of it.
    """

    images: ImageSet
    labels: Labels
    sample_texts: SampleTexts
    views: ViewSettings
    tokenizer: Any
    """Of the model; see ``Clip``."""
    texts: TextConfig
    augment: AugmentConfig | None
    """None gives the view of evaluation, and text choices that do not change with the epoch."""
    seed: int

    @cached_property
    def _tokens(self) -> TokenCache:
        return TokenCache(self.tokenizer)

    @cached_property
    def _views(self) -> ImageReader:
        return ImageReader(self.images, self.views, self.augment, self.seed)

    def read(self, plan: BatchPlan) -> Batch:
        """See ``Reader``.

        Raises:
            InputError: a sample without the text that was drawn, or an image that cannot be
                decoded.
        """
        rows = [int(row) for row in plan.indices]
        ids, views = self._views.read(rows, plan.epoch)
        texts = [self._text(row, name, plan) for row, name in zip(rows, ids, strict=True)]
        return {
            "images": views,
            "tokens": self._tokens(texts),
            "labels": torch.tensor([self.labels.number(row) for row in rows]),
        }

    def _text(self, row: int, image_id: str, plan: BatchPlan) -> str:
        drawn_for = image_id if self.texts.draw == "sample" else f"batch {plan.number}"
        epoch = plan.epoch if self.augment is not None else "fixed"
        text_type = draw_text_type(self.texts, self.seed, "text type", epoch, drawn_for)
        text = self.sample_texts.text(row, text_type) or ""
        if not text.strip():
            found = ", ".join(sorted(self.sample_texts.texts(row))) or "none"
            raise InputError(
                f"{self.images.folder}: image {image_id} (class {self.labels.class_id(row)}) has "
                f"no text of type {text_type!r}; it has: {found}. "
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
    if len(types) == 1:
        return types[0]
    ends = np.cumsum([config.types[name] for name in types])
    place = unit_interval(*seed) * ends[-1]
    return types[min(int(np.searchsorted(ends, place, side="right")), len(types) - 1)]
