"""What self-supervised features are worth while they are learnt: neighbours, rank, collapse."""

import torch
from torch import Tensor
from torch.nn import functional

from nicheclip.config.pretraining import CollapseConfig
from nicheclip.runtime.errors import InputError

#: of the votes of neighbours, as DINO has it
TEMPERATURE = 0.07
#: features whose variance is a smaller share of their squared length do not differ
NO_VARIANCE = 1e-12


def neighbour_accuracy(
    train: Tensor, labels: Tensor, judged: Tensor, expected: Tensor, neighbours: int
) -> float:
    """Share of the ``judged`` images whose nearest ``train`` images vote for their class.

    A neighbour's vote is exp(cosine / 0.07) for its own class.

    Args:
        train: [n, d].
        labels: [n], int64, of ``train``.
        judged: [m, d].
        expected: [m], int64.
        neighbours: how many vote; all where there are fewer.
    """
    ours, theirs = functional.normalize(train, dim=1), functional.normalize(judged, dim=1)
    cosines, places = (theirs @ ours.T).topk(min(neighbours, len(train)), dim=1)
    classes = int(torch.cat([labels, expected]).max()) + 1
    votes = torch.zeros(len(judged), classes, dtype=cosines.dtype)
    votes.scatter_add_(1, labels[places], (cosines / TEMPERATURE).exp())
    return float((votes.argmax(dim=1) == expected).double().mean())


def effective_rank(features: Tensor) -> float:
    """exp of the entropy of the singular values of the centred rows of length 1 (Roy and Vetterli
    2007): from 1, all on a line, to the number of dimensions; 0 where all rows are equal.
    """
    rows = functional.normalize(features.double(), dim=1)
    centred = rows - rows.mean(dim=0)
    values = torch.linalg.svdvals(centred)
    if float(values.square().sum()) <= NO_VARIANCE * len(rows):
        return 0.0
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


class CollapseWatch:
    """Counts epochs in a row in which a run looks collapsed."""

    def __init__(self, config: CollapseConfig | None) -> None:
        self._config = config
        self.epochs = 0

    def look(self, information: float, rank: float) -> None:
        """At the figures of an epoch.

        Raises:
            InputError: they have shown a collapse for too many epochs; names the figures.
        """
        config = self._config
        if config is None:
            return
        low = information < config.information or rank < config.rank
        self.epochs = self.epochs + 1 if low else 0
        if self.epochs >= config.patience:
            raise InputError(
                f"pretraining: the run has collapsed: for {self.epochs} epochs all images get "
                f"nearly the same answer (information of the teacher's outputs {information:.2g}, "
                f"expected {config.information:.2g} or more; effective rank of the features "
                f"{rank:.2f}, expected {config.rank:.2f} or more). Lower optimizer.lr, lower "
                "recipe.teacher_temperature, or set recipe.centre_momentum to 0.9; the bounds are "
                "in recipe.collapse."
            )
