"""What the start model makes of a task: features of its images, crops and texts, each made once."""

from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nicheclip.adaptation import clip as zero_shot
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.task_inputs import TaskInputs, encoded
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.data.image_set import ImageSet
from nicheclip.models.class_scores import ClassScores
from nicheclip.models.encode import encode_images
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.features import l2_normalise
from nicheclip.models.openclip import Clip
from nicheclip.models.square_crops import SquareCrops
from nicheclip.models.views import Normalise, ViewSettings, decode
from nicheclip.runtime.seeding import generator

#: images that go through the model at once
IMAGE_BATCH = 256
#: images whose crops go through it at once
CROP_BATCH = 32


class TaskFeatures:
    """What a model makes of a task; each thing is encoded when a method asks for it, and once."""

    def __init__(
        self,
        clip: Clip,
        inputs: TaskInputs,
        *,
        device: str,
        threads: int,
        backbones: Mapping[str, Path] | None = None,
        loaded: dict[Hashable, Any] | None = None,
    ) -> None:
        """Of a task.

        Args:
            clip: the start model.
            inputs: of the task.
            device: on which images and texts are encoded.
            threads: that decode images.
            backbones: folders of image models that a method may ask for beside the CLIP, by name.
            loaded: those that are in memory already, of all tasks that share it.
        """
        self._clip, self.inputs = clip, inputs
        self.device = device
        self.how = EncodeSettings(IMAGE_BATCH, device, threads)
        self.backbones = backbones or {}
        self.loaded = {} if loaded is None else loaded
        self.texts: TaskTexts = inputs.texts(clip, device)
        self._kept: dict[Hashable, Tensor] = {}

    def once(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """What ``make`` gives, made when ``key`` is first asked for: features by other models."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    @property
    def logit_scale(self) -> float:
        """Of the model."""
        return self._clip.logit_scale

    @cached_property
    def prompts(self) -> ClassTexts:
        """Each class's name in each template."""
        return encoded(self._clip, self.texts.class_names, self.texts.prompts(), self.device)

    @cached_property
    def anchors(self) -> Tensor:
        """[C, d]: CLIP's zero-shot classifier."""
        return zero_shot.class_anchors(self.prompts)

    @cached_property
    def zero_shot(self) -> ClassScores:
        """CLIP's zero-shot answers for the judged images."""
        logits = self.logit_scale * self.judged @ self.anchors.T
        ids = self.inputs.judged.image_ids, list(self.texts.class_ids)
        return ClassScores(*ids, logits.softmax(dim=1).float().numpy())

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
        normalise, model = Normalise(views).to(self.device), self._clip.model
        parts = []
        for first in range(0, len(images), CROP_BATCH):
            rows = range(first, min(first + CROP_BATCH, len(images)))
            cut = SquareCrops(views, count=count, side=side)
            for one in images.read_many(rows):
                image = decode(one.encoded, name=one.image_id, where=images.folder)
                cut.add(image, generator(seed, "crops", one.image_id))
            batch = torch.from_numpy(cut.take()).flatten(end_dim=1).to(self.device)
            features = model.encode_image(normalise(batch)).float().cpu().numpy()
            parts.append(torch.from_numpy(l2_normalise(features)).unflatten(0, (len(rows), count)))
        return torch.cat(parts)

    def _encode(self, images: ImageSet) -> Tensor:
        found = encode_images(self._clip, images, self.how)
        return torch.from_numpy(found.features)
