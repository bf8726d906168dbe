"""DINO: a student that sees crops follows its moving average, the teacher (see ``training.dino``).

The teacher's backbone is the result. Certain, from the paper and the repository that AgriCLIP uses:
loss, head, centring, schedules of the teacher's momentum and temperature and of the weight decay,
the last layer's frozen epochs. Different: gradients are clipped to the norm of all together, not
each parameter's own; the warm-up's first rate is not 0; the last batch of an epoch is kept; no drop
path.
"""

import copy
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nicheclip.config.backbones import weights_file
from nicheclip.config.pretraining import PretrainingConfig
from nicheclip.data.image_set import ImageSet, has_images
from nicheclip.data.labels import Labels
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import LOSS, Epoch, Objective, Outputs, ParameterGroup, Step
from nicheclip.engine.optimization import half_cosine
from nicheclip.models.backbones import (
    Backbone,
    check_crops,
    create_backbone,
    features_of,
    save_backbone,
)
from nicheclip.models.multi_crop import MultiCrop
from nicheclip.models.views import Normalise
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.seeding import stable_hash
from nicheclip.training.crop_reader import CropReader, centre_batches
from nicheclip.training.dino import (
    Centre,
    DinoHead,
    dino_sum,
    entropy,
    teacher_targets,
    teacher_temperature,
)
from nicheclip.training.representation import CollapseWatch, effective_rank, neighbour_accuracy

#: the head's last layer, by the name that it has in the module
LAST = "head.last"


class DinoModule(nn.Module):
    """A backbone with its head: crops as they are read to outputs."""

    def __init__(self, backbone: Backbone, head: DinoHead) -> None:
        super().__init__()
        self.backbone, self.head = backbone.model, head
        self.normalise = Normalise(backbone.views)

    def forward(self, batch: Batch) -> Outputs:
        """``globals`` [n, 2, K] and, where there are any, ``locals`` [n, m, K]."""
        features = {
            name: self.backbone(self.normalise(batch[name].flatten(0, 1)))
            for name in ("globals", "locals")
            if name in batch and batch[name].shape[1]
        }
        outputs = self.head(torch.cat(list(features.values())))
        parts = outputs.split([len(one) for one in features.values()])
        return {
            name: part.unflatten(0, batch[name].shape[:2])
            for name, part in zip(features, parts, strict=True)
        }


class Dino(Objective):
    """Self-distillation without labels.

    Raises:
        InputError: the data cannot be read, or timm has no such backbone, or none for such crops.
    """

    version: ClassVar[int] = 1

    def __init__(self, config: PretrainingConfig, *, images: Path, seed: int) -> None:
        self._config, self._recipe, self._seed = config, config.recipe, seed
        self._images, self._folder = ImageSet(images / "train"), images
        self._build()

    def _build(self) -> None:
        """The modules, from the config and the seed."""
        config, seed = self._config, self._seed
        self._backbone = create_backbone(
            config.backbone, size=config.size, seed=seed, weights=config.weights
        )
        if config.recipe.crops.local_crops:
            check_crops(self._backbone, config.recipe.crops.local_size)
        recipe = config.recipe
        head = DinoHead(
            self._backbone.facts.features, recipe.hidden, recipe.bottleneck, recipe.outputs
        )
        self.module = DinoModule(self._backbone, head)
        self._teacher = copy.deepcopy(self.module)
        self._centre = Centre(recipe.outputs)
        self.held = {"teacher": self._teacher, "centre": self._centre}
        self._watch = CollapseWatch(recipe.collapse)
        self._batch = torch.zeros(0)  # sums over this process's crops, see ``_note``
        self._answers = self._no_answers()
        self._answered = 0

    @property
    def reader(self) -> CropReader:
        """Of the training images."""
        return CropReader(
            self._images, MultiCrop(self._backbone.views, self._recipe.crops), self._seed
        )

    @property
    def shard_sizes(self) -> Sequence[int]:
        """Of the training images."""
        return self._images.tar_sizes

    def inputs(self) -> Mapping[str, str]:
        """Where every image lies; classes, and validation images, for the figures of an epoch; a
        file of weights that the run starts from.
        """
        splits = [split for split in ("train", "val") if has_images(self._folder / split)]
        files = [ImageSet(self._folder / split).index_file for split in splits]
        files += [Labels(self._folder / split).file for split in splits]
        found = {"data": f"{stable_hash(*map(sha256_file, files)):016x}"}
        if start := weights_file(self._config.weights):
            found["weights"] = sha256_file(start)
        return found

    def trainable(self, epoch: int) -> Iterable[ParameterGroup]:
        """All but the head's last layer, which waits for some epochs."""
        names = [name for name, _ in self.module.named_parameters() if name != LAST]
        if epoch == 0:
            yield ParameterGroup(names)
        if epoch == self._recipe.frozen_epochs:
            yield ParameterGroup([LAST])

    def weight_decay(self, step: int, steps: int) -> float:
        """Rises along a half cosine."""
        first, last = self._config.optimizer.weight_decay, self._recipe.last_weight_decay
        return half_cosine(first, last, step, steps)

    def losses(self, outputs: Outputs, batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """See ``Objective``."""
        recipe = self._recipe
        temperature = teacher_temperature(
            recipe.first_teacher_temperature,
            recipe.teacher_temperature,
            recipe.temperature_epochs,
            step.epoch,
        )
        with torch.no_grad(), step.processes.fabric.autocast():
            self._teacher.train()  # batch norms go by the batch, as the student's do
            teacher = self._teacher({"globals": batch["globals"]})["globals"].float()
        targets = teacher_targets(teacher, self._centre.mean, temperature)
        self._note(teacher, targets)
        student = torch.cat(list(outputs.values()), dim=1).float()
        return {LOSS: dino_sum(student, targets, recipe.student_temperature) / step.length}

    def _no_answers(self) -> Tensor:
        """Sums over an epoch's answers: the answers [K], and their entropy."""
        return torch.zeros(self._recipe.outputs + 1, dtype=torch.float64)

    def _note(self, teacher: Tensor, targets: Tensor) -> None:
        """Sums over this process's global crops: outputs [K], answers [K], their entropy."""
        answers = targets.flatten(0, 1).double()
        sums = (teacher.double().sum(dim=(0, 1)), answers.sum(dim=0), entropy(answers).sum()[None])
        self._batch = torch.cat(sums)

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        """Move the teacher towards the student, and the centre towards the teacher's outputs."""
        momentum = half_cosine(self._recipe.momentum, 1.0, step.step, step.steps)
        for slow, fast in zip(self._teacher.parameters(), self.module.parameters(), strict=True):
            slow.mul_(momentum).add_(fast.detach(), alpha=1 - momentum)
        total, crops = step.processes.sum(self._batch), 2 * step.length
        outputs, answers = total.split([self._recipe.outputs, self._recipe.outputs + 1])
        self._centre.move(outputs / crops, self._recipe.centre_momentum)
        self._answers = self._answers.to(answers) + answers
        self._answered += crops

    def end_epoch(self, epoch: Epoch) -> Mapping[str, float | None]:
        """How even and how sure the teacher's answers are, the rank of its features, and the
        accuracy of nearest neighbours on the validation images.

        Raises:
            InputError: the run has collapsed.
        """
        means, largest = self._answers / self._answered, math.log(self._recipe.outputs)
        spread, sure = float(entropy(means[:-1])) / largest, float(means[-1]) / largest
        self._answers, self._answered = self._no_answers(), 0
        rank, accuracy = self._judge(epoch.processes.device)
        self._watch.look(spread - sure, rank)
        return {
            "teacher_entropy": spread,
            "answer_entropy": sure,
            "feature_rank": rank,
            "knn_accuracy": accuracy,
        }

    def _judge(self, device: torch.device) -> tuple[float, float | None]:
        """The rank of the features of training images, and the validation accuracy, if any."""
        self._teacher.eval()
        most = min(len(self._images), self._recipe.reference_images)
        rows = np.linspace(0, len(self._images) - 1, most).round().astype(int)
        features = self._features(self._images, rows, device)
        rank = effective_rank(features)
        if not has_images(self._folder / "val"):
            return rank, None
        labels = Labels(self._folder / "train").numbers()[rows].astype(np.int64)
        images = ImageSet(self._folder / "val")
        if not len(images):
            return rank, None
        judged = self._features(images, np.arange(len(images)), device)
        expected = Labels(self._folder / "val").numbers().astype(np.int64)
        accuracy = neighbour_accuracy(
            features,
            torch.from_numpy(labels),
            judged,
            torch.from_numpy(expected),
            self._recipe.neighbours,
        )
        return rank, accuracy

    def _features(self, images: ImageSet, rows: np.ndarray, device: torch.device) -> Tensor:
        def batches() -> Iterator[Tensor]:
            size = self._config.batch_size
            for batch in centre_batches(images, rows.tolist(), self._backbone.views, size):
                yield self._teacher.normalise(batch.to(device))

        return features_of(self._teacher.backbone, batches())

    def facts(self) -> Mapping[str, Any]:
        """Numbers of images, and of the features' dimensions."""
        return {"images": len(self._images), "features": self._backbone.facts.features}

    def sample_names(self, places: Sequence[int]) -> list[str]:
        """The ids of the images."""
        return [self._images.image_id(place) for place in places]

    def state_dict(self) -> dict[str, Any]:
        """What this epoch's figures are made of so far, and epochs that looked collapsed."""
        return {
            "answers": self._answers,
            "answered": self._answered,
            "collapsed": self._watch.epochs,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave."""
        self._answers, self._answered = state["answers"], state["answered"]
        self._watch.epochs = state["collapsed"]

    def save(self, folder: Path) -> None:
        """Write the teacher's backbone."""
        save_backbone(Backbone(self._teacher.backbone, self._backbone.facts), folder)


OBJECTIVE = Dino
