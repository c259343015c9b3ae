"""The covariance of the rows, order-free and at the speed of matrix products.

Each value is split into two whole numbers so small that no sum of products
over a tile is rounded. Matrix products of them are exact whatever the order
in which they add, so that they may be left to BLAS; the tiles are added as
integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.tile import seen_rows
from streamkm.kernels.view import AS_THEY_ARE, View
from streamkm.typing import F64, I64, Rows

MAX_BITS: Final = 16  # of each half: 2**20 products of 2 * 16 bits stay under 2**53
TILE_VALUES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class CovarianceSums:
    """Sums of products of features over rows, in units of the grid that made them.

    Parameters
    ----------
    high, low
        Products of the high halves, and those of high with low halves, shape
        (n_features, n_features).
    n_rows
        Rows that were added.
    """

    high: I64
    low: I64
    n_rows: int

    @classmethod
    def merge_all(cls, parts: Sequence[CovarianceSums]) -> CovarianceSums:
        """Add them all."""
        high, low = parts[0].high.copy(), parts[0].low.copy()
        for part in parts[1:]:
            high += part.high
            low += part.low
        return cls(high, low, sum(part.n_rows for part in parts))


@dataclass(frozen=True, slots=True)
class ProductGrid:
    """How values become pairs of whole numbers.

    Parameters
    ----------
    mean
        Taken off first, shape (n_features,).
    exponents
        Powers of two that bring each feature's largest deviation under
        2**bits, shape (n_features,).
    bits
        Of the halves.
    view
        How rows are seen before all.

    References
    ----------
    Ozaki, Ogita, Oishi & Rump, "Error-free transformations of matrix
    multiplication by using fast routines of matrix multiplication", Numer.
    Algorithms 59, 2012, section 3.
    """

    mean: F64
    exponents: I64
    bits: int
    view: View = AS_THEY_ARE

    @classmethod
    def of(cls, mean: F64, reach: F64, n_rows: int, view: View = AS_THEY_ARE) -> ProductGrid:
        """Return the grid for rows that are at most `reach` from the mean, shape (n_features,)."""
        bits = min(MAX_BITS, (62 - int(n_rows).bit_length()) // 2)
        exponents = np.where(reach > 0.0, bits - np.frexp(reach)[1], 0).astype(np.int64)
        return cls(mean, exponents, bits, view)

    def covariance(self, sums: CovarianceSums, weight: float) -> F64:
        """Return the covariance, the rows weighing `weight` in all."""
        units = np.ldexp(sums.low.astype(np.float64), -self.bits) + sums.high
        matrix: F64 = np.ldexp(units, -(self.exponents[:, None] + self.exponents)) / weight
        return matrix

    def halves(self, rows: Rows, weights: F64 | None) -> tuple[F64, F64]:
        """Split rows; a weight counts with its root, once in each factor of a product."""
        values = seen_rows(rows, self.view) - self.mean
        if weights is not None:
            values *= np.sqrt(weights)[:, None]
        values = np.ldexp(values, self.exponents)
        high = np.rint(values)
        values -= high
        return high, np.rint(np.ldexp(values, self.bits, out=values), out=values)


class CovarianceAccumulator:
    """Adds blocks of rows to the sums; O(n_rows * n_features^2)."""

    def __init__(self, grid: ProductGrid) -> None:
        n_features = len(grid.mean)
        self.grid = grid
        self.high = np.zeros((n_features, n_features), np.int64)
        self.low = np.zeros((n_features, n_features), np.int64)
        self.n_rows = 0

    def add(self, rows: Rows, weights: F64 | None) -> None:
        """Add a block of finite rows."""
        step = max(TILE_VALUES // rows.shape[1], 1)
        for start in range(0, len(rows), step):
            mass = None if weights is None else weights[start : start + step]
            high, low = self.grid.halves(rows[start : start + step], mass)
            self.high += (high.T @ high).astype(np.int64)
            crossed = (high.T @ low).astype(np.int64)
            self.low += crossed
            self.low += crossed.T
        self.n_rows += len(rows)

    def result(self) -> CovarianceSums:
        """Return what was added so far."""
        return CovarianceSums(self.high, self.low, self.n_rows)
