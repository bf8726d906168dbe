"""ReCLIP: labels spread between neighbours; a visual and a text encoder learn where they agree.

Hu et al. (arXiv 2308.03793, WACV 2024). Two copies of CLIP: in V the norms of the visual encoder f
train, in T those of the text encoder g. With f_0 the start model's visual encoder, all features of
length 1, T_c(g) the mean of class c's name in all templates, t_c(g) its name in the first, s the
logit scale, and ``propagate`` as in ``label_propagation.py``, each epoch begins with

    y^T = propagate(T(g), f_0(x_1) ... f_0(x_n))         y^V = propagate(T(g_0), f(x_1) ... f(x_n))
    v_c = mean of the f(x_i) and texts T_c'(g_0) with label y^V = c,  divided by its length

and in each step both learn from the images of the batch with y^T = y^V, their number m:

    L = 1/m sum_i CE(s f_0(x_i) . t(g), y_i)  +  1/m sum_i CE(s f(x_i) . v, y_i)

The visual encoder of T stands still, so its features are made once. No view is changed at random.
Trains 39,936 + 25,600 = 65,536 numbers of ViT-B/32.

An image's class is argmax_c (s f_0 . t_c + s f . v_c) / 2. One model folder has one visual tower:
``anchors`` both takes f for f_0 there, so the anchor is t_c + v_c; visual leaves the first out.

Certain, from the authors' code: all of the above but for this. The code divides the second sum by
the size of the batch as well (``visual_loss``), and adapts on the test images themselves; which
images these are is the caller's choice here. With ``texts: descriptions`` (a row of FAIR's Table 4)
a class's descriptions take the places of its templates, the first that of the first: reconstructed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from nicheclip.adaptation import clip as zero_shot
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.adaptation.trained.base import TEXT_BATCH, AdaptationObjective
from nicheclip.adaptation.trained.label_propagation import PropagationOptions, propagate, shared_by
from nicheclip.adaptation.trained.memory import Memory, encode_all
from nicheclip.adaptation.trained.prompts import TextTower, cut_tokens
from nicheclip.adaptation.trained.tower import VisualTower, layer_norms
from nicheclip.adaptation.trained.views import Wanted
from nicheclip.config.adaptation import ReclipMethod
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import LOSS, Epoch, Outputs, ParameterGroup, Step
from nicheclip.models.openclip import Clip
from nicheclip.models.views import ViewSettings
from nicheclip.runtime.errors import InputError

#: the label of an image on which both encoders do not agree
NONE = -1


class ReclipModule(nn.Module):
    """One CLIP whose visual tower is V's and whose text tower is T's.

    Args:
        clip: the start model; the norms of both towers are changed.
        names: each class's name in the first template, or what takes its place.
        memory: what the visual tower made of every image at the start.
        logit_scale: s.
    """

    centroids: Tensor
    tokens: Tensor

    def __init__(
        self, clip: Clip, names: Sequence[str], memory: Memory, logit_scale: float
    ) -> None:
        super().__init__()
        self.clip = clip.model
        self.tower = VisualTower(clip)
        self._texts, self._memory = TextTower(clip), (memory,)  # not registered: others own them
        self.logit_scale = logit_scale
        self.register_buffer("tokens", cut_tokens(clip, names), persistent=False)
        self.register_buffer("centroids", torch.zeros(len(names), memory.features.shape[1]))

    def forward(self, batch: Batch) -> Outputs:
        """``by_texts`` and ``by_images`` [n, C]: logits of T and of V."""
        start = self._memory[0].features[batch["rows"]]
        visual = self.tower(batch["plain"]).features
        return {
            "by_texts": self.logit_scale * start @ self.encode(self.tokens).T,
            "by_images": self.logit_scale * visual @ self.centroids.T,
        }

    def encode(self, tokens: Tensor) -> Tensor:
        """[n, d], rows of length 1, of texts [n, length]."""
        return normalize(self._texts.encode(self._texts.embed(tokens), tokens).float(), dim=1)


class Reclip(AdaptationObjective[ReclipMethod]):
    """See the module."""

    version: ClassVar[int] = 2
    module: ReclipModule

    def __init__(
        self, options: ReclipMethod, *, start: Path, images: ImageSet, texts: TaskTexts, seed: int
    ) -> None:
        super().__init__(options, start=start, images=images, texts=texts, seed=seed)
        described = options.texts == "descriptions"
        sentences = self._descriptions() if described else texts.prompts()
        self._start_texts = self.description_anchors() if described else self._prompt_anchors()
        self.memory = Memory(len(images), self._start_texts.shape[1])
        self.held = {**self.held, "memory": self.memory}
        names = [one[0] for one in sentences]
        self.module = ReclipModule(self.clip, names, self.memory, self.logit_scale)
        self._tokens = cut_tokens(self.clip, [text for one in sentences for text in one])
        self._counts = torch.tensor([len(one) for one in sentences])

    def _prompt_anchors(self) -> Tensor:
        """[C, d]: T_c(g_0)."""
        return zero_shot.class_anchors(self.prompts()).float()

    def _descriptions(self) -> Sequence[Sequence[str]]:
        if len(self.texts.sentences) != self.texts.classes or not all(self.texts.sentences):
            raise InputError(
                "reclip: `texts: descriptions` needs the descriptions of each class as sentences; "
                "there are none. Give them, or choose `texts: templates`."
            )
        return self.texts.sentences

    def wanted(self) -> Wanted:
        """The centre view alone."""
        return Wanted()

    @torch.no_grad()
    def begin_epoch(self, epoch: Epoch) -> None:
        """Labels on which both agree, and the centroids of V."""
        module, memory = self.module, self.memory
        with module.tower.evaluating():
            visual = encode_all(
                lambda views: module.tower(views).features,
                self.images,
                ViewSettings.of(self.clip),
                epoch,
            )
        if epoch.epoch == 0:
            memory.features.copy_(visual)
        start_texts = self._start_texts.to(visual.device)
        by_texts = propagate(self._learned_texts(), memory.features, self._propagation())
        by_images = propagate(start_texts, visual, self._propagation())
        centroids = class_centroids(torch.cat([start_texts, visual]), by_images, start_texts)
        labels = agreed(by_texts, by_images)[self.texts.classes :]
        # sums on a GPU are not the same bit by bit: the first process decides for all
        labels, centroids = epoch.processes.fabric.broadcast((labels, centroids))
        memory.labels.copy_(labels)
        module.centroids.copy_(centroids)

    def _learned_texts(self) -> Tensor:
        """[C, d]: T_c(g), by the text tower as it is now."""
        device = self.memory.features.device
        tokens = self._tokens.to(device).split(TEXT_BATCH)
        features = torch.cat([self.module.encode(part) for part in tokens])
        owners = torch.arange(self.texts.classes).repeat_interleave(self._counts).to(device)
        return zero_shot.class_anchors(ClassTexts(self.texts.class_names, features, owners))

    def _propagation(self) -> PropagationOptions:
        options = self.options
        return PropagationOptions(
            neighbours=options.neighbours,
            spread=options.propagation,
            iterations=options.solver_steps,
            tolerance=options.solver_tolerance,
            dimensions=options.dimensions,
            left_out=options.left_out,
        )

    def losses(self, outputs: Outputs, batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """See ``Objective``."""
        labels = self.memory.labels[batch["rows"]]
        self.label_record.add(labels, batch["rows"], step)
        number = step.processes.sum((labels != NONE).sum()).clamp(min=1)
        by_texts, by_images = (
            cross_entropy(outputs[name].float(), labels, ignore_index=NONE, reduction="sum")
            / number.float()
            for name in ("by_texts", "by_images")
        )
        if self.options.visual_loss == "code":
            by_images = by_images / step.length
        return {LOSS: by_texts + by_images, "by_texts": by_texts, "by_images": by_images}

    def trainable(self, epoch: int) -> Sequence[ParameterGroup]:
        """The norms of both towers."""
        if epoch > 0:
            return []
        return [ParameterGroup(layer_norms(self.module), decay=self.options.decay)]

    def end_epoch(self, epoch: Epoch) -> Mapping[str, float | None]:
        """The share of images on whose label both agreed."""
        del epoch
        return {"agreement": float((self.memory.labels != NONE).double().mean())}

    @torch.no_grad()
    def anchors(self) -> Tensor:
        """See the module."""
        centroids = self.module.centroids
        if self.options.anchors == "visual":
            return centroids
        return centroids + self.module.encode(self.module.tokens)

    def facts(self) -> Mapping[str, Any]:
        """The number of class texts, and what they share, as well."""
        shared = shared_by(self._start_texts)
        return {
            **super().facts(),
            "class_texts": int(self._counts.sum()),
            "shared_by_texts": round(shared, 3),
        }


OBJECTIVE = Reclip


def agreed(by_texts: Tensor, by_images: Tensor) -> Tensor:
    """[n]: the label of both, or ``NONE``."""
    return torch.where(by_texts == by_images, by_texts, NONE)


def class_centroids(features: Tensor, labels: Tensor, empty: Tensor) -> Tensor:
    """[C, d], rows of length 1: the mean feature of each label; where none has it, the row of
    ``empty`` [C, d].
    """
    sums = torch.zeros_like(empty).index_add(0, labels, features)
    found = torch.bincount(labels, minlength=len(empty))[:, None] > 0
    return normalize(torch.where(found, sums, empty), dim=1)
