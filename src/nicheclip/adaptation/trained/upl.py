"""UPL: a context shared by all classes learns from the images that CLIP is surest of.

Huang, Chu, Wei (arXiv 2204.03649). With images f_i and class texts t_c of length 1, s the logit
scale, and t_c(V) the text that begins with the context vectors V = v_1 ... v_M (``prompts.py``):

    y_i = argmax_c s f_i . t_c                     pseudo-labels, once, by the start model
    I_c = the K images with y_i = c and the largest s f_i . t_c      (fewer where c has fewer)
    L   = mean over a batch of I_1 + ... + I_C of -log softmax_c(s f . t_c(V)) at c = y

V trains, drawn from N(0, 0.02^2); both encoders stand still. Trains M x width of the text tower:
16 x 512 = 8,192.

Certain, from the authors' code: all of the above, one template for the pseudo-labels, K = M = 16,
the class name after the context, SGD at 2e-3, 50 epochs, the first at 1e-5, then a half cosine
(there by epochs, here by steps), batch 32. Momentum 0.9 and weight decay 5e-4 are the defaults of
the library that it uses. Not certain: ranking by logit (the code) or by probability (the paper's
wording), ``rank_by``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.adaptation.trained.base import TEXT_BATCH, AdaptationObjective
from nicheclip.adaptation.trained.memory import ENCODE_BATCH
from nicheclip.adaptation.trained.prompted import CONTEXT, PromptedClip
from nicheclip.adaptation.trained.prompts import random_context
from nicheclip.adaptation.trained.views import ViewReader, Wanted
from nicheclip.config.adaptation import RankBy, UplMethod
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import LOSS, Outputs, ParameterGroup, Step
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.encode import encode_images, encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.views import ViewSettings
from nicheclip.runtime.seeding import stable_hash


class Upl(AdaptationObjective[UplMethod]):
    """See the module."""

    version = 2
    module: PromptedClip

    def __init__(
        self, options: UplMethod, *, start: Path, images: ImageSet, texts: TaskTexts, seed: int
    ) -> None:
        super().__init__(options, start=start, images=images, texts=texts, seed=seed)
        random = torch.Generator().manual_seed(stable_hash(seed, "context") % 2**63)
        context = random_context(self.clip, options.context_tokens, random)
        self.module = PromptedClip(self.clip, texts.class_names, context, self.logit_scale)
        rows, labels = confident_images(
            self._zero_shot(), options.images_per_class, options.rank_by
        )
        order = torch.argsort(rows)  # as the images lie in their files
        self._rows, self._labels = rows[order].numpy(), labels[order]

    def _zero_shot(self) -> Tensor:
        """[n, C]: logits of all images, by each class's name in the first template."""
        # the GPU of this process, if the engine has given it one
        device = "cuda" if torch.cuda.is_initialized() else "cpu"
        images = encode_images(self.clip, self.images, EncodeSettings(ENCODE_BATCH, device))
        names = [one[0] for one in self.texts.prompts()]
        texts = encode_texts(self.clip, names, EncodeSettings(TEXT_BATCH, device))
        cosines = torch.from_numpy(images.features) @ torch.from_numpy(texts.features).T
        return self.logit_scale * cosines

    def wanted(self) -> Wanted:
        """One random crop of each image."""
        return Wanted(plain=False, strong=self.options.strong)

    @property
    def reader(self) -> "ChosenReader":
        """Of the chosen images."""
        views = ViewSettings.of(self.clip)
        return ChosenReader(self.images, views, self.wanted(), self.seed, self._rows)

    @property
    def shard_sizes(self) -> Sequence[int]:
        """An epoch has the chosen images alone."""
        return [len(self._rows)]

    def losses(self, outputs: Outputs, batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """See ``Objective``."""
        chosen = torch.from_numpy(np.searchsorted(self._rows, batch["rows"].cpu().numpy()))
        labels = self._labels[chosen].to(batch["rows"].device)
        self.label_record.add(labels, batch["rows"], step)
        return {LOSS: cross_entropy(outputs["logits"], labels, reduction="sum") / step.length}

    def trainable(self, epoch: int) -> Sequence[ParameterGroup]:
        """The context."""
        return [ParameterGroup([CONTEXT], decay=self.options.decay)] if epoch == 0 else []

    def anchors(self) -> Tensor:
        """The class texts with the context."""
        return self.module.class_features()

    def facts(self) -> Mapping[str, Any]:
        """How many images were chosen, and for how many classes."""
        chosen = {"chosen_images": len(self._rows), "chosen_classes": len(self._labels.unique())}
        return {**super().facts(), **chosen}

    def sample_names(self, places: Sequence[int]) -> list[str]:
        """The ids of the images."""
        return super().sample_names([int(self._rows[place]) for place in places])


OBJECTIVE = Upl


def confident_images(
    logits: Tensor, per_class: int, rank_by: RankBy = "logit"
) -> tuple[Tensor, Tensor]:
    """Images and their pseudo-labels, both [m]: the ``per_class`` surest of each class.

    An image belongs to its likeliest class alone. Of images that are equally sure the earlier comes
    first.

    Args:
        logits: [n, C].
        per_class: K.
        rank_by: what sure means.
    """
    found = logits if rank_by == "logit" else logits.softmax(dim=1)
    surety, labels = found.max(dim=1)
    order = torch.argsort(surety, descending=True, stable=True)
    chosen = [order[labels[order] == c][:per_class] for c in range(logits.shape[1])]
    rows = torch.cat(chosen)
    return rows, labels[rows]


@dataclass(frozen=True)
class ChosenReader(ViewReader):
    """Reads the images that were chosen, numbered through."""

    rows: NDArray[np.int64]

    def read(self, plan: BatchPlan) -> Batch:
        """See ``Reader``."""
        return super().read(plan._replace(indices=self.rows[plan.indices]))
