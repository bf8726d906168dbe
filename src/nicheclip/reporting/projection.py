"""Features on a plane by t-SNE: the same features, the same picture."""

import numpy as np
import numpy.typing as npt
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from nicheclip.reporting.figures import principal_components

PERPLEXITY = 30.0

#: of the gradient descent at most, the first 250 with early exaggeration
ITERATIONS = 500

#: the descent ends when the gradient is shorter than this: points hardly move any more
SHORTEST_GRADIENT = 1e-3

#: fewer points have no neighbourhoods to show
FEWEST_POINTS = 10


def t_sne(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Coordinates [n, 2] of ``features`` [n, d], n >= 10.

    The start is the first two principal components, so nothing is random. One thread does the work,
    since several would add up the gradient in varying order; on another machine the last digits,
    and with them the picture, may differ. With fewer than 91 points the perplexity is a third of
    their neighbours instead of 30.
    """
    start = principal_components(features)[0]
    start *= 1e-4 / max(start[:, 0].std(), np.finfo(float).tiny)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    with threadpool_limits(limits=1):
        points = TSNE(
            perplexity=perplexity,
            init=start.astype(np.float32),
            max_iter=ITERATIONS,
            min_grad_norm=SHORTEST_GRADIENT,
            random_state=0,
            n_jobs=1,
        ).fit_transform(features)
    return np.asarray(points, dtype=np.float64)
