"""How far rows are from their own cluster and from the next, in linear time.

The mean squared distance of a row to all members of a cluster is its squared
distance to their mean plus their mean squared distance to it (the parallel
axis theorem): what takes O(n_rows^2) by pairs is O(n_rows * n_clusters).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.kernels.assign import (
    distance_between,
    error_bound,
    near_best,
)
from streamkm.kernels.centers import Centers, prepare
from streamkm.kernels.compiled import compiled, compiled_making
from streamkm.kernels.frame import Frame, FrameArrays, square_of
from streamkm.kernels.members import MemberMoments
from streamkm.kernels.scores import score_tile
from streamkm.kernels.tile import readable, see_tile, tile_rows
from streamkm.typing import F32, F64, I32, I64, Rows

MeanArrays = tuple[F64, F32, F32, float]  # exact, scores, norms, and the reach of the bound


@dataclass(frozen=True, slots=True)
class Means:
    """The members of all clusters, made ready to measure rows against.

    Parameters
    ----------
    counts
        Rows of each cluster, shape (n_clusters,). One without rows takes part in nothing.
    exact
        Their means less the frame's shift, shape (n_clusters, n_features).
    spread
        Sum of their squared distances to their mean, shape (n_clusters,).
    frame
        Where distances are measured from.
    """

    counts: I64
    exact: F64
    spread: F64
    frame: Frame

    @classmethod
    def of(cls, members: MemberMoments, frame: Frame) -> Means:
        """Return the means of members."""
        counts, offsets = members.counts, members.offsets
        exact = offsets + (members.centers - frame.shift)
        exact[counts == 0] = 0.0
        spread = members.spread - counts * np.einsum("ij,ij->i", offsets, offsets)
        spread[counts <= 1] = 0.0
        return cls(counts, exact, np.maximum(spread, 0.0), frame)

    @property
    def mean(self) -> F64:
        """Mean of all rows less the frame's shift, shape (n_features,)."""
        return np.asarray((self.counts[:, None] * self.exact).sum(axis=0) / self.counts.sum())

    @property
    def between(self) -> float:
        """Sum over rows of the squared distance of their cluster's mean to the mean of all."""
        offsets = self.exact - self.mean
        return float((self.counts * np.einsum("ij,ij->i", offsets, offsets)).sum())

    @property
    def is_separable(self) -> bool:
        """Whether there are two clusters with rows."""
        return int(np.count_nonzero(self.counts)) > 1

    def measure(self, rows: Rows, labels: I32) -> tuple[F64, F64, F64]:
        """Measure rows against their own cluster and the others.

        Parameters
        ----------
        rows
            Shape (n_rows, n_features), any real dtype.
        labels
            Their clusters, none negative, shape (n_rows,).

        Returns
        -------
        own
            Squared distance to the mean of the own cluster, shape (n_rows,).
        other
            The least squared distance to the mean of another cluster.
        all_other
            The least mean squared distance to all members of another cluster.
        """
        own, other, all_other = np.empty((3, len(rows)))
        scale = self.frame.scale
        ready = prepare(self.exact, Frame(np.zeros(self.exact.shape[1]), scale))
        extra = np.where(self.counts > 0, self.spread / np.maximum(self.counts, 1), np.inf)
        native, table = readable(rows)
        _measure_block(
            native,
            table,
            self.frame.arrays(rows.dtype),
            _with_reach(ready, extra, scale),
            (np.where(self.counts > 0, 0.0, np.inf), extra),
            labels,
            (own, other, all_other),
        )
        return own, other, all_other


def _with_reach(ready: Centers, extra: F64, scale: float) -> MeanArrays:
    """Return the arrays with a bound that holds for scores with the spread added."""
    squares = np.einsum("ij,ij->i", ready.exact, ready.exact) + np.where(extra < np.inf, extra, 0)
    # One more rounding of a score than `error_bound` counts: twice the square covers it.
    reach = float(np.sqrt(2.0 * squares.max(initial=0.0))) * scale
    return ready.exact, ready.scores, ready.norms, reach


@compiled_making
def _measure_block(
    rows: Rows,
    table: F32 | None,
    frame: FrameArrays,
    means: MeanArrays,
    extras: tuple[F64, F64],
    labels: I32,
    out: tuple[F64, F64, F64],
) -> None:  # pragma: no cover - compiled
    shift, scale, view, _ = frame
    exact, doubled, norms, reach = means
    own, other, all_other = out
    n_rows, n_features = len(rows), exact.shape[1]
    step = tile_rows(n_features, len(exact))
    tile = np.empty((step, n_features))
    framed = np.zeros((step, n_features), np.float32)
    scores = np.empty((step, len(exact)), np.float32)
    squared = scale * scale
    for start in range(0, n_rows, step):
        n = min(step, n_rows - start)
        see_tile(rows, start, n, table, view, tile)
        for i in range(n):
            for j in range(n_features):
                tile[i, j] -= shift[j]
                framed[i, j] = np.float32(tile[i, j] * scale)
        score_tile(framed, n, doubled, norms, scores)
        for i in range(n):
            row, label, score = start + i, labels[start + i], scores[i]
            size = np.sqrt(np.float64(square_of(framed[i])))
            bound = error_bound(size, n_features, reach)
            own[row] = distance_between(tile[i], exact[label])
            for k in range(len(score)):
                score[k] += np.float32(extras[0][k])
            score[label] = np.inf
            other[row] = _least(score, bound, size, label, tile[i], exact, extras[0])
            for k in range(len(score)):
                score[k] += np.float32(extras[1][k] * squared)
            all_other[row] = _least(score, bound, size, label, tile[i], exact, extras[1])


@compiled
def _least(
    scores: F32, bound: float, size: float, label: int, x: F64, means: F64, extra: F64
) -> float:  # pragma: no cover - compiled
    """Return the least squared distance plus extra, over all clusters but one, in float64."""
    is_safe = size < 1e15 and bound < 1e30  # NaN is neither
    threshold, count, last = near_best(scores, bound)
    if is_safe and count == 1:
        return float(distance_between(x, means[last]) + extra[last])
    least = np.inf
    for k in range(len(scores)):
        if k != label and (not is_safe or scores[k] <= threshold):
            least = min(least, distance_between(x, means[k]) + extra[k])
    return least
