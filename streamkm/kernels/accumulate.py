"""Blocks of rows added to the sums of their clusters, and labeled on the way."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.errors import SourceError
from streamkm.kernels.assign import assign, assign_tile
from streamkm.kernels.centers import CenterArrays, Centers, prepare
from streamkm.kernels.compiled import ONE, compiled, compiled_making
from streamkm.kernels.exact_sum import ExactSum
from streamkm.kernels.frame import Frame, FrameArrays
from streamkm.kernels.lloyd import Grids, PartialSums
from streamkm.kernels.open_sum import (
    OpenSum,
    SumArrays,
    add_integers,
    add_labeled,
    add_rows,
    is_whole,
    move_integers,
    move_rows,
)
from streamkm.kernels.panels import make_scratch
from streamkm.kernels.tile import is_exact_integer, load_tile, readable, see_tile, tile_rows
from streamkm.kernels.view import ViewArrays
from streamkm.typing import F32, F64, I32, I64, Rows

MOVED_ROWS: Final = 64  # that are taken together from where they were to where they are


class SumsAccumulator:
    """Adds blocks of labeled rows, as a frame sees them, to the partial sums of one model."""

    def __init__(self, n_clusters: int, grids: Grids, frame: Frame) -> None:
        self.grids, self.view = grids, frame.view
        self.counts = np.zeros(n_clusters, np.int64)
        total = ExactSum.zeros((n_clusters, len(frame.shift)), grids.sums)
        self.sums = OpenSum(total, n_spare=1, is_small=grids.is_small)  # and of those of no cluster
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
        native, table = self._readable(rows)
        _sum_block(native, table, weights, labels, self.view.arrays, self.sums.arrays)
        self._count(rows, weights, labels)

    def move(self, rows: Rows, weights: F64 | None, moved: I64, before: I32, labels: I32) -> None:
        """Add what the new labels of a block's moved rows change.

        A row whose label before is negative was in no sum.
        """
        if not len(moved):
            return
        native, table = self._readable(rows)
        now = labels[moved]
        _move_block(native, table, weights, moved, before, now, self.view.arrays, self.sums.arrays)
        mass = None if weights is None else weights[moved]
        seen = rows if self.squares is None else rows[moved]
        self._count(seen, mass, now, before)

    def _readable(self, rows: Rows) -> tuple[Rows, F32 | None]:
        """Return rows as compiled code takes them; refuse those that the sums cannot hold."""
        if len(self.grids.sums) == 1:
            most_bytes = 2 if self.grids.is_small else 4
            if not is_exact_integer(rows.dtype) or rows.dtype.itemsize > most_bytes:
                raise SourceError(
                    f"rows came as {rows.dtype}, where their source said that they are integers of "
                    f"at most {8 * most_bytes} bits; give it the dtype that it has"
                )
        return readable(rows)

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
            _count_rows(labels, sign, self.counts)
            if weights is not None and self.weights is not None:
                add_labeled(self.weights, sign * weights[:, None], labels)
            if squares is not None and self.squares is not None:
                add_labeled(self.squares, sign * squares[:, None], labels)

    def result(self) -> PartialSums:
        """Return what was added so far."""
        return PartialSums(self.counts, self.weights, self.sums.close(), self.n_bad, self.squares)


class LloydAccumulator(SumsAccumulator):
    """Labels blocks of rows with their nearest centers and adds them."""

    def __init__(self, centers: Centers, grids: Grids) -> None:
        super().__init__(len(centers.exact), grids, centers.frame)
        self.centers = centers

    def add(self, rows: Rows, weights: F64 | None, sq_dist: F64 | None = None) -> I32:
        """Add a block; return its labels (-1 for a row with NaN or infinity).

        Squared distances are taken too where there is a `sq_dist` to fill.
        """
        native, table = self._readable(rows)
        labels = np.empty(len(rows), np.int32)
        _lloyd_block(
            native,
            table,
            weights,
            self.centers.frame.arrays(rows.dtype),
            self.centers.arrays,
            labels,
            np.empty(0) if sq_dist is None else sq_dist,
            self.sums.arrays,
        )
        self.n_bad += int(np.count_nonzero(labels < 0))
        self._count(rows, weights, labels)
        return labels


@compiled
def _count_rows(labels: I32, sign: int, counts: I64) -> None:  # pragma: no cover - compiled
    for i in range(len(labels)):
        if labels[i] >= 0:
            counts[labels[i]] += sign


@compiled_making
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
    found = make_scratch(centers)
    step = len(found[0])
    tile = np.empty((step, sums[1].shape[2]))
    for start in range(0, len(rows), step):
        n = min(step, len(rows) - start)
        assign_tile(rows, start, n, table, frame, centers, found, labels, sq_dist)
        _add_tile(rows, start, n, table, weights, labels, frame[2], tile, sums)


@compiled_making
def _move_block(
    rows: Rows, table: F32 | None, weights: F64 | None, moved: I64, before: I32, now: I32,
    view: ViewArrays, sums: SumArrays,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Take rows back from where they were and add them where they are."""
    is_plain = view[4]
    if is_plain and is_whole(sums):
        move_integers(rows, moved, now, before, sums)
        return
    step = min(tile_rows(sums[1].shape[2], 1), MOVED_ROWS)
    tile = np.empty((step, sums[1].shape[2]))
    here, there = np.empty(step, np.int32), np.empty(step, np.int32)
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
            here[q], there[q] = now[start + q], before[start + q]
        move_rows(tile, n, here, there, sums)


@compiled_making
def _sum_block(
    rows: Rows, table: F32 | None, weights: F64 | None, labels: I32,
    view: ViewArrays, sums: SumArrays,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    n_rows, n_features = len(rows), sums[1].shape[2]
    step = tile_rows(n_features, 1)
    tile = np.empty((step, n_features))
    for start in range(0, n_rows, step):
        n = min(step, n_rows - start)
        _add_tile(rows, start, n, table, weights, labels, view, tile, sums)


@compiled
def _add_tile(
    rows: Rows, start: int, n: int, table: F32 | None, weights: F64 | None, labels: I32,
    view: ViewArrays, tile: F64, sums: SumArrays,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Add some rows of a block: integers as they lie there, others by a tile of float64."""
    if view[4] and is_whole(sums):
        add_integers(rows, start, n, labels, sums)
    else:
        see_tile(rows, start, n, table, view, tile)
        _weigh(tile, n, weights, start)
        add_rows(tile, n, labels[start : start + n], sums)


@compiled
def _weigh(
    tile: F64, n: int, weights: F64 | None, start: int
) -> None:  # pragma: no cover - compiled
    """Multiply the rows of a tile by their weights, in place."""
    if weights is not None:
        for i in range(n):
            for j in range(tile.shape[1]):
                tile[i, j] *= weights[start + i]
