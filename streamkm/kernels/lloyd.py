"""One Lloyd pass over a block: labels, and the sums and counts behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamkm.kernels.assign import CenterArrays, assign_tile
from streamkm.kernels.binned_sum import BinnedSum, add_column
from streamkm.kernels.centers import Centers
from streamkm.kernels.compiled import compiled
from streamkm.kernels.exact_sum import FLUSH_ROWS, ExactSum, add_rows, flush, rounders
from streamkm.kernels.tile import FrameArrays, load_tile, normalize, readable, tile_rows
from streamkm.typing import F32, F64, I32, I64, Rows

# What compiled code takes of an ExactSum: scratch, limbs, exponents, rounding constants.
SumArrays = tuple[F64, I64, I32, F64]


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
    """

    sums: I32
    weights: I32 | None


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
    """

    counts: I64
    weights: ExactSum | None
    sums: ExactSum
    n_bad: int = 0

    @classmethod
    def merge_all(cls, parts: Sequence[PartialSums]) -> PartialSums:
        """Add them all."""
        weights = [part.weights for part in parts if part.weights is not None]
        return cls(
            counts=np.sum([part.counts for part in parts], axis=0),
            weights=ExactSum.merge_all(weights) if weights else None,
            sums=ExactSum.merge_all([part.sums for part in parts]),
            n_bad=sum(part.n_bad for part in parts),
        )

    def mass(self) -> F64:
        """Total weight of each cluster, shape (n_clusters,)."""
        if self.weights is None:
            return self.counts.astype(np.float64)
        return self.weights.value()[:, 0]


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


def add_by_label(total: ExactSum, values: F64, labels: I32) -> None:
    """Add numbers to a sum of shape (n_clusters, 1), in place, each to its label's."""
    scratch = np.zeros(total.limbs.shape)
    constants = rounders(total.exponents)
    for start in range(0, len(values), FLUSH_ROWS):
        stop = min(start + FLUSH_ROWS, len(values))
        part = np.ascontiguousarray(values[start:stop, None])
        add_rows(part, stop - start, labels[start:stop], scratch, constants)
        flush(scratch, total.limbs, total.exponents)


class SumsAccumulator:
    """Adds blocks of labeled rows to the partial sums of one model."""

    def __init__(self, n_clusters: int, n_features: int, grids: Grids) -> None:
        self.grids = grids
        self.counts = np.zeros(n_clusters, np.int64)
        self.sums = ExactSum.zeros((n_clusters, n_features), grids.sums)
        self.scratch = np.zeros(self.sums.limbs.shape)
        self.constants = rounders(grids.sums)
        self.weights: ExactSum | None = None
        if grids.weights is not None:
            self.weights = ExactSum.zeros((n_clusters, 1), grids.weights)
        self.n_bad = 0

    def add_labeled(self, rows: Rows, weights: F64 | None, labels: I32) -> None:
        """Add a block; rows with a negative label are left out."""
        native, table = readable(rows)
        _sum_block(native, table, weights, labels, self._arrays())
        self._count(weights, labels)

    def _arrays(self) -> SumArrays:
        return self.scratch, self.sums.limbs, self.grids.sums, self.constants

    def _count(self, weights: F64 | None, labels: I32) -> None:
        self.counts += np.bincount(labels[labels >= 0], minlength=len(self.counts))
        if weights is not None and self.weights is not None:
            add_by_label(self.weights, weights, labels)

    def result(self) -> PartialSums:
        """Return what was added so far."""
        return PartialSums(self.counts, self.weights, self.sums, self.n_bad)


class LloydAccumulator(SumsAccumulator):
    """Labels blocks of rows with their nearest centers and adds them."""

    def __init__(self, centers: Centers, grids: Grids) -> None:
        n_clusters, n_features = centers.exact.shape
        super().__init__(n_clusters, n_features, grids)
        self.centers = centers

    def add(self, rows: Rows, weights: F64 | None, sq_dist: F64 | None = None) -> I32:
        """Add a block; return its labels (-1 for a row with NaN or infinity).

        Squared distances are taken too where there is a `sq_dist` to fill.
        """
        native, table = readable(rows)
        labels = np.empty(len(rows), np.int32)
        center = self.centers
        _lloyd_block(
            native,
            table,
            weights,
            center.frame.arrays,
            (center.exact, center.scores, center.norms, center.max_norm),
            labels,
            np.empty(0) if sq_dist is None else sq_dist,
            self._arrays(),
        )
        self.n_bad += int(np.count_nonzero(labels < 0))
        self._count(weights, labels)
        return labels


@compiled
def _lloyd_block(
    rows: Rows,
    table: F32 | None,
    weights: F64 | None,
    frame: FrameArrays,
    centers: CenterArrays,
    labels: I32,
    sq_dist: F64,
    sums: SumArrays,
) -> None:  # pragma: no cover - compiled
    scratch, limbs, exponents, constants = sums
    n_rows, n_features = rows.shape
    step = tile_rows(n_features, len(centers[0]))
    tile = np.empty((step, n_features))
    framed = np.zeros((step, n_features), np.float32)
    scores = np.empty((step, len(centers[0])), np.float32)
    since_flush = 0
    for start in range(0, n_rows, step):
        n = min(step, n_rows - start)
        load_tile(rows, start, n, table, tile)
        if frame[2]:
            normalize(tile, n)
        part = labels[start : start + n]
        out = sq_dist[start : start + n] if len(sq_dist) else sq_dist
        assign_tile(tile, n, frame, centers, framed, scores, part, out)
        _weigh(tile, n, weights, start)
        add_rows(tile, n, part, scratch, constants)
        since_flush += n
        if since_flush > FLUSH_ROWS - step:
            flush(scratch, limbs, exponents)
            since_flush = 0
    flush(scratch, limbs, exponents)


@compiled
def _sum_block(
    rows: Rows, table: F32 | None, weights: F64 | None, labels: I32, sums: SumArrays
) -> None:  # pragma: no cover - compiled
    scratch, limbs, exponents, constants = sums
    n_rows, n_features = rows.shape
    step = tile_rows(n_features, 1)
    tile = np.empty((step, n_features))
    since_flush = 0
    for start in range(0, n_rows, step):
        n = min(step, n_rows - start)
        load_tile(rows, start, n, table, tile)
        _weigh(tile, n, weights, start)
        add_rows(tile, n, labels[start : start + n], scratch, constants)
        since_flush += n
        if since_flush > FLUSH_ROWS - step:
            flush(scratch, limbs, exponents)
            since_flush = 0
    flush(scratch, limbs, exponents)


@compiled
def _weigh(
    tile: F64, n: int, weights: F64 | None, start: int
) -> None:  # pragma: no cover - compiled
    """Multiply the rows of a tile by their weights, in place."""
    if weights is not None:
        for i in range(n):
            for j in range(tile.shape[1]):
                tile[i, j] *= weights[start + i]
