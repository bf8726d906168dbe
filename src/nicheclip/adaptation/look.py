"""What figures of adaptation look at: crops by the start model, features of two models."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nicheclip.adaptation.classify import classify
from nicheclip.adaptation.task_features import CROP_BATCH, TaskFeatures
from nicheclip.adaptation.task_inputs import TaskInputs
from nicheclip.adaptation.trained.tower import VisualTower
from nicheclip.data.image_set import ImageSet
from nicheclip.models.class_scores import ClassScores
from nicheclip.models.features import Array
from nicheclip.models.openclip import load
from nicheclip.models.square_crops import square_crops
from nicheclip.models.views import ViewSettings, centre_view, decode
from nicheclip.runtime.seeding import generator

#: images whose crops are looked at, the first of the judged ones
MOST_IMAGES = 200


@dataclass(frozen=True)
class CropCosines:
    """How near the N crops of n images are to the whole images."""

    features: Array
    """[n, N]: cosines of features, from which WCA makes its weights."""
    cls: Array
    """[n, N]: cosines of the [CLS] tokens before the projection, FAIR's weights."""


@torch.inference_mode()
def crop_cosines(
    start: Path, images: ImageSet, *, count: int, side: tuple[float, float], seed: int
) -> CropCosines:
    """Of the first ``MOST_IMAGES`` images.

    Args:
        start: model folder.
        images: of a task.
        count: N.
        side: range of a crop's side, as a share of the image's shorter side.
        seed: of the crops.
    """
    clip = load(start)
    views, tower = ViewSettings.of(clip), VisualTower(clip).eval()
    centre, rows = centre_view(views), min(MOST_IMAGES, len(images))
    features: list[Array] = []
    cls: list[Array] = []
    for first in range(0, rows, CROP_BATCH):
        batch = []
        for one in images.read_many(range(first, min(first + CROP_BATCH, rows))):
            image = decode(one.encoded, name=one.image_id, where=images.folder)
            random = generator(seed, "crops", one.image_id)
            crops = square_crops(image, views, random, count=count, side=side)
            batch.append(np.concatenate([centre(image)[None], crops]))
        found = tower(torch.from_numpy(np.concatenate(batch)))
        for values, into in ((found.features, features), (found.cls, cls)):
            whole = torch.nn.functional.normalize(values, dim=-1).unflatten(0, (-1, count + 1))
            into.append((whole[:, :1] * whole[:, 1:]).sum(dim=-1).numpy())
    return CropCosines(np.concatenate(features), np.concatenate(cls))


@dataclass(frozen=True)
class BeforeAndAfter:
    """Judged images by the start model and by the adapted one, in the order of the images."""

    before: ClassScores
    after: ClassScores
    features_before: Array
    features_after: Array


def before_and_after(start: Path, adapted: Path, task: TaskInputs) -> BeforeAndAfter:
    """The judged images of ``task`` by two model folders."""
    features = TaskFeatures(load(start), task, device="cpu", threads=1)
    scores, after = classify(adapted, task.judged)
    return BeforeAndAfter(features.zero_shot, scores, features.judged.numpy(), after)
