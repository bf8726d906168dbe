"""FAIR: self-training in which crops vote, by learned class anchors, for an image's label.

An image's label comes from its plain view and N square random crops, without gradient (see
``alignment``). Its strongly changed view learns it:

    p_c(x) = softmax_c(scale * f(strong(x)) . a_c / |a_c|)
    L      = 1/B sum_b weight_b * -log p_label(x_b)  +  L_fair                    (15, 17)

What trains: the norms of the visual tower and the anchors a_c, which begin as the mean description
of each class. In the end an image's class is that of the anchor nearest to its plain view. All N
crops are encoded, whatever k: the choice needs their [CLS] tokens.

Certain: what trains (the parameter counts are the published ones), the label without gradient, both
terms, the anchors' start. Reconstructed: weight 1 of L_fair, and what ``alignment`` and
``fairness`` say.

Ablations (the paper's Tables 3, 5, 7 and 10) are other options:

    FAIR-g                labels: image, classes: initial, weight: none
      + LAS, + weight     labels: image, classes: learned; then with a weight
    without LAS           classes: initial
    without weight        weight: none; one factor of it: weight_by_anchors: false
    WCA as labeller       classes: descriptions, relevance: feature, top_crops: null, weight: none
      + crop selection, + [CLS] weights, + anchors
                          top_crops: 4; or relevance: cls; or classes: learned
    CODER as labeller     labels: coder
    LoRA, K-Adaptation    train: lora, train: k_adaptation
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from nicheclip.adaptation import clip as zero_shot
from nicheclip.adaptation import coder, wca
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.adaptation.trained.alignment import alignment_scores, label_weights, relevance
from nicheclip.adaptation.trained.attention import attention_changes, change_attention, merged
from nicheclip.adaptation.trained.base import AdaptationObjective
from nicheclip.adaptation.trained.fairness import Fairness
from nicheclip.adaptation.trained.tower import VisualTower, layer_norms
from nicheclip.adaptation.trained.views import Wanted
from nicheclip.config.adaptation import FairMethod
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import LOSS, Epoch, Outputs, ParameterGroup, Step
from nicheclip.models.openclip import Clip
from nicheclip.runtime.errors import InputError

#: WCA's weights as FAIR's paper has them
PAPER = wca.FORMULAS["paper"]


class FairModule(nn.Module):
    """The visual tower and the class anchors.

    Args:
        clip: the start model; its visual tower is changed.
        anchors: [C, d], what they begin as.
        options: of FAIR.
        logit_scale: between cosine and logit.
        seed: of new weights.
        classes: [C, d], what labels are compared with instead of the anchors.
        coder_texts: names and details, where CODER gives the labels.
    """

    classes: Tensor | None

    def __init__(
        self,
        clip: Clip,
        anchors: Tensor,
        options: FairMethod,
        *,
        logit_scale: float,
        seed: int = 0,
        classes: Tensor | None = None,
        coder_texts: tuple[ClassTexts, ClassTexts] | None = None,
    ) -> None:
        super().__init__()
        self._options, self._coder_texts = options, coder_texts
        self.tower = VisualTower(clip)
        self.anchors = nn.Parameter(anchors.clone())
        self.register_buffer("classes", classes, persistent=False)
        self.logit_scale = logit_scale
        if options.train != "layer_norm":
            change_attention(self.tower.visual, options.train, seed)

    def trained(self) -> list[str]:
        """Names of the parameters that train."""
        norms = self._options.train == "layer_norm"
        return ["anchors", *(layer_norms(self) if norms else attention_changes(self))]

    def forward(self, batch: Batch) -> Outputs:
        """``logits`` [n, C] of the strong views, with gradient, and ``scores`` [n, C] of the
        labels, mean cosines without gradient.
        """
        with self.tower.evaluating():
            scores = self.scores(batch)
        features = self.tower(batch["strong"]).features
        with self._in_full():
            logits = self.logit_scale * features @ normalize(self.anchors, dim=1).T
        return {"logits": logits, "scores": scores}

    def _in_full(self) -> torch.autocast:
        """float32: in half precision, cosines of two near classes become the same."""
        return torch.autocast(self.anchors.device.type, enabled=False)

    def scores(self, batch: Batch) -> Tensor:
        """[n, C]: what a label is the largest of."""
        classes = normalize(self.anchors, dim=1) if self.classes is None else self.classes
        if self._options.labels == "crops":
            return self._crop_scores(batch["plain"], batch["crops"], classes)
        features = self.tower(batch["weak"]).features
        with self._in_full():
            if self._coder_texts is None:
                return torch.matmul(features, classes.T)
            names, details = (texts.to(features.device) for texts in self._coder_texts)
            found: Tensor = coder.scores(features, names, details)
            return found

    def _crop_scores(self, plain: Tensor, crops: Tensor, classes: Tensor) -> Tensor:
        """From views [n, 3, h, w] and [n, N, 3, h, w], which go through the tower together."""
        views = torch.cat([plain[:, None], crops], dim=1)
        found = self.tower(views.flatten(end_dim=1))
        features = found.features.unflatten(0, views.shape[:2])
        cls = found.cls.unflatten(0, views.shape[:2])
        images, parts = features[:, 0], features[:, 1:]
        with self._in_full():
            if self._options.relevance == "cls":
                weights = relevance(cls[:, 0], cls[:, 1:])
            else:
                weights = wca.crop_weights(images, parts, PAPER.image_scale)
            return alignment_scores(weights, parts, classes, self._options.top_crops)


class Fair(AdaptationObjective[FairMethod]):
    """FAIR and its ablations."""

    version: ClassVar[int] = 2

    module: FairModule

    def __init__(
        self, options: FairMethod, *, start: Path, images: ImageSet, texts: TaskTexts, seed: int
    ) -> None:
        super().__init__(options, start=start, images=images, texts=texts, seed=seed)
        self.module = FairModule(
            self.clip,
            self.description_anchors(),
            options,
            logit_scale=self.logit_scale,
            seed=seed,
            classes=self._fixed_classes(),
            coder_texts=self._coder_texts() if options.labels == "coder" else None,
        )
        self._fairness = Fairness(options.fairness)

    def _fixed_classes(self) -> Tensor | None:
        """[C, d]: what labels are compared with where that does not learn."""
        if self.options.classes == "learned":
            return None
        if self.options.classes == "initial":
            return self.description_anchors()
        prompts = zero_shot.class_anchors(self.prompts())
        descriptions = self.texts.descriptions
        return wca.class_vectors(descriptions, prompts.to(descriptions.features), PAPER).float()

    def _coder_texts(self) -> tuple[ClassTexts, ClassTexts]:
        if self.texts.details is None:
            raise InputError(
                "fair: `labels: coder` needs attributes and analogies of each class; there are "
                "none. Give them, or choose other `labels`."
            )
        return self.prompts(), self.texts.details.float()

    def wanted(self) -> Wanted:
        """The strong view, and those that the label is made from."""
        options = self.options
        if options.labels != "crops":
            return Wanted(plain=False, weak=options.weak_scale, strong=options.strong)
        return Wanted(crops=options.crops, crop_side=options.crop_side, strong=options.strong)

    def anchors(self) -> Tensor:
        """See ``AdaptationObjective``."""
        return self.module.anchors

    def trainable(self, epoch: int) -> Iterable[ParameterGroup]:
        """All that trains does so from the start."""
        if epoch == 0:
            yield ParameterGroup(self.module.trained(), decay=self.options.decay)

    def begin_epoch(self, epoch: Epoch) -> None:
        """The moving average starts anew."""
        del epoch
        self._fairness.begin_epoch()

    def losses(self, outputs: Outputs, batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """Equation 17 and the fairness loss."""
        logits, scores = outputs["logits"].float(), outputs["scores"].float()
        weights, labels = self.weights(scores, step), scores.argmax(dim=1)
        self.label_record.add(labels, batch["rows"], step)
        learnt = cross_entropy(logits, labels, reduction="none")
        self_training = (weights * learnt).sum() / step.length
        everyone = step.processes.gather(logits.softmax(dim=1), step.sizes)
        fairness = self._fairness.loss(everyone) / step.processes.world
        return {
            LOSS: self_training + self.options.fairness_weight * fairness,
            "self_training": self_training,
            "fairness": fairness,
            "label_weight": weights.sum() / step.length,
        }

    @torch.no_grad()
    def weights(self, scores: Tensor, step: Step) -> Tensor:
        """[n]: of this process's labels, from their scores [n, C]."""
        found = label_weights(
            scores,
            normalize(self.module.anchors, dim=1),
            self.options.weight,
            by_anchors=self.options.weight_by_anchors,
            logit_scale=self.logit_scale,
        )
        if self.options.weight != "relative_ratio":
            return found
        return found / step.processes.gather(found, step.sizes).mean().clamp_min(1e-12)

    def state_dict(self) -> dict[str, Any]:
        """The moving average."""
        return {"average": self._fairness.average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See ``Objective``."""
        self._fairness.average = state["average"]

    def as_open_clip(self) -> AbstractContextManager[Clip]:
        """With what attention has learned added to its weights."""
        return merged(self.clip)


OBJECTIVE = Fair
