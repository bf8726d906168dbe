"""Methods without training, from the start model's features of a task to scores of its images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nicheclip.adaptation import clip as zero_shot
from nicheclip.adaptation import coder, cupl, optimal_transport, stata, transclip, wca
from nicheclip.adaptation.assignments import AssignmentOptions
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.task_inputs import TaskInputs, encoded
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.config.training_free import (
    AssignmentChoices,
    ClipMethod,
    CoderMethod,
    CuplMethod,
    StatAMethod,
    TrainingFree,
    TransClipMethod,
    TransportMethod,
    WcaMethod,
)
from nicheclip.data.image_set import ImageSet
from nicheclip.models.class_scores import ClassScores
from nicheclip.models.classifier import Classifier
from nicheclip.models.encode import encode_images
from nicheclip.models.features import l2_normalise
from nicheclip.models.openclip import Clip, load
from nicheclip.models.views import Normalise, ViewSettings, decode, square_crops
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator

#: images that go through the model at once
IMAGE_BATCH = 256
#: images whose crops go through it at once
CROP_BATCH = 32


class TaskFeatures:
    """What a model makes of a task; each thing is encoded when a method asks for it, and once."""

    def __init__(self, clip: Clip, inputs: TaskInputs, *, device: str, threads: int) -> None:
        self._clip, self.inputs, self._device, self._threads = clip, inputs, device, threads
        self.texts: TaskTexts = inputs.texts(clip, device)

    @property
    def logit_scale(self) -> float:
        """Of the model."""
        return self._clip.logit_scale

    @cached_property
    def prompts(self) -> ClassTexts:
        """Each class's name in each template."""
        return encoded(self._clip, self.texts.class_names, self.texts.prompts(), self._device)

    @cached_property
    def anchors(self) -> Tensor:
        """[C, d]: CLIP's zero-shot classifier."""
        return zero_shot.class_anchors(self.prompts)

    @cached_property
    def judged(self) -> Tensor:
        """[n, d]: the judged images."""
        return self._encode(self.inputs.judged)

    @cached_property
    def fit(self) -> Tensor:
        """[m, d]: the fitted images."""
        return self.judged if self.inputs.is_transductive else self._encode(self.inputs.fit)

    @torch.inference_mode()
    def crops(self, count: int, side: tuple[float, float], seed: int) -> Tensor:
        """[n, count, d]: square random crops of the judged images."""
        images, views = self.inputs.judged, ViewSettings.of(self._clip)
        normalise, model = Normalise(views).to(self._device), self._clip.model
        parts = []
        for first in range(0, len(images), CROP_BATCH):
            rows = range(first, min(first + CROP_BATCH, len(images)))
            cut = [
                square_crops(
                    decode(one.jpg, name=one.image_id, where=images.folder),
                    views,
                    generator(seed, "crops", one.image_id),
                    count=count,
                    side=side,
                )
                for one in images.read_many(rows)
            ]
            batch = torch.from_numpy(np.stack(cut)).flatten(end_dim=1).to(self._device)
            features = model.encode_image(normalise(batch)).float().cpu().numpy()
            parts.append(torch.from_numpy(l2_normalise(features)).unflatten(0, (len(rows), count)))
        return torch.cat(parts)

    def _encode(self, images: ImageSet) -> Tensor:
        found = encode_images(
            self._clip,
            images,
            batch_size=IMAGE_BATCH,
            device=self._device,
            threads=self._threads,
        )
        return torch.from_numpy(found.features)


def open_features(start: Path, inputs: TaskInputs, *, device: str, threads: int) -> TaskFeatures:
    """The model in ``start`` with a task."""
    return TaskFeatures(load(start), inputs, device=device, threads=threads)


@dataclass(frozen=True)
class Found:
    """What a method gives."""

    scores: ClassScores
    classifier: Classifier | None = None
    """Where the method is one vector for each class."""


def apply(method: TrainingFree, features: TaskFeatures, seed: int) -> Found:
    """Scores of the judged images by ``method``; ``seed`` draws crops.

    Raises:
        InputError: texts that the method needs are not there, or as the method.
    """
    given = _METHODS[method.kind](method, features, seed)
    probabilities, anchors = given if isinstance(given, tuple) else (given, None)
    texts = features.texts
    scores = ClassScores(
        features.inputs.judged.image_ids, list(texts.class_ids), probabilities.float().numpy()
    )
    if anchors is None:
        return Found(scores)
    classifier = Classifier(
        anchors.numpy(), texts.class_ids, features.logit_scale, texts.class_names
    )
    return Found(scores, classifier)


Given = Tensor | tuple[Tensor, Tensor]
"""Probabilities [n, C], and anchors [C, d] where there are some."""


def _clip(method: ClipMethod, features: TaskFeatures, seed: int) -> Given:
    del method, seed
    return _by_anchors(features.anchors, features)


def _cupl(method: CuplMethod, features: TaskFeatures, seed: int) -> Given:
    del seed
    descriptions = features.texts.descriptions
    if method.combination == "anchors":
        return _by_anchors(cupl.class_vectors(descriptions), features)
    return _softmax(cupl.scores(features.judged, descriptions, method.combination), features)


def _wca(method: WcaMethod, features: TaskFeatures, seed: int) -> Given:
    crops = features.crops(method.crops, method.crop_side, seed)
    descriptions, weighting = features.texts.descriptions, wca.FORMULAS[method.formula]
    found = wca.scores(features.judged, crops, descriptions, features.anchors, weighting)
    return _softmax(found, features)


def _coder(method: CoderMethod, features: TaskFeatures, seed: int) -> Given:
    del method, seed
    if features.texts.details is None:
        raise InputError(
            "coder: needs attributes and analogies of each class; there are none. Give the task "
            "`texts.details`, or leave this method out."
        )
    return _softmax(
        coder.scores(features.judged, features.prompts, features.texts.details), features
    )


def _transclip(method: TransClipMethod, features: TaskFeatures, seed: int) -> Given:
    del seed
    options = transclip.TransClipOptions(
        iterations=method.iterations,
        confident_images=method.confident_images,
        unit_means=method.unit_means,
        logit_scale=features.logit_scale,
        assignments=_assignments(method.assignments),
    )
    found = transclip.transduce(features.fit, features.anchors, options)
    return _transduced(found, features, options.assignments)


def _stata(method: StatAMethod, features: TaskFeatures, seed: int) -> Given:
    del seed
    options = stata.StatAOptions(
        iterations=method.iterations,
        anchor_weight=method.anchor_weight,
        counts=method.counts,
        formula=method.formula,
        logit_scale=features.logit_scale,
        assignments=_assignments(method.assignments),
    )
    found = stata.transduce(features.fit, features.anchors, options)
    return _transduced(found, features, options.assignments)


def _transport(method: TransportMethod, features: TaskFeatures, seed: int) -> Given:
    """With the CLIP's own image features in the place of a vision model's."""
    del seed
    options = optimal_transport.TransportOptions(**method.model_dump(exclude={"kind"}))

    def texts(images: Tensor) -> list[Tensor]:
        return [(features.logit_scale * images @ features.anchors.T).softmax(dim=1)]

    fusion = optimal_transport.fuse([features.fit], texts(features.fit), options)
    if features.inputs.is_transductive:
        return fusion.assignments
    found = optimal_transport.classify(fusion, [features.judged], texts(features.judged), options)
    return found / found.sum(dim=1, keepdim=True)


def _transduced(
    found: transclip.Transduction, features: TaskFeatures, options: AssignmentOptions
) -> Tensor:
    """The fitted images were classified together; others follow one by one."""
    if features.inputs.is_transductive:
        return found.assignments
    return found.classify(
        features.judged, features.anchors, logit_scale=features.logit_scale, options=options
    )


def _assignments(choices: AssignmentChoices) -> AssignmentOptions:
    return AssignmentOptions(**choices.model_dump())


def _by_anchors(anchors: Tensor, features: TaskFeatures) -> tuple[Tensor, Tensor]:
    return _softmax(zero_shot.scores(features.judged, anchors), features), anchors


def _softmax(scores: Tensor, features: TaskFeatures) -> Tensor:
    return zero_shot.probabilities(scores, features.logit_scale)


_METHODS: dict[str, Callable[[Any, TaskFeatures, int], Given]] = {
    "clip": _clip,
    "cupl": _cupl,
    "wca": _wca,
    "coder": _coder,
    "transclip": _transclip,
    "stata": _stata,
    "optimal_transport": _transport,
}
