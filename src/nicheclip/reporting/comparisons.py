"""Do two runs that judged the same images differ by more than chance? With Holm's correction."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from nicheclip.evaluation.bootstrap import NUMBERS_AT_ONCE
from nicheclip.evaluation.predictions import Predictions
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator

Arms = tuple[Sequence[Predictions], Sequence[Predictions]]
"""Predictions of one run and of another on the same images, one for each seed."""


def exchange_test(
    arms: Sequence[Arms],
    *,
    over: Literal["images", "classes"],
    resamples: int,
    seed: int,
) -> float:
    """The p-value of a permutation test of the difference in top-1 accuracy, two-sided.

    If the runs did not differ, an image's results could be exchanged between them. Each resample
    exchanges every image, or all images of a class together, with probability 1/2. The p-value is
    the share of resamples whose difference is at least as large, the observed one counted in. Of
    several tasks, the mean of their differences is tested; an image, or a class, that is in two of
    them is exchanged in both.

    Args:
        arms: of each task, the predictions of the two runs; the mean over seeds is compared.
        over: images of one class are not independent where classes are species.
        resamples: number of resamples.
        seed: of the resamples.

    Raises:
        InputError: the runs did not judge the same images with the same labels.
    """
    units, parts = [], []
    for first, second in arms:
        truth, credits = _aligned(first, second)
        units += sorted(truth) if over == "images" else [truth[one] for one in sorted(truth)]
        parts.append(credits[0] - credits[1])
    alike = [part * (len(parts[0]) / len(part)) for part in parts]  # each task counts as much
    _, codes = np.unique(np.asarray(units), return_inverse=True)
    differences = np.bincount(codes, weights=np.concatenate(alike)).astype(np.float64)
    observed = abs(differences.sum())
    draw = generator("exchange test", seed)
    block = max(1, NUMBERS_AT_ONCE // len(differences))
    as_large = 1
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        signs = 1 - 2 * draw.integers(0, 2, (count, len(differences)), dtype=np.int8)
        as_large += int((np.abs(signs @ differences) >= observed - 1e-9).sum())
    return as_large / (resamples + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the family-wise error rate holds at each level.

    The k-th smallest of m is multiplied by m - k + 1, and none is smaller than the one before.
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = highest
    return corrected


def _aligned(
    first: Sequence[Predictions], second: Sequence[Predictions]
) -> tuple[dict[str, str], list[npt.NDArray[np.float64]]]:
    """The label of each image by its id, and each run's mean credit, in the order of the ids."""
    truth = dict(zip(first[0].image_ids, first[0].labels, strict=True))
    for one in (*first, *second):
        if dict(zip(one.image_ids, one.labels, strict=True)) != truth:
            raise InputError(
                "paired comparison: the runs did not judge the same images with the same labels "
                f"({len(one.image_ids)} against {len(truth)} images). Evaluate both on the same "
                "data set, split and classes."
            )
    credits = [
        np.mean([one.correct()[np.argsort(one.image_ids)] for one in arm], axis=0)
        for arm in (first, second)
    ]
    return truth, credits
