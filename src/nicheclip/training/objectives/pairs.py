"""Objectives over pairs of an image and a text: what they share."""

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nicheclip.config.training import TrainingConfig
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import LOSS, Epoch, Objective, Outputs, ParameterGroup, Step
from nicheclip.engine.processes import Processes
from nicheclip.models.deltas import model_files
from nicheclip.models.openclip import Clip, load, save
from nicheclip.models.views import Normalise, ViewSettings
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.seeding import stable_hash
from nicheclip.training.data import PairSplit, TrainingData
from nicheclip.training.losses import Logits, Pairs
from nicheclip.training.pair_reader import PairReader
from nicheclip.training.replay import MixedReader, Slots
from nicheclip.training.unfreezing import Unfreezing
from nicheclip.training.validation import (
    Validation,
    class_mean_accuracy,
    joined,
    validation_batches,
)
from nicheclip.training.zero_shot import ZeroShotSet

#: the parameters of the CLIP, by the name that it has in the module
CLIP = "clip."
LARGEST_LOGIT_SCALE = 100.0


class PairModule(nn.Module):
    """A CLIP that takes views as they are read, and gives features and logit scale."""

    def __init__(self, clip: Clip) -> None:
        super().__init__()
        self.clip = clip.model
        self.normalise = Normalise(ViewSettings.of(clip))

    def forward(self, batch: Batch) -> Outputs:
        """``images`` and ``texts`` [n, d] of length 1, the scalar ``logit_scale``, and the scalar
        ``logit_bias`` of a model that has one.
        """
        images = self.normalise(batch["images"])
        names = ("images", "texts", "logit_scale", "logit_bias")
        return dict(zip(names, self.clip(images, batch["tokens"]), strict=False))


class PairObjective(Objective):
    """A loss over the pairs of a batch, of all processes; validation after every epoch.

    Raises:
        InputError: ``start`` or ``data`` cannot be read, or the model has no blocks to thaw.
    """

    has_bias: ClassVar[bool] = False
    """Whether the loss has a bias beside the temperature, which then trains."""

    def __init__(
        self, config: TrainingConfig, *, start: Path, data: TrainingData, seed: int
    ) -> None:
        self._config, self._start, self._seed = config, start, seed
        self._train, self._val = data.pairs("train"), _validation_split(data)
        self._splits = [self._train] if self._val is None else [self._train, self._val]
        self._zero_shot = ZeroShotSet.of(config.validation, data) if config.validation else None
        self._replay = data.replay.pairs("train") if data.replay and config.replay else None
        self._clip = load(start)
        if config.gradient_checkpointing:
            self._clip.model.set_grad_checkpointing()
        self.module = PairModule(self._clip)
        self._unfreezing = Unfreezing(self._clip.model, config.unfreezing, bias=self.has_bias)

    @abstractmethod
    def share(self, own: Pairs, batch: Pairs, logits: Logits, offset: int) -> Tensor:
        """What this process adds to the loss of the batch.

        Args:
            own: this process's pairs: rows ``offset`` to ``offset + len(own)`` of ``batch``.
            batch: the pairs of all processes, with gradient.
            logits: inverse temperature, and bias if the model has one.
            offset: where ``own`` begins.
        """

    @property
    def reader(self) -> PairReader | MixedReader:
        """Of the training images, and of those that are mixed in."""
        own = self._reader_of(self._train, augment=True)
        slots = self._slots
        if self._replay is None or slots is None:
            return own
        assert self._config.replay is not None
        other = self._reader_of(self._replay, augment=True)
        other = replace(other, texts=self._config.replay.texts)
        return MixedReader(own, other, slots, self._seed)

    @property
    def _slots(self) -> Slots | None:
        """Where images are mixed in."""
        replay = self._config.replay
        return Slots(tuple(self._train.images.tar_sizes), replay.share) if replay else None

    @property
    def shard_sizes(self) -> Sequence[int]:
        """Of the training images, and of those that are mixed in."""
        slots = self._slots
        return slots.mixed_sizes if slots else self._train.images.tar_sizes

    def inputs(self) -> Mapping[str, str]:
        """The start model; where every image lies, its class and its texts."""
        model = [sha256_file(file) for file in model_files(self._start)]
        judged = self._zero_shot.split if self._zero_shot else None
        splits = [*self._splits, *(one for one in (self._replay, judged) if one is not None)]
        data = [sha256_file(file) for split in splits for file in split.files]
        return {
            "start model": f"{stable_hash(*model):016x}",
            "data": f"{stable_hash(*data):016x}",
        }

    def trainable(self, epoch: int) -> Iterable[ParameterGroup]:
        """What the config thaws in ``epoch``."""
        if names := self._unfreezing.thawed(epoch):
            yield ParameterGroup([CLIP + name for name in names])

    def losses(self, outputs: Outputs, batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """See ``Objective``."""
        share, _ = self._share(outputs, batch, step.sizes, step.processes)
        return {LOSS: share}

    def _share(
        self, outputs: Outputs, batch: Batch, sizes: Sequence[int], processes: Processes
    ) -> tuple[Tensor, Pairs]:
        """This process's share of the loss, and the pairs of all processes."""
        own = Pairs(outputs["images"].float(), outputs["texts"].float(), batch["labels"])
        everyone = own
        if processes.world > 1:
            rows = (own.images, own.texts, own.labels)
            everyone = Pairs(*(processes.gather(tensor, sizes) for tensor in rows))
        offset = sum(sizes[: processes.rank])
        logits = Logits(outputs["logit_scale"], outputs.get("logit_bias"))
        return self.share(own, everyone, logits, offset), everyone

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        """Keep the logit scale at or below 100, as CLIP does (section 2.5 of its paper)."""
        del step
        self._clip.model.get_parameter("logit_scale").clamp_(max=math.log(LARGEST_LOGIT_SCALE))

    def end_epoch(self, epoch: Epoch) -> Mapping[str, float | None]:
        """Loss and accuracy on the validation images, and zero-shot, where it is asked for."""
        self.module.eval()
        found = self._validate(epoch)
        figures = {
            "val_loss": found.loss if found else None,
            "val_accuracy": found.accuracy if found else None,
        }
        if self._zero_shot:
            accuracy = self._zero_shot.accuracy(epoch, self._clip, self._config)
            figures["zero_shot_accuracy"] = accuracy
        return figures

    @torch.no_grad()
    def _validate(self, epoch: Epoch) -> Validation | None:
        if self._val is None:
            return None
        processes = epoch.processes
        reader = self._reader_of(self._val, augment=False)
        tars = self._val.images.tar_sizes
        loss, parts = 0.0, []
        for batch, sizes in validation_batches(reader, tars, self._config, self._seed, epoch):
            share, pairs = self._share(epoch.forward(batch), batch, sizes, processes)
            loss += float(processes.sum(share)) * sum(sizes)
            parts.append(pairs)
        return Validation(loss / len(self._val), class_mean_accuracy(joined(parts)))

    def _reader_of(self, split: PairSplit, *, augment: bool) -> PairReader:
        return PairReader(
            split.images,
            split.labels,
            split.texts,
            ViewSettings.of(self._clip),
            self._clip.tokenizer,
            self._config.texts,
            self._config.augment if augment else None,
            self._seed,
        )

    def figures(self) -> Mapping[str, float]:
        """The inverse temperature."""
        return {"logit_scale": self._clip.logit_scale}

    def facts(self) -> Mapping[str, Any]:
        """The number of classes."""
        numbers = [split.labels.numbers() for split in self._splits]
        return {"classes": len(np.unique(np.concatenate(numbers)))}

    def sample_names(self, places: Sequence[int]) -> list[str]:
        """The ids of the images."""
        if isinstance(reader := self.reader, MixedReader):
            return reader.sample_names(places)
        return [self._train.images.image_id(place) for place in places]

    def save(self, folder: Path) -> None:
        """Write the model in open_clip's layout."""
        save(self._clip, folder)


def _validation_split(data: TrainingData) -> PairSplit | None:
    """The validation images, if there are at least the two of a contrast."""
    if not data.has("val"):
        return None
    split = data.pairs("val")
    return split if len(split) >= 2 else None
