"""ReCLIP's pseudo-labels: the texts' labels spread over the images in the space of the texts.

Hu et al. (arXiv 2308.03793, WACV 2024). With class texts t_c and image features f_i of length 1:

    P = U' U'^T,  U = left singular vectors of [t_1 ... t_C], U' without the first   (projection)
    x = P t_c or P f_i, divided by its length: C + n points
    A_ij = (x_i . x_j + 1) / 2 where j is among the k points nearest to i, j != i; else 0
    W = (A + A^T) / 2        S = D^(-1/2) W D^(-1/2),  D = diag(row sums of W)
    (I - a S) z_c = e_c for each class c: z_c says how much of text c reaches each point
    label of point i = argmax_c z_c,i

The first singular vector is what all texts share; without it the two modalities lie closer. That
holds where texts share much, as in a CLIP of many domains; where they do not, this vector tells
classes apart, and ``left_out`` of 0 keeps it. S has eigenvalues of -1 to 1, so I - a S is positive
definite for a < 1 and conjugate gradients solve it.

Certain: all of it, from the authors' code, which stops the gradients after 20 iterations. Ours: A
is sparse and found block by block, all classes are solved at once, and a point that no text reaches
gets the label of its nearest text (in the code: the first class).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nicheclip.adaptation.checks import check_features, check_number
from nicheclip.adaptation.neighbours import nearest_neighbours, row_sums
from nicheclip.runtime.errors import InputError


@dataclass(frozen=True)
class PropagationOptions:
    """How labels spread."""

    neighbours: int = 20
    """k."""
    spread: float = 0.99
    """a, at least 0 and below 1."""
    iterations: int = 20
    """Of conjugate gradients, at most."""
    tolerance: float = 1e-6
    """They end when the residual of every class is at most so much of its right side."""
    dimensions: int = 768
    """Singular vectors, at most, counted with the first."""
    left_out: int = 1
    """How many of the first are left out."""

    def __post_init__(self) -> None:
        """Raise InputError if a number is out of range."""
        check_number(self.neighbours, "neighbours", 1)
        check_number(self.iterations, "iterations", 1)
        check_number(self.tolerance, "tolerance", 0)
        check_number(self.dimensions, "dimensions", 2)
        check_number(self.left_out, "left out", 0)
        if not 0 <= self.spread < 1:
            raise InputError(f"spread: {self.spread}; expected at least 0 and below 1.")


def propagate(texts: Tensor, images: Tensor, options: PropagationOptions) -> Tensor:
    """[C + n], int64: the label of each text and then of each image.

    Args:
        texts: [C, d], rows of length 1.
        images: [n, d], rows of length 1.
        options: how.

    Raises:
        InputError: features that are no numbers, or a single class.
    """
    check_features(texts, "class texts")
    check_features(images, "image features", texts.shape[1])
    projection = text_projection(texts, options.dimensions, options.left_out)
    points = normalize(torch.cat([texts, images]) @ projection, dim=1)
    start = torch.eye(len(points), len(texts), dtype=points.dtype, device=points.device)
    reached = solve(normalised_affinity(points, options.neighbours), start, options)
    labels = reached.argmax(dim=1)
    alone = (reached == 0).all(dim=1)
    labels[alone] = (points[alone] @ points[: len(texts)].T).argmax(dim=1)
    return labels


def text_projection(texts: Tensor, dimensions: int, left_out: int = 1) -> Tensor:
    """[d, d]: P, the projection onto the span of ``texts`` [C, d] without what they share.

    Raises:
        InputError: there are so few classes that nothing would be left.
    """
    if len(texts) <= left_out:
        raise InputError(
            "label propagation: one class; what all texts share is removed, and of one text "
            "nothing is left. Name at least two classes."
        )
    vectors = torch.linalg.svd(texts.T, full_matrices=False).U[:, left_out:dimensions]
    projection: Tensor = vectors @ vectors.T
    return projection


def shared_by(texts: Tensor) -> float:
    """The share of the first singular vector in the squares of ``texts`` [C, d]: 1 where all texts
    are the same, 1 / C where each is at right angles to the others.
    """
    squares = torch.linalg.svdvals(texts).square()
    return float(squares[0] / squares.sum())


def normalised_affinity(points: Tensor, neighbours: int) -> Tensor:
    """S, sparse [m, m], from points [m, d] of length 1."""
    cosines, rows = nearest_neighbours(points, neighbours)
    m, kept = rows.shape
    own = torch.arange(m, device=rows.device).repeat_interleave(kept)
    other, values = rows.flatten(), (cosines.flatten() + 1) / 4
    places = torch.stack([torch.cat([own, other]), torch.cat([other, own])])
    w = _sparse(places, torch.cat([values, values]), m)
    (i, j), degree = w.indices(), row_sums(w)
    scale = degree.clamp(min=torch.finfo(degree.dtype).tiny).rsqrt()
    return _sparse(w.indices(), scale[i] * w.values() * scale[j], m)


def _sparse(places: Tensor, values: Tensor, size: int) -> Tensor:
    """[size, size]; values of one place are added."""
    shape = (size, size)
    return torch.sparse_coo_tensor(places, values, shape, check_invariants=False).coalesce()


def solve(s: Tensor, start: Tensor, options: PropagationOptions) -> Tensor:
    """[m, C]: z with (I - a S) z = ``start`` by conjugate gradients, all columns at once.

    A column stands still once its residual is small enough.
    """

    def times(vectors: Tensor) -> Tensor:
        spread: Tensor = torch.sparse.mm(s, vectors)
        return vectors - options.spread * spread

    z: Tensor = torch.zeros_like(start)
    residual, direction = start.clone(), start.clone()
    squares = residual.square().sum(dim=0)
    enough = options.tolerance**2 * squares
    for _ in range(options.iterations):
        active = squares > enough
        if not active.any():
            break
        ahead = times(direction)
        step = squares / (direction * ahead).sum(dim=0)
        step = torch.where(active, step, 0)
        z = z + step * direction
        residual = residual - step * ahead
        after = residual.square().sum(dim=0)
        direction = residual + torch.where(active, after / squares, 0) * direction
        squares = after
    return z
