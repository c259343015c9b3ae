"""Blocks of rows added to the sums of their clusters, and labeled on the way."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.assign import assign, assign_tile
from streamkm.kernels.centers import CenterArrays, Centers, prepare
from streamkm.kernels.compiled import ONE, ZERO, compiled
from streamkm.kernels.exact_sum import FLUSH_ROWS, ExactSum, add_rows, flush, move_rows, rounders
from streamkm.kernels.frame import Frame, FrameArrays
from streamkm.kernels.lloyd import Grids, PartialSums, add_by_label
from streamkm.kernels.panels import make_scratch
from streamkm.kernels.tile import load_tile, readable, see_tile, tile_rows
from streamkm.kernels.view import ViewArrays
from streamkm.typing import F32, F64, I32, I64, Rows

MOVED_ROWS: Final = 64  # that are taken together from where they were to where they are

# What compiled code takes of an ExactSum: scratch, limbs, exponents, rounding constants.
SumArrays = tuple[F64, I64, I32, F64]


class SumsAccumulator:
    """Adds blocks of labeled rows, as a frame sees them, to the partial sums of one model."""

    def __init__(self, n_clusters: int, grids: Grids, frame: Frame) -> None:
        self.grids, self.view = grids, frame.view
        self.counts = np.zeros(n_clusters, np.int64)
        self.sums = ExactSum.zeros((n_clusters, len(frame.shift)), grids.sums)
        n_limbs, _, n_features = self.sums.limbs.shape
        self.scratch = np.zeros((n_limbs, n_clusters + 1, n_features))  # the last: no cluster's
        self.constants = rounders(grids.sums)
        self.weights: ExactSum | None = None
        if grids.weights is not None:
            self.weights = ExactSum.zeros((n_clusters, 1), grids.weights)
        self.squares: ExactSum | None = None
        if grids.squares is not None:
            self.squares = ExactSum.zeros((n_clusters, 1), grids.squares)
            self._origin = prepare(frame.shift[None], frame)
        self.n_bad = 0

    def add_labeled(self, rows: Rows, weights: F64 | None, labels: I32) -> None:
        """Add a block; rows with a negative label are left out."""
        native, table = readable(rows)
        _sum_block(native, table, weights, labels, self.view.arrays, self._arrays())
        self._count(rows, weights, labels)

    def move(self, rows: Rows, weights: F64 | None, old: I32, new: I32) -> int:
        """Add what a block's new labels change; return how many rows have another one.

        A row whose old one is negative was in no sum.
        """
        moved = np.flatnonzero(old != new)
        if not len(moved):
            return 0
        native, table = readable(rows)
        _move_block(native, table, weights, moved, old, new, self.view.arrays, self._arrays())
        mass = None if weights is None else weights[moved]
        seen = rows if self.squares is None else rows[moved]
        self._count(seen, mass, new[moved], old[moved])
        return len(moved)

    def _arrays(self) -> SumArrays:
        return self.scratch, self.sums.limbs, self.grids.sums, self.constants

    def _count(self, rows: Rows, weights: F64 | None, new: I32, old: I32 | None = None) -> None:
        """Count rows where they are, and no more where they were."""
        squares = None
        if self.squares is not None:
            squares = assign(rows, self._origin)[1]
            if weights is not None:
                squares *= weights
        for sign, labels in ((1, new), (-1, old)):
            if labels is None:
                continue
            self.counts += sign * np.bincount(labels[labels >= 0], minlength=len(self.counts))
            if weights is not None and self.weights is not None:
                add_by_label(self.weights, sign * weights, labels)
            if squares is not None and self.squares is not None:
                add_by_label(self.squares, sign * squares, labels)

    def result(self) -> PartialSums:
        """Return what was added so far."""
        return PartialSums(self.counts, self.weights, self.sums, self.n_bad, self.squares)


class LloydAccumulator(SumsAccumulator):
    """Labels blocks of rows with their nearest centers and adds them."""

    def __init__(self, centers: Centers, grids: Grids) -> None:
        super().__init__(len(centers.exact), grids, centers.frame)
        self.centers = centers

    def add(self, rows: Rows, weights: F64 | None, sq_dist: F64 | None = None) -> I32:
        """Add a block; return its labels (-1 for a row with NaN or infinity).

        Squared distances are taken too where there is a `sq_dist` to fill.
        """
        native, table = readable(rows)
        labels = np.empty(len(rows), np.int32)
        _lloyd_block(
            native,
            table,
            weights,
            self.centers.frame.arrays(rows.dtype),
            self.centers.arrays,
            labels,
            np.empty(0) if sq_dist is None else sq_dist,
            self._arrays(),
        )
        self.n_bad += int(np.count_nonzero(labels < 0))
        self._count(rows, weights, labels)
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
    found = make_scratch(centers)
    step = len(found[0])
    tile = np.empty((step, limbs.shape[2]))
    since_flush = 0
    for start in range(0, len(rows), step):
        n = min(step, len(rows) - start)
        assign_tile(rows, start, n, table, frame, centers, found, labels, sq_dist)
        see_tile(rows, start, n, table, frame[2], tile)
        _weigh(tile, n, weights, start)
        add_rows(tile, n, labels[start : start + n], scratch, constants)
        since_flush += n
        if since_flush > FLUSH_ROWS - step:
            flush(scratch, limbs, exponents)
            since_flush = 0
    flush(scratch, limbs, exponents)


@compiled
def _move_block(
    rows: Rows, table: F32 | None, weights: F64 | None, moved: I64, old: I32, new: I32,
    view: ViewArrays, sums: SumArrays,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Take rows back from where they were and add them where they are."""
    scratch, limbs, exponents, constants = sums
    step = min(tile_rows(limbs.shape[2], 1), MOVED_ROWS)
    tile = np.empty((step, limbs.shape[2]))
    here, there = np.empty(step, np.int32), np.empty(step, np.int32)
    since_flush = ZERO
    is_plain = view[4]
    for start in range(0, len(moved), step):
        n = min(step, len(moved) - start)
        for q in range(n):
            i, row = moved[start + q], tile[q : q + 1]
            if is_plain:
                load_tile(rows, i, ONE, table, row)
            else:
                see_tile(rows, i, ONE, table, view, row)
            if weights is not None:
                _weigh(row, ONE, weights, i)
            here[q], there[q] = new[i], old[i]
        move_rows(tile, n, here, there, scratch, constants)
        since_flush += 2 * n
        if since_flush > FLUSH_ROWS - 2 * step:
            flush(scratch, limbs, exponents)
            since_flush = ZERO
    flush(scratch, limbs, exponents)


@compiled
def _sum_block(
    rows: Rows, table: F32 | None, weights: F64 | None, labels: I32,
    view: ViewArrays, sums: SumArrays,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    scratch, limbs, exponents, constants = sums
    n_rows, n_features = len(rows), limbs.shape[2]
    step = tile_rows(n_features, 1)
    tile = np.empty((step, n_features))
    since_flush = 0
    for start in range(0, n_rows, step):
        n = min(step, n_rows - start)
        see_tile(rows, start, n, table, view, tile)
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
