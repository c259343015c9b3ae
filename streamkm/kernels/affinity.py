"""Affinities of rows to landmarks, a piece of a block at a time.

Every number is plain float64 arithmetic in one fixed order for each row, so
that its bits do not depend on where the row stands in a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.assign import distance_between
from streamkm.kernels.compiled import compiled
from streamkm.kernels.exact_sum import FLUSH_ROWS, ExactSum, add_rows, flush, rounders
from streamkm.kernels.tile import load_tile, readable
from streamkm.typing import F32, F64, I32, Rows

PIECE_ROWS: Final = 256  # affinities to all of 1000 landmarks are then 2 MiB


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Points that stand for the data, and how rows are tied to them.

    Parameters
    ----------
    points
        Shape (n_landmarks, n_features).
    bandwidth
        Standard deviation of the Gaussian kernel, in units of the data.
    n_neighbors
        How many of the nearest landmarks a row is tied to; n_landmarks for all.
    """

    points: F64
    bandwidth: float
    n_neighbors: int

    def neighbors(self, rows: Rows) -> tuple[I32, F64]:
        """Return the landmarks that rows are tied to, and the squared distances.

        Parameters
        ----------
        rows
            Shape (n_rows, n_features), any real dtype.

        Returns
        -------
        index
            Shape (n_rows, n_neighbors): nearest first, ties to the lowest
            index; all in their own order where n_neighbors is n_landmarks.
        sq_dist
            Squared Euclidean distances, same shape; not finite in a row with
            NaN or infinity.

        Notes
        -----
        O(n_rows * n_landmarks * n_features) time.
        """
        native, table = readable(rows)
        index = np.empty((len(rows), self.n_neighbors), np.int32)
        sq_dist = np.empty((len(rows), self.n_neighbors))
        _neighbors(native, table, self.points, index, sq_dist)
        return index, sq_dist

    def affinities(self, rows: Rows, *, is_relative: bool = True) -> tuple[I32, F64]:
        """Return the landmarks that rows are tied to, and the Gaussian affinities.

        Parameters
        ----------
        rows
            As for `neighbors`.
        is_relative
            Whether affinities are divided by the row's largest one, so that no
            row is too far from all landmarks.

        Returns
        -------
        index
            As of `neighbors`.
        values
            exp(-sq_dist / (2 bandwidth^2)), in [0, 1], same shape; NaN in a row
            with NaN or infinity.
        """
        index, values = self.neighbors(rows)
        _to_affinities(values, 0.5 / self.bandwidth**2, is_relative)
        return index, values


def pieces(rows: Rows, weights: F64 | None = None) -> Iterator[tuple[Rows, F64]]:
    """Cut a block, and give every row its weight."""
    mass = np.ones(len(rows)) if weights is None else weights
    for start in range(0, len(rows), PIECE_ROWS):
        yield rows[start : start + PIECE_ROWS], mass[start : start + PIECE_ROWS]


class ProductSums:
    """Adds up w z z^T over rows, order-free; only the upper triangle.

    Parameters
    ----------
    exponents
        Grid of the products, the same for every landmark, shape (2, n_landmarks).
    """

    def __init__(self, exponents: I32) -> None:
        n_landmarks = exponents.shape[1]
        self.total = ExactSum.zeros((n_landmarks, n_landmarks), exponents)
        self._scratch = np.zeros(self.total.limbs.shape)
        self._constants = rounders(exponents)[:, 0]
        self._n_rows = 0

    def add(self, index: I32, values: F64, weights: F64) -> None:
        """Add a piece: values of rows at the landmarks of `index`."""
        if self._n_rows + len(values) > FLUSH_ROWS:
            self._flush()
        self._n_rows += len(values)
        if values.shape[1] == len(self._scratch[0]):
            _add_dense(values, weights, self._scratch, self._constants)
        else:
            _add_sparse(index, values, weights, self._scratch, self._constants)

    def _flush(self) -> None:
        flush(self._scratch, self.total.limbs, self.total.exponents)
        self._n_rows = 0

    def result(self) -> ExactSum:
        """Return what was added so far, shape (n_landmarks, n_landmarks)."""
        self._flush()
        return self.total


def sum_values(values: F64, weights: F64, exponents: I32) -> ExactSum:
    """Return the sum of w z over the rows of a piece, shape (1, n_landmarks)."""
    total = ExactSum.zeros((1, values.shape[1]), exponents)
    scratch = np.zeros(total.limbs.shape)
    labels = np.zeros(len(values), np.int32)
    add_rows(values * weights[:, None], len(values), labels, scratch, rounders(exponents))
    flush(scratch, total.limbs, exponents)
    return total


@compiled
def _neighbors(
    rows: Rows, table: F32 | None, points: F64, index: I32, sq_dist: F64
) -> None:  # pragma: no cover - compiled
    n_points = len(points)
    last = index.shape[1] - 1
    tile = np.empty((1, rows.shape[1]))
    for i in range(len(rows)):
        load_tile(rows, i, 1, table, tile)
        if last == n_points - 1:
            for k in range(n_points):
                index[i, k] = k
                sq_dist[i, k] = distance_between(tile[0], points[k])
            continue
        index[i, :] = 0
        sq_dist[i, :] = np.inf
        for k in range(n_points):
            distance = distance_between(tile[0], points[k])
            if distance < sq_dist[i, last]:
                j = last
                while j > 0 and sq_dist[i, j - 1] > distance:
                    index[i, j], sq_dist[i, j] = index[i, j - 1], sq_dist[i, j - 1]
                    j -= 1
                index[i, j], sq_dist[i, j] = k, distance


@compiled
def _to_affinities(
    values: F64, factor: float, is_relative: bool
) -> None:  # pragma: no cover - compiled
    for i in range(len(values)):
        nearest = np.inf if is_relative else 0.0
        if is_relative:
            for j in range(values.shape[1]):
                nearest = min(nearest, values[i, j])
        for j in range(values.shape[1]):
            values[i, j] = np.exp(-(values[i, j] - nearest) * factor)


@compiled
def divide_by_sums(values: F64) -> None:  # pragma: no cover - compiled
    """Divide every row by its sum, in place."""
    for i in range(len(values)):
        total = 0.0
        for j in range(values.shape[1]):
            total += values[i, j]
        for j in range(values.shape[1]):
            values[i, j] /= total


@compiled
def divide_by_degrees(values: F64, pull: F64, floor: float) -> None:  # pragma: no cover - compiled
    """Divide every row by the root of its degree, values . pull, at least `floor`."""
    for i in range(len(values)):
        degree = 0.0
        for j in range(values.shape[1]):
            degree += values[i, j] * pull[j]
        root = np.sqrt(max(degree, floor))
        for j in range(values.shape[1]):
            values[i, j] /= root


@compiled
def _add_sparse(
    index: I32, values: F64, weights: F64, scratch: F64, constants: F64
) -> None:  # pragma: no cover - compiled
    high, low = constants[0], constants[1]
    for i in range(len(values)):
        for a in range(values.shape[1]):
            for b in range(a, values.shape[1]):
                value = weights[i] * (values[i, a] * values[i, b])
                top = (value + high) - high
                row, column = index[i, a], index[i, b]
                if row > column:
                    row, column = column, row
                scratch[0, row, column] += top
                scratch[1, row, column] += ((value - top) + low) - low


@compiled
def _add_dense(
    values: F64, weights: F64, scratch: F64, constants: F64
) -> None:  # pragma: no cover - compiled
    high, low = constants[0], constants[1]
    for a in range(values.shape[1]):
        upper, lower = scratch[0, a], scratch[1, a]
        for i in range(len(values)):
            left = weights[i]
            for b in range(a, values.shape[1]):
                value = left * (values[i, a] * values[i, b])
                top = (value + high) - high
                upper[b] += top
                lower[b] += ((value - top) + low) - low
