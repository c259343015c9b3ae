"""One Lloyd pass over a block: labels, and the sums and counts behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamkm.kernels.binned_sum import BinnedSum, add_column
from streamkm.kernels.exact_sum import ExactSum
from streamkm.kernels.update import change_of_squares
from streamkm.typing import F64, I32, I64


@dataclass(frozen=True, slots=True)
class Grids:
    """The grids of a fit's sums, fixed by the largest magnitudes of the data.

    Parameters
    ----------
    sums
        Unit exponents of the sums over features, shape (n_limbs, n_features).
    weights
        Unit exponents of the sums of sample weights, shape (2, 1), or None
        where every row weighs one.
    squares
        Unit exponents of the sums of squared lengths about the frame's shift,
        shape (2, 1), or None where they are not wanted.
    is_small
        Whether the rows are summed as integers of at most 16 bits.
    """

    sums: I32
    weights: I32 | None
    squares: I32 | None = None
    is_small: bool = False


@dataclass(frozen=True, slots=True)
class PartialSums:
    """What Lloyd needs of any set of rows: counts, weights, and sums by cluster.

    Parameters
    ----------
    counts
        Rows of each cluster, shape (n_clusters,).
    weights
        Their total weight, shape (n_clusters, 1), or None where all weigh one.
    sums
        Their weighted sum, shape (n_clusters, n_features).
    n_bad
        Rows with NaN or infinity, which are in no cluster.
    squares
        Weighted sum of the rows' squared lengths about the frame's shift, shape
        (n_clusters, 1), or None where it is not taken.
    """

    counts: I64
    weights: ExactSum | None
    sums: ExactSum
    n_bad: int = 0
    squares: ExactSum | None = None

    @classmethod
    def merge_all(cls, parts: Sequence[PartialSums]) -> PartialSums:
        """Add them all."""
        weights = [part.weights for part in parts if part.weights is not None]
        squares = [part.squares for part in parts if part.squares is not None]
        return cls(
            counts=np.sum([part.counts for part in parts], axis=0),
            weights=ExactSum.merge_all(weights) if weights else None,
            sums=ExactSum.merge_all([part.sums for part in parts]),
            n_bad=sum(part.n_bad for part in parts),
            squares=ExactSum.merge_all(squares) if squares else None,
        )

    def mass(self) -> F64:
        """Total weight of each cluster, shape (n_clusters,)."""
        if self.weights is None:
            return self.counts.astype(np.float64)
        return self.weights.value()[:, 0]

    def spread(self, centers: F64, shift: F64) -> F64:
        """Weighted squared distances of the rows to their centers, shape (n_clusters,).

        From the `squares` about `shift`, which is close to the mean: a cluster so
        tight that its spread is lost in them may get some 1e-16 of them, or zero.
        """
        assert self.squares is not None
        change = change_of_squares(self.sums, self.mass(), centers, shift)
        spread: F64 = np.maximum(self.squares.value()[:, 0] + change, 0.0)
        return spread


@dataclass(frozen=True, slots=True)
class Inertia:
    """Weighted sum of squared distances, and the rows of each cluster.

    The sum finds its own grid: clusters may be far tighter than the data is wide.
    """

    total: BinnedSum
    counts: I64

    @classmethod
    def merge_all(cls, parts: Sequence[Inertia]) -> Inertia:
        """Add them all."""
        return cls(
            BinnedSum.merge_all([part.total for part in parts]),
            np.sum([part.counts for part in parts], axis=0),
        )

    def value(self) -> float:
        """Return the inertia."""
        return float(self.total.value()[0])


def inertia_of(sq_dist: F64, labels: I32, weights: F64 | None, n_clusters: int) -> Inertia:
    """Sum squared distances, order-free; rows with label -1 must not occur."""
    values = sq_dist if weights is None else sq_dist * weights
    total = BinnedSum.zeros(1)
    add_column(total, values)
    return Inertia(total, np.bincount(labels, minlength=n_clusters).astype(np.int64))
