"""Normal equations of linear regression, summed in float64 over parts of any number of rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg.blas import dsyrk

from nicheclip.runtime.errors import InputError

Floats = NDArray[np.float64]

#: ratio of the squares of the least and the greatest pivot below which features are dependent
LEAST_PIVOT = 1e-12


class NormalEquations:
    """Sums over rows of features x [d] and targets y [m].

    Rows are shifted by the mean of the first part, so that sums of squares lose no digits to means
    that are large beside the spread. Memory is that of d^2 + dm numbers.
    """

    def __init__(self) -> None:
        self.count = 0
        self._shift: tuple[Floats, Floats] | None = None

    @property
    def features(self) -> int:
        """d."""
        return len(self._sum_x)

    def add(self, features: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count rows of features [n, d] and targets [n, m].

        Raises:
            InputError: a number is not finite.
        """
        x, y = np.array(features, np.float64, order="C"), np.array(targets, np.float64)
        for side, what in ((x, "of the backbone"), (y, "of the CLIP")):
            if not np.isfinite(side).all():
                raise InputError(
                    f"alignment: features {what} are not finite among images {self.count + 1} to "
                    f"{self.count + len(side)}. The model has diverged: train it again."
                )
        if not len(x):
            return
        if self._shift is None:
            self._shift = x.mean(axis=0), y.mean(axis=0)
            self._sum_x, self._sum_y = np.zeros(x.shape[1]), np.zeros(y.shape[1])
            self._squares_y = np.zeros(y.shape[1])
            self._xx = np.zeros((x.shape[1], x.shape[1]), order="F")  # its upper triangle
            self._xy = np.zeros((x.shape[1], y.shape[1]))
        x -= self._shift[0]
        y -= self._shift[1]
        self.count += len(x)
        self._sum_x += x.sum(axis=0)
        self._sum_y += y.sum(axis=0)
        self._squares_y += np.einsum("nm,nm->m", y, y)
        self._xx = dsyrk(1.0, x.T, beta=1.0, c=self._xx, overwrite_c=1)
        self._xy += x.T @ y

    def _centred(self) -> tuple[Floats, Floats]:
        """Sums of products about the means: of features [d, d], and with targets [d, m]."""
        upper = np.triu(self._xx)
        full = upper + np.triu(upper, 1).T
        xx = full - np.outer(self._sum_x, self._sum_x) / self.count
        return xx, self._xy - np.outer(self._sum_x, self._sum_y) / self.count

    def independent(self) -> bool:
        """Whether no feature is constant or a linear function of others, as far as digits tell."""
        xx, _ = self._centred()
        sizes = np.sqrt(np.diag(xx))
        if not np.all(sizes > 0):
            return False
        try:
            pivots = np.diag(linalg.cholesky(xx / np.outer(sizes, sizes)))
        except linalg.LinAlgError:
            return False
        return bool((pivots.min() / pivots.max()) ** 2 > LEAST_PIVOT)

    def solve(self, penalty: float) -> tuple[Floats, Floats]:
        """Weight [m, d] and bias [m] of the least sum of squared errors plus penalty.

        Args:
            penalty: on the squared weights (the bias has none), as a share of the mean over
                features of the sum of their squares about their means.
        """
        assert self._shift is not None, "no rows"
        xx, xy = self._centred()
        xx[np.diag_indices_from(xx)] += penalty * np.trace(xx) / len(xx)
        weight = linalg.solve(xx, xy, assume_a="pos", overwrite_a=True).T
        mean_x = self._shift[0] + self._sum_x / self.count
        mean_y = self._shift[1] + self._sum_y / self.count
        return weight, mean_y - weight @ mean_x

    def squared_error(self, weight: Floats, bias: Floats) -> float:
        """The sum over rows and targets of (W x + b - y)^2, for any map."""
        assert self._shift is not None, "no rows"
        xx, xy = self._centred()
        mean_x = self._shift[0] + self._sum_x / self.count
        mean_y = self._shift[1] + self._sum_y / self.count
        spread = self.target_squares()[0]
        spread += float(np.sum((weight @ xx) * weight) - 2 * np.sum(weight * xy.T))
        off = weight @ mean_x + bias - mean_y
        return spread + self.count * float(off @ off)

    def target_squares(self) -> tuple[float, float]:
        """Sums of squares of the targets: about each one's mean, and about the mean of all."""
        assert self._shift is not None, "no rows"
        within = float(np.sum(self._squares_y - self._sum_y**2 / self.count))
        means = self._shift[1] + self._sum_y / self.count
        return within, within + self.count * float(np.sum((means - means.mean()) ** 2))
