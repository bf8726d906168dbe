"""Which images are near which: a sparse affinity, never a matrix of all pairs."""

import torch
from torch import Tensor

from nicheclip.adaptation.checks import check_number

#: cosines held at once
COSINES_AT_ONCE = 16_000_000


def nearest_neighbours(features: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Cosines and rows of the ``count`` nearest other images of each image, both [n, k].

    Where there are fewer other images, k is their number. Of images at the same distance any may
    be chosen.

    Args:
        features: [n, d], rows of length 1.
        count: at least 0.
    """
    check_number(count, "neighbours", 0)
    n = len(features)
    kept = min(count, n - 1)
    cosines, rows = features.new_empty(n, kept), torch.empty(n, kept, dtype=torch.int64)
    rows = rows.to(features.device)
    at_once = max(1, COSINES_AT_ONCE // n)
    for start in range(0, n, at_once):
        block = features[start : start + at_once] @ features.T
        own = torch.arange(len(block), device=features.device)
        block[own, start + own] = -torch.inf
        cosines[start : start + at_once], rows[start : start + at_once] = block.topk(kept, dim=1)
    return cosines, rows


def affinity(features: Tensor, count: int) -> Tensor:
    """S = W + W^T, sparse [n, n]: W_ij is the cosine if j is among i's nearest ``count``, else 0.

    At most 2 * n * count numbers are stored; the diagonal is 0.
    """
    cosines, rows = nearest_neighbours(features, count)
    n, kept = rows.shape
    own = torch.arange(n, device=rows.device).repeat_interleave(kept)
    other, values = rows.flatten(), cosines.flatten()
    places = torch.stack([torch.cat([own, other]), torch.cat([other, own])])
    twice = torch.cat([values, values])
    return torch.sparse_coo_tensor(places, twice, (n, n), check_invariants=False).coalesce()


def row_sums(matrix: Tensor) -> Tensor:
    """[n]: the sum of the absolute values in each row of a coalesced sparse matrix."""
    zeros = matrix.values().new_zeros(matrix.shape[0])
    return zeros.index_add(0, matrix.indices()[0], matrix.values().abs())
