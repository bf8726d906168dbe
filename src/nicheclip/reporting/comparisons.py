"""Do two runs that judged the same images differ by more than chance? With Holm's correction."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from nicheclip.evaluation.bootstrap import NUMBERS_AT_ONCE
from nicheclip.evaluation.predictions import Predictions
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator


def exchange_test(
    first: Sequence[Predictions],
    second: Sequence[Predictions],
    *,
    over: Literal["images", "classes"],
    resamples: int,
    seed: int,
) -> float:
    """The p-value of a permutation test of the difference in top-1 accuracy, two-sided.

    If the runs did not differ, an image's results could be exchanged between them. Each resample
    exchanges every image, or all images of a class together, with probability 1/2. The p-value is
    the share of resamples whose difference is at least as large, the observed one counted in.

    Args:
        first: predictions of one run, one for each seed; the seeds' mean is compared.
        second: those of the other run on the same images.
        over: images of one class are not independent where classes are species.
        resamples: number of resamples.
        seed: of the resamples.

    Raises:
        InputError: the runs did not judge the same images with the same labels.
    """
    labels, credits = _aligned(first, second)
    differences: npt.NDArray[np.float64] = credits[0] - credits[1]
    if over == "classes":
        _, codes = np.unique(np.asarray(labels), return_inverse=True)
        differences = np.bincount(codes, weights=differences).astype(np.float64)
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
) -> tuple[list[str], list[npt.NDArray[np.float64]]]:
    """The label of each image, and each run's mean credit, in the order of the image ids."""
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
    return [truth[image_id] for image_id in sorted(truth)], credits
