"""MUST: a moving average of the model labels images; the model sees them with patches masked.

Li, Savarese, Hoi (arXiv 2206.02967, ICLR 2023). The model is the visual tower with a classifier Z,
which begins as the mean text of each class; all of it trains. Its teacher is the moving average of
its weights. With p(x) = softmax(s f(x) Z^T), f(x) and the rows of Z of length 1:

    y = argmax_c p^teacher_c(weak view), which counts where p^teacher_y > threshold
    L_self = mean over the images that count of CE(s f(masked strong view) Z^T, y)
    L_fair = - mean_c log P_c,  P the mean of p(masked strong view) over the batch; from 512 classes
             on a moving average of it                                        (``fairness.py``)
    L_pixels    = mean of |decoded pixel - pixel| over the masked patches
    L_alignment = mean of |f_patch - f_[CLS]|^2 over the masked patches, both projected
    L = L_self + L_fair + L_pixels + w L_alignment
    teacher <- m teacher + (1 - m) model after each step;  m from 0.999 to 0.9998 in 2,000 steps

The learning rate of block k of L is that of the last layer times 0.65^(L - k), and 0.65^(L + 1) for
what comes before the blocks. The model, not its teacher, is the result.

Certain, from the authors' code: all of the above. Published for ViT-B/16 and ViT-L/14 alone, by
data set: the defaults are ImageNet's for ViT-B/16. The rate there is 2e-5 for a batch of 256, so
5e-6 for the 64 of one device. Different: the rate falls to 0, not to 1e-6 for 256; rows of Z are
divided by their lengths where they are used; the last batch of an epoch is kept; a batch of which
no image counts adds 0 for L_self, where the code has no number.
"""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from nicheclip.adaptation import clip as zero_shot
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.adaptation.trained.base import AdaptationObjective
from nicheclip.adaptation.trained.fairness import Fairness
from nicheclip.adaptation.trained.masking import MaskedReader, MaskedTower
from nicheclip.adaptation.trained.tower import VisualTower
from nicheclip.adaptation.trained.views import Wanted
from nicheclip.config.adaptation import MustMethod
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import LOSS, Epoch, Outputs, ParameterGroup, Step
from nicheclip.models.views import ViewSettings
from nicheclip.models.visual_prompts import check_no_prompts
from nicheclip.runtime.seeding import stable_hash

#: squares of the whole shorter side: where the published weak view is cut
WHOLE_SIDE = (1.0, 1.0)
#: from so many classes on, a batch is too small to show whether they are even
MANY_CLASSES = 512
#: the label of an image of which the teacher is not sure
NONE = -1


class Labeller(nn.Module):
    """A visual tower and a classifier [C, d]: what the teacher is an average of."""

    def __init__(self, tower: VisualTower, classifier: Tensor) -> None:
        super().__init__()
        self.tower = tower
        self.classifier = nn.Parameter(classifier.clone())

    def forward(self, views: Tensor) -> Tensor:
        """[n, C]: cosines of views uint8 [n, 3, h, w] and classes."""
        return torch.matmul(self.tower(views).features, normalize(self.classifier, dim=1).T)


class MustModule(nn.Module):
    """The model with what it needs for masked patches."""

    def __init__(self, model: Labeller, logit_scale: float, masked: MaskedTower) -> None:
        super().__init__()
        self.model, self.masked, self.logit_scale = model, masked, logit_scale

    def forward(self, batch: Batch) -> Outputs:
        """Of the strong views, masked: ``logits`` [n, C], ``pixel_error`` and ``distance`` [n]."""
        found = self.masked(batch["strong"], batch["mask"])
        classes = normalize(self.model.classifier, dim=1)
        return {
            "logits": self.logit_scale * found.features @ classes.T,
            "pixel_error": found.pixel_error,
            "distance": found.distance,
        }


class Must(AdaptationObjective[MustMethod]):
    """See the module."""

    version: ClassVar[int] = 2
    module: MustModule

    def __init__(
        self, options: MustMethod, *, start: Path, images: ImageSet, texts: TaskTexts, seed: int
    ) -> None:
        super().__init__(options, start=start, images=images, texts=texts, seed=seed)
        check_no_prompts(self.clip.model)
        classifier = zero_shot.class_anchors(self.prompts()).float()
        model = Labeller(VisualTower(self.clip), classifier)
        random = torch.Generator().manual_seed(stable_hash(seed, "must") % 2**63)
        masked = MaskedTower(model.tower, options.mask_side, random)
        self.module = MustModule(model, self.logit_scale, masked)
        self.held = {**self.held, "teacher": copy.deepcopy(model)}
        many = texts.classes >= MANY_CLASSES
        self._fairness = Fairness("moving_average" if many else "batch")

    def wanted(self) -> Wanted:
        """A random square of the shorter side, and the strong view."""
        return Wanted(plain=False, crops=1, crop_side=WHOLE_SIDE, strong=self.options.strong)

    @property
    def reader(self) -> MaskedReader:
        """Views with masks."""
        options = self.options
        return MaskedReader(
            self.images,
            ViewSettings.of(self.clip),
            self.wanted(),
            self.seed,
            self.module.masked.grid,
            options.mask_side,
            options.masked_share,
        )

    def begin_epoch(self, epoch: Epoch) -> None:
        """The moving average of predictions starts anew."""
        del epoch
        self._fairness.begin_epoch()

    def losses(self, outputs: Outputs, batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """See ``Objective``."""
        options, logits = self.options, outputs["logits"].float()
        labels = self.labels(batch["crops"][:, 0])
        self.label_record.add(labels, batch["rows"], step)
        number = step.processes.sum((labels != NONE).sum()).clamp(min=1)
        learnt = cross_entropy(logits, labels, ignore_index=NONE, reduction="sum")
        everyone = step.processes.gather(logits.softmax(dim=1), step.sizes)
        terms = {
            "self_training": learnt / number.float(),
            "fairness": self._fairness.loss(everyone) / step.processes.world,
            "pixels": outputs["pixel_error"].sum() / step.length,
            "alignment": outputs["distance"].sum() / step.length,
        }
        loss = terms["self_training"] + options.fairness_weight * terms["fairness"]
        loss = loss + options.pixel_weight * terms["pixels"]
        loss = loss + options.alignment_weight * terms["alignment"]
        return {LOSS: loss, **terms, "sure": (labels != NONE).sum() / step.length}

    @torch.no_grad()
    def labels(self, views: Tensor) -> Tensor:
        """[n]: the teacher's, or ``NONE`` where it is not sure."""
        probabilities = (self.logit_scale * self.held["teacher"](views)).softmax(dim=1)
        surety, labels = probabilities.max(dim=1)
        return torch.where(surety > self.options.threshold, labels, NONE)

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        """The teacher follows."""
        options = self.options
        share = min(1.0, step.step / options.teacher_steps)
        decay = options.teacher_decay + share * (options.teacher_decay_end - options.teacher_decay)
        teacher = self.held["teacher"].parameters()
        for slow, fast in zip(teacher, self.module.model.parameters(), strict=True):
            slow.lerp_(fast.to(slow), 1 - decay)

    def trainable(self, epoch: int) -> Iterable[ParameterGroup]:
        """All of it, each layer at its own rate."""
        if epoch > 0:
            return
        blocks = len(self.module.model.tower.visual.transformer.resblocks)
        groups: dict[int, list[str]] = {}
        for name, _ in self.module.named_parameters():
            groups.setdefault(layer(name, blocks), []).append(name)
        for number, names in sorted(groups.items()):
            scale = self.options.layer_decay ** (blocks + 1 - number)
            yield ParameterGroup(names, lr_scale=scale, decay=self.options.decay)

    def anchors(self) -> Tensor:
        """The classifier."""
        return self.module.model.classifier

    def state_dict(self) -> dict[str, Any]:
        """The moving average of predictions."""
        return {"average": self._fairness.average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Objective``."""
        self._fairness.average = state["average"]


OBJECTIVE = Must


def layer(name: str, blocks: int) -> int:
    """The layer of a parameter: 0 before the blocks, 1 to ``blocks`` in them, one more after."""
    if ".resblocks." in name:
        return int(name.split(".resblocks.")[1].split(".")[0]) + 1
    before = ("conv1", "embedding", "ln_pre", "mask_token")
    return 0 if any(part in name for part in before) else blocks + 1
