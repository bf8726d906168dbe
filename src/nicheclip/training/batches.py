"""Batches for training: decoded, augmented, and each image paired with one of its texts.

Every random choice is seeded by run seed, epoch and image, so batches do not depend on the number
of worker processes or on where a run resumed.
"""

import io
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nicheclip.config.training import AugmentConfig, TextConfig
from nicheclip.data.shard_reader import ShardSample, ShardSet
from nicheclip.models.openclip import Clip
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator, unit_interval
from nicheclip.training.sampling import BatchPlan

ASPECT_RATIOS = (3 / 4, 4 / 3)
CROP_ATTEMPTS = 10

Box = tuple[float, float, float, float]


class Batch(NamedTuple):
    """n samples as the model takes them, but for the normalisation of colours."""

    images: Tensor
    """uint8 [n, 3, s, s]."""
    tokens: Tensor
    """int64 [n, context]."""
    labels: Tensor
    """int64 [n], class numbers."""


@dataclass(frozen=True)
class BatchReader(Dataset[Batch | InputError]):
    """Turns a plan into a batch."""

    shards: ShardSet
    clip: Clip
    texts: TextConfig
    augment: AugmentConfig | None
    """None gives the central square, and text choices that do not change with the epoch."""
    classes: tuple[str, ...]
    """Class ids; a label is a place in this tuple."""
    seed: int

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {class_id: number for number, class_id in enumerate(self.classes)}

    def __getitem__(self, plan: BatchPlan) -> Batch | InputError:
        """The batch, or the error in its data: a worker process would bury it in a traceback."""
        try:
            return self._read(plan)
        except InputError as error:
            return error

    def _read(self, plan: BatchPlan) -> Batch:
        images, texts, labels = [], [], []
        for index in plan.indices:
            sample = self.shards.read(int(index))
            texts.append(self._text(sample, plan))
            images.append(self._image(sample, plan.epoch))
            labels.append(self._numbers[sample.class_id])
        return Batch(
            torch.from_numpy(np.stack(images)), self.clip.tokenizer(texts), torch.tensor(labels)
        )

    def _image(self, sample: ShardSample, epoch: int) -> np.ndarray:
        try:
            with Image.open(io.BytesIO(sample.jpg)) as encoded:
                image = encoded.convert("RGB")
        except (OSError, Image.DecompressionBombError) as error:
            raise InputError(
                f"{self.shards.folder}: image {sample.image_id} cannot be decoded ({error}). "
                "Run the shards stage of this data set again."
            ) from error
        size = self.clip.image_size
        if self.augment is None:
            return _pixels(image, central_square(image.size), size)
        random = generator(self.seed, "augment", epoch, sample.image_id)
        pixels = _pixels(image, random_crop(image.size, self.augment.crop_scale, random), size)
        if self.augment.flip and random.random() < 0.5:
            pixels = pixels[:, :, ::-1]
        if self.augment.rotate:
            pixels = np.rot90(pixels, int(random.integers(4)), axes=(1, 2))
        return np.ascontiguousarray(pixels)

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


def random_crop(
    size: tuple[int, int], scale: tuple[float, float], random: np.random.Generator
) -> Box:
    """The box of a random resized crop: area uniform in ``scale`` as a share of the image, aspect
    ratio log-uniform in 3:4 to 4:3, redrawn up to ten times until it fits; else the largest central
    box within those ratios.
    """
    width, height = size
    for _ in range(CROP_ATTEMPTS):
        area = width * height * random.uniform(*scale)
        ratio = np.exp(random.uniform(*np.log(ASPECT_RATIOS)))
        w, h = round(float(np.sqrt(area * ratio))), round(float(np.sqrt(area / ratio)))
        if 0 < w <= width and 0 < h <= height:
            left = int(random.integers(width - w + 1))
            top = int(random.integers(height - h + 1))
            return left, top, left + w, top + h
    low, high = ASPECT_RATIOS
    return _central_box(size, min(width, height * high), min(height, width / low))


def central_square(size: tuple[int, int]) -> Box:
    """The box of the largest central square."""
    return _central_box(size, min(size), min(size))


def _central_box(size: tuple[int, int], width: float, height: float) -> Box:
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, left + width, top + height


def _pixels(image: Image.Image, box: Box, size: int) -> np.ndarray:
    """uint8 [3, size, size]: the part of ``image`` in ``box``, bicubic with antialiasing."""
    resized = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(resized).transpose(2, 0, 1)


def iterate(
    reader: BatchReader, plans: Iterable[BatchPlan], *, workers: int, pin_memory: bool = False
) -> Iterator[Batch]:
    """The batches of ``plans`` in their order, decoded ahead by ``workers`` processes (0: here).

    Raises:
        InputError: a sample without the text that was drawn, or an image that cannot be decoded.
    """
    loader: DataLoader[Batch | InputError] = DataLoader(
        reader,
        batch_size=None,
        sampler=plans,
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_leave_signals_to_the_trainer,
    )
    for batch in loader:
        if isinstance(batch, InputError):
            raise batch
        yield Batch(*batch)


def _leave_signals_to_the_trainer(worker: int) -> None:
    """A scheduler signals all processes of a job; workers must outlive the step in progress."""
    del worker
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
