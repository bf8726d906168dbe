"""Alignment: the linear map from a backbone's features to a CLIP's image features.

AgriCLIP (Nawaz et al., COLING 2025): one linear layer with bias, fitted by squared error to the
features of frozen models, in front of the CLIP's text tower. With features x and targets y

    ridge:  min over W, b of  sum |W x + b - y|^2 + penalty |W|^2
    sgd:    the same without penalty by gradient steps on c_x x and c_y y, which have variance 4.5;
            then  W <- W c_x / c_y  and  b <- b / c_y  (the repository has  b c_x / c_y)
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from nicheclip.config.alignment import RidgeFit, SgdFit
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.progress import progress
from nicheclip.runtime.seeding import stable_hash
from nicheclip.training.normal_equations import NormalEquations

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Pair = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Features [n, d] and targets [n, m] of the same images."""

#: of both sides, where the mean squared error is told as the repository's log has it
VARIANCE = 4.5
#: shares of the mean variance that a penalty is raised to: too few images, dependent features
FEW, DEPENDENT = 1e-3, 1e-9


@dataclass(frozen=True)
class LinearMap:
    """What was fitted, and how well, on the images of the fit."""

    weight: Floats
    """[m, d]"""
    bias: Floats
    """[m]"""
    images: int
    penalty: float
    """As it was used, a share of the features' mean variance."""
    note: str = ""
    """Why the penalty is another than the config's."""
    r2: float = 0.0
    """Explained share of the targets' variance about the mean of each dimension."""
    r2_overall: float = 0.0
    """About the mean of all numbers: the repository's."""
    mse: float = 0.0
    """Mean squared error on targets scaled to a variance of 4.5."""

    def figures(self) -> dict[str, float | int | str]:
        """For a manifest."""
        width, features = self.weight.shape
        found = {name: getattr(self, name) for name in ("images", "penalty", "note")}
        found |= {name: round(getattr(self, name), 6) for name in ("r2", "r2_overall", "mse")}
        return found | {"features": features, "targets": width}


def fit(pairs: Iterable[Pair], config: RidgeFit | SgdFit, *, seed: int) -> LinearMap:
    """The map of ``config``, from pairs of features and targets that come in parts.

    Raises:
        InputError: there are no images, a number is not finite, or one side never changes.
    """
    equations, kept = NormalEquations(), []
    for features, targets in pairs:
        equations.add(features, targets)
        if isinstance(config, SgdFit):
            kept.append((features, targets))
    if equations.count < 2:
        raise InputError(f"alignment: {equations.count} images; expected two or more.")
    if isinstance(config, SgdFit):
        features, targets = (np.concatenate(side) for side in zip(*kept, strict=True))
        kept.clear()
        found = _by_gradient(features, targets, config, seed)
    else:
        found = _ridge(equations, config)
    return _measured(found, equations)


def _ridge(equations: NormalEquations, config: RidgeFit) -> LinearMap:
    count, features = equations.count, equations.features
    penalty, note = config.penalty, ""
    if count <= features and penalty < FEW:
        penalty = FEW
        note = f"{count} images for {features} features leave the map open"
    elif penalty < DEPENDENT and not equations.independent():
        penalty = DEPENDENT
        note = f"some of the {features} features never change or follow from others"
    if note:
        log.warning("%s; the penalty is raised from %g to %g", note, config.penalty, penalty)
    weight, bias = equations.solve(penalty)
    return LinearMap(weight, bias, count, penalty, note)


def _by_gradient(
    features: NDArray[np.float32], targets: NDArray[np.float32], config: SgdFit, seed: int
) -> LinearMap:
    """Steps on both sides, which are scaled in their place."""
    scales = [scale_to(side, config.variance) for side in (features, targets)]
    for side, scale in zip((features, targets), scales, strict=True):
        side *= np.float32(scale)
    inputs, wanted = torch.from_numpy(features), torch.from_numpy(targets)
    random = torch.Generator().manual_seed(stable_hash(seed, "align") % 2**63)
    torch.manual_seed(stable_hash(seed, "aligner") % 2**63)
    layer = torch.nn.Linear(features.shape[1], targets.shape[1])
    optimizer = torch.optim.SGD(
        layer.parameters(),
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.period)
    for _ in progress(range(config.epochs), label="align (epochs)", total=config.epochs):
        for rows in torch.randperm(len(inputs), generator=random).split(config.batch_size):
            loss = functional.mse_loss(layer(inputs[rows]), wanted[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
    weight, bias = unscaled(weight, bias, *scales, bias_as=config.bias)
    return LinearMap(weight, bias, len(inputs), penalty=0.0)


def scale_to(values: NDArray[np.float32], variance: float) -> float:
    """The factor that gives all numbers of ``values`` together that variance.

    Raises:
        InputError: they are all the same.
    """
    found = float(values.var(dtype=np.float64))
    if found == 0:
        raise InputError("alignment: all features of one side are the same; a model has collapsed.")
    return float(np.sqrt(variance / found))


def unscaled(
    weight: Floats, bias: Floats, features: float, targets: float, *, bias_as: str
) -> tuple[Floats, Floats]:
    """A map between scaled sides as one between the sides themselves.

    Args:
        weight: [m, d], from features times ``features`` to targets times ``targets``.
        bias: [m].
        features: scale of that side.
        targets: scale of that side.
        bias_as: ``correct`` or ``as_published``.
    """
    factor = 1 / targets if bias_as == "correct" else features / targets
    return weight * (features / targets), bias * factor


def _measured(found: LinearMap, equations: NormalEquations) -> LinearMap:
    rest = equations.squared_error(found.weight, found.bias)
    within, overall = equations.target_squares()
    if not within > 0:
        raise InputError("alignment: all targets are the same; the CLIP tells no image apart.")
    return replace(
        found,
        r2=1 - rest / within,
        r2_overall=1 - rest / overall,
        mse=VARIANCE * rest / overall,
    )
