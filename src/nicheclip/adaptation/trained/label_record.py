"""What label each image had in each epoch, for whoever looks at a run afterwards."""

import torch
from torch import Tensor, nn

from nicheclip.engine.objective import Step
from nicheclip.models.pseudo_labels import NO_LABEL


class LabelRecord(nn.Module):
    """One of an objective's ``held`` modules, so that checkpoints keep it."""

    labels: Tensor
    """[epochs, n], int32."""

    def __init__(self, epochs: int, images: int) -> None:
        super().__init__()
        empty = torch.full((epochs, images), NO_LABEL, dtype=torch.int32)
        self.register_buffer("labels", empty)

    @torch.no_grad()
    def add(self, labels: Tensor, rows: Tensor, step: Step) -> None:
        """This process's images ``rows`` [b] have ``labels`` [b] in the epoch of ``step``."""
        labels, rows = (step.processes.gather(values, step.sizes) for values in (labels, rows))
        self.labels[step.epoch, rows] = labels.to(self.labels)
