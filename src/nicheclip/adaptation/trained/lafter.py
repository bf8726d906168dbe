"""LaFTer: a classifier learned from texts labels images for prompts, norms and itself.

Mirza et al. (arXiv 2305.18287, NeurIPS 2023). First without an image: over all texts t_j (names in
templates, descriptions) with their classes c_j, a linear classifier W without bias learns

    L_text = mean_j CE_s(W (t_j + e), c_j),     e ~ N(0, 0.1^2) anew in each step, |t_j| = 1

with labels smoothed by s. Then, with f the visual tower and f_P the tower with the prompts P after
[CLS], both before the division by length, W' a copy of W that stands still:

    y_i = argmax_c W' f(centre of x_i) / |f(centre of x_i)|         without gradient
    L   = mean_i CE_s(W f_P(strong view of x_i), y_i)

P, W and the norms of the tower train. The norms are shared: the labels change as they learn, and
cannot be made once. On EuroSAT with ViT-B/32 39,936 + 50 x 768 + 10 x 512 = 83,456 numbers train;
FAIR counts 1.14 M, which the authors' code does not have.

Certain, from that code: all of the above; AdamW at a constant 5e-4 for both, all but biases
decays, 50 prompts, batch 50. Different: anchors have length 1, so the rows of W are divided by
their lengths when it is saved (W begins and learns with rows of nearly the same length). From
memory: how P and W begin.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.adaptation.trained.base import AdaptationObjective
from nicheclip.adaptation.trained.tower import VisualTower, check_has_cls, layer_norms
from nicheclip.adaptation.trained.views import Wanted
from nicheclip.config.adaptation import LafterMethod
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import LOSS, Outputs, ParameterGroup, Step
from nicheclip.models.openclip import Clip
from nicheclip.models.visual_prompts import check_no_prompts, prompted
from nicheclip.runtime.seeding import stable_hash

#: patch size by which the published code scales new prompts, whatever the model's is
PROMPT_PATCH = 16


class LafterModule(nn.Module):
    """The visual tower, prompts beside its patches, and the classifier.

    Args:
        clip: the start model; the norms of its visual tower are changed.
        classifier: [C, d], W as the texts have taught it.
        prompts: [P, width], what they begin as.
    """

    labeller: Tensor

    def __init__(self, clip: Clip, classifier: Tensor, prompts: Tensor) -> None:
        super().__init__()
        self.tower = VisualTower(clip)
        self.prompts = nn.Parameter(prompts)
        self.classifier = nn.Parameter(classifier.clone())
        self.register_buffer("labeller", classifier.clone())

    def forward(self, batch: Batch) -> Outputs:
        """``logits`` [n, C] of the strong views, with gradient, and ``scores`` [n, C] of the
        labels, without.
        """
        with self.tower.evaluating():
            scores = linear(self.tower(batch["plain"]).features, self.labeller)
        cls = self.tower(batch["strong"], self.prompts).cls
        projection = self.tower.visual.proj
        features = cls if projection is None else cls @ projection.float()
        return {"logits": linear(features, self.classifier), "scores": scores}

    def trained(self) -> list[str]:
        """Names of the parameters that train."""
        return ["prompts", "classifier", *layer_norms(self)]


class Lafter(AdaptationObjective[LafterMethod]):
    """See the module."""

    version: ClassVar[int] = 2
    module: LafterModule

    def __init__(
        self, options: LafterMethod, *, start: Path, images: ImageSet, texts: TaskTexts, seed: int
    ) -> None:
        super().__init__(options, start=start, images=images, texts=texts, seed=seed)
        check_has_cls(self.clip)
        check_no_prompts(self.clip.model)
        classifier = learn_from_texts(
            [self.prompts(), texts.descriptions], options, self._random("texts")
        )
        width = int(self.clip.model.visual.class_embedding.shape[0])
        prompts = new_prompts(options.prompt_tokens, width, self._random("prompts"))
        self.module = LafterModule(self.clip, classifier, prompts)

    def _random(self, what: str) -> torch.Generator:
        return torch.Generator().manual_seed(stable_hash(self.seed, "lafter", what) % 2**63)

    def wanted(self) -> Wanted:
        """The centre for the label, the strong view that learns it."""
        return Wanted(strong=self.options.strong)

    def losses(self, outputs: Outputs, batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """See ``Objective``."""
        labels = outputs["scores"].argmax(dim=1)
        self.label_record.add(labels, batch["rows"], step)
        learnt = cross_entropy(
            outputs["logits"].float(),
            labels,
            label_smoothing=self.options.label_smoothing,
            reduction="sum",
        )
        return {LOSS: learnt / step.length}

    def trainable(self, epoch: int) -> Sequence[ParameterGroup]:
        """All that trains does so from the start."""
        if epoch > 0:
            return []
        return [ParameterGroup(self.module.trained(), decay=self.options.decay)]

    def anchors(self) -> Tensor:
        """The classifier's rows."""
        return self.module.classifier

    def as_open_clip(self) -> AbstractContextManager[Clip]:
        """With the prompts in the tower."""
        return prompted(self.clip, self.module.prompts.detach())


OBJECTIVE = Lafter


def learn_from_texts(
    texts: Sequence[ClassTexts], options: LafterMethod, random: torch.Generator
) -> Tensor:
    """[C, d]: W after ``text_steps`` steps of L_text, each on all ``texts``."""
    features = torch.cat([one.features.float() for one in texts])
    labels = torch.cat([one.owners for one in texts])
    classes, width = texts[0].classes, features.shape[1]
    bound = 1 / math.sqrt(width)  # as torch begins a linear layer
    weight = torch.empty(classes, width).uniform_(-bound, bound, generator=random)
    weight.requires_grad_(True)
    optimizer = torch.optim.AdamW([weight], lr=options.text_lr, weight_decay=0.01)
    for _ in range(options.text_steps):
        noise = options.text_noise * torch.randn(features.shape, generator=random)
        loss = text_loss(weight, features + noise, labels, options.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return weight.detach()


def text_loss(weight: Tensor, features: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Scalar: L_text of texts [t, d] that have got their noise."""
    return cross_entropy(linear(features, weight), labels, label_smoothing=smoothing)


def new_prompts(count: int, width: int, random: torch.Generator) -> Tensor:
    """[count, width]: uniform, with the variance of a layer from a patch's pixels to ``width``."""
    bound = math.sqrt(6 / (3 * PROMPT_PATCH**2 + width))
    return torch.empty(count, width).uniform_(-bound, bound, generator=random)
