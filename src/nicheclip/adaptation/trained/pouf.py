"""POUF: images and class texts are drawn together by transport cost and mutual information.

Tanwisuth et al. (arXiv 2305.00350, ICML 2023). With B images f_b and C class texts t_c(V) of length
1, which begin with the context V (``prompts.py``), s the logit scale, c_bc = 1 - f_b . t_c(V):

    p_bc = softmax_c(s f_b . t_c)    q_bc = softmax_b(s f_b . t_c)
    L_transport   = 1/B sum_b sum_c p_bc c_bc  +  1/C sum_c sum_b q_bc c_bc
    L_information = 1/B sum_b H(p_b) - H(1/B sum_b p_b),     H(p) = - sum_c p_c log p_c
    L = L_transport + 0.3 L_information

Each image goes to the classes that it is near to, each class to the images of the batch that it is
near to; predictions become sure one by one and even in sum. This is the prompt variant: V begins as
"a photo of a" and trains, both encoders stand still. 4 x 512 = 2,048 parameters, FAIR's count.

Certain, from the authors' code: all of the above; nesterov SGD with weight decay 1e-3, batch 96,
and at step t a rate of 1e-3 (1 + 2e-4 t)^-0.75. There the logit scale trains as well, at a
twentieth of the rate (``learn_logit_scale``); FAIR's count of 2,048 has no place for it, so it is
not the default.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.adaptation.trained.base import AdaptationObjective
from nicheclip.adaptation.trained.prompted import CONTEXT, LOGIT_SCALE, PromptedClip
from nicheclip.adaptation.trained.prompts import words_context
from nicheclip.adaptation.trained.views import Wanted
from nicheclip.config.adaptation import PoufMethod
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import LOSS, Outputs, ParameterGroup, Step

#: the logit scale's learning rate as a share of the context's: 5e-5 of 1e-3
SCALE_RATE = 0.05


class Pouf(AdaptationObjective[PoufMethod]):
    """See the module."""

    version = 2
    module: PromptedClip

    def __init__(
        self, options: PoufMethod, *, start: Path, images: ImageSet, texts: TaskTexts, seed: int
    ) -> None:
        super().__init__(options, start=start, images=images, texts=texts, seed=seed)
        context = words_context(self.clip, options.context)
        self.module = PromptedClip(self.clip, texts.class_names, context, self.logit_scale)

    def wanted(self) -> Wanted:
        """One random crop of each image."""
        return Wanted(plain=False, strong=self.options.strong)

    def losses(self, outputs: Outputs, batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """See ``Objective``: the terms are those of the whole batch, shared out by images."""
        cosines, logits = (
            step.processes.gather(outputs[name], step.sizes) for name in ("cosines", "logits")
        )
        share = len(batch["rows"]) / step.length
        transport = share * transport_cost(cosines, logits)
        information = share * negative_information(logits)
        loss = transport + self.options.information_weight * information
        return {LOSS: loss, "transport": transport, "information": information}

    def trainable(self, epoch: int) -> Sequence[ParameterGroup]:
        """The context, and the logit scale if it learns."""
        if epoch > 0:
            return []
        decay = self.options.decay
        groups = [ParameterGroup([CONTEXT], decay=decay)]
        if self.options.learn_logit_scale:
            groups.append(ParameterGroup([LOGIT_SCALE], lr_scale=SCALE_RATE, decay=decay))
        return groups

    def anchors(self) -> Tensor:
        """The class texts with the context."""
        return self.module.class_features()

    def save(self, folder: Path) -> None:
        """With the logit scale that was learned, if it was."""
        if self.options.learn_logit_scale:
            self.logit_scale = float(self.module.log_scale.detach().exp())
        super().save(folder)

    def figures(self) -> Mapping[str, float]:
        """The logit scale."""
        return {"logit_scale": float(self.module.log_scale.detach().exp())}


OBJECTIVE = Pouf


def transport_cost(cosines: Tensor, logits: Tensor) -> Tensor:
    """Scalar: L_transport, from cosines and logits [B, C]."""
    cost = 1 - cosines
    to_classes = (logits.softmax(dim=1) * cost).sum(dim=1).mean()
    to_images = (logits.softmax(dim=0) * cost).sum(dim=0).mean()
    return to_classes + to_images


def negative_information(logits: Tensor) -> Tensor:
    """Scalar: L_information, from logits [B, C]."""
    logs = logits.log_softmax(dim=1)
    mean_entropy = -(logs.exp() * logs).sum(dim=1).mean()
    mean = logs.exp().mean(dim=0)
    entropy_of_mean: Tensor = -torch.special.xlogy(mean, mean).sum()
    return mean_entropy - entropy_of_mean
