"""What UPL and POUF share: a CLIP whose towers stand still, and a context that trains."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nicheclip.adaptation.trained.prompts import PromptedTexts
from nicheclip.adaptation.trained.tower import VisualTower
from nicheclip.engine.loading import Batch
from nicheclip.engine.objective import Outputs
from nicheclip.models.openclip import Clip

CONTEXT, LOGIT_SCALE = "prompts.context", "log_scale"


class PromptedClip(nn.Module):
    """From strong views to cosines with class texts that begin with the context.

    Raises:
        InputError: as ``PromptedTexts`` and ``VisualTower``.
    """

    def __init__(
        self, clip: Clip, class_names: Sequence[str], context: Tensor, logit_scale: float
    ) -> None:
        super().__init__()
        self.clip = clip.model
        self.tower = VisualTower(clip)
        self.prompts = PromptedTexts(clip, class_names, context)
        self.log_scale = nn.Parameter(torch.tensor(logit_scale).log())

    def forward(self, batch: Batch) -> Outputs:
        """``cosines`` and ``logits`` [n, C] of images and class texts."""
        with self.tower.evaluating():
            images = self.tower(batch["strong"]).features
        cosines = images @ self.prompts().float().T
        return {"cosines": cosines, "logits": self.log_scale.exp() * cosines}

    @torch.no_grad()
    def class_features(self) -> Tensor:
        """[C, d], rows of length 1."""
        found: Tensor = self.prompts()
        return found
