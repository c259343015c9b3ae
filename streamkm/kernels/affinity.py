"""Affinities of rows to landmarks, a piece of a block at a time.

Every number is plain float64 arithmetic in one fixed order for each row, so
that its bits do not depend on where the row stands in a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.assign import (
    distance_between,
    error_bound,
)
from streamkm.kernels.centers import CenterArrays, prepare
from streamkm.kernels.compiled import ONE, compiled, compiled_making
from streamkm.kernels.frame import Frame, FrameArrays, square_of
from streamkm.kernels.scores import score_tile
from streamkm.kernels.tile import readable, see_tile, tile_rows
from streamkm.kernels.view import ViewArrays
from streamkm.typing import F32, F64, I32, Rows

PIECE_ROWS: Final = 512
PIECE_VALUES: Final = 1 << 18  # 2 MiB of affinities and 1 MiB of indices


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Points that stand for the data, and how rows are tied to them.

    Parameters
    ----------
    points
        Shape (n_landmarks, n_features).
    frame
        Of the data, and how its rows are seen; no bit depends on the rest of it.
    bandwidth
        Standard deviation of the Gaussian kernel, in units of the data.
    n_neighbors
        How many of the nearest landmarks a row is tied to; n_landmarks for all.
    """

    points: F64
    frame: Frame
    bandwidth: float
    n_neighbors: int

    def pieces(self, rows: Rows, weights: F64 | None = None) -> Iterator[tuple[Rows, F64]]:
        """Cut a block so that affinities stay small, and give every row its weight."""
        mass = np.ones(len(rows)) if weights is None else weights
        step = min(max(PIECE_VALUES // self.n_neighbors, 1), PIECE_ROWS)
        for start in range(0, len(rows), step):
            yield rows[start : start + step], mass[start : start + step]

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
        if self.n_neighbors == len(self.points):
            _all_distances(native, table, self.frame.view.arrays, self.points, index, sq_dist)
            return index, sq_dist
        made = prepare(self.points, self.frame)
        arrays = made.arrays
        _nearest_few(native, table, self.frame.arrays(rows.dtype), arrays, index, sq_dist)
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


@compiled_making
def _all_distances(
    rows: Rows, table: F32 | None, view: ViewArrays, points: F64, index: I32, sq_dist: F64
) -> None:  # pragma: no cover - compiled
    tile = np.empty((1, points.shape[1]))
    for i in range(len(rows)):
        see_tile(rows, i, ONE, table, view, tile)
        for k in range(len(points)):
            index[i, k] = k
            sq_dist[i, k] = distance_between(tile[0], points[k])


@compiled_making
def _nearest_few(
    rows: Rows,
    table: F32 | None,
    frame: FrameArrays,
    centers: CenterArrays,
    index: I32,
    sq_dist: F64,
) -> None:  # pragma: no cover - compiled
    """Let float32 scores say which landmarks need a distance, as `assign` does."""
    shift, scale, view, _ = frame
    exact, doubled, norms, max_norm = centers[:4]
    step = tile_rows(len(shift), len(exact))
    tile = np.empty((step, len(shift)))
    framed = np.zeros((step, len(shift)), np.float32)
    scores = np.empty((step, len(exact)), np.float32)
    smallest = np.empty(index.shape[1])
    for start in range(0, len(rows), step):
        n = min(step, len(rows) - start)
        see_tile(rows, start, n, table, view, tile)
        for i in range(n):
            for j in range(len(shift)):
                framed[i, j] = np.float32((tile[i, j] - shift[j]) * scale)
        score_tile(framed, n, doubled, norms, scores)
        for i in range(n):
            size = np.sqrt(np.float64(square_of(framed[i])))
            bound = error_bound(size, len(shift), max_norm)
            threshold = np.inf
            if size < 1e15 and bound < 1e30:  # NaN is neither
                threshold = _kth_smallest(scores[i], smallest) + bound
            _insert_nearest(
                tile[i], exact, scores[i], threshold, index[start + i], sq_dist[start + i]
            )


@compiled
def _kth_smallest(scores: F32, smallest: F64) -> float:  # pragma: no cover - compiled
    """Return the k-th smallest score, where `smallest` has room for k."""
    last = len(smallest) - 1
    smallest[:] = np.inf
    for k in range(len(scores)):
        if scores[k] < smallest[last]:
            j = last
            while j > 0 and smallest[j - 1] > scores[k]:
                smallest[j] = smallest[j - 1]
                j -= 1
            smallest[j] = scores[k]
    return float(smallest[last])


@compiled
def _insert_nearest(
    x: F64, points: F64, scores: F32, threshold: float, index: I32, sq_dist: F64
) -> None:  # pragma: no cover - compiled
    last = len(index) - 1
    index[:] = 0
    sq_dist[:] = np.inf
    for k in range(len(points)):
        if scores[k] > threshold:
            continue
        distance = distance_between(x, points[k])
        if distance < sq_dist[last]:
            j = last
            while j > 0 and sq_dist[j - 1] > distance:
                index[j], sq_dist[j] = index[j - 1], sq_dist[j - 1]
                j -= 1
            index[j], sq_dist[j] = k, distance


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
