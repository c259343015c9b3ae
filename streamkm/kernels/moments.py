"""Count, mean, variance, range and bad rows of the data, in one pass and any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.binned_sum import BinnedSum, add_binned, add_column, bin_constants
from streamkm.kernels.compiled import compiled
from streamkm.kernels.summary import Summary
from streamkm.kernels.tile import load_tile, normalize, readable, tile_rows
from streamkm.typing import F32, F64, I32, I64, Rows

FIRST_BAD_ROWS: Final = 5
LEAST_TILE_ROWS: Final = 32


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of the finite rows, each an order-free statistic.

    Parameters
    ----------
    count
        Finite rows.
    minimum, maximum
        By feature, shape (n_features,); +inf and -inf where there are no rows.
    shift
        What was taken off before summing (about the first rows' mean), so
        that an offset costs no digit.
    weight, sums, squares
        Order-free sums of w, w (x - shift) and w (x - shift)^2.
    max_weight
        The largest weight, 1 where every row weighs one.
    n_bad, bad_rows
        Rows with NaN or infinity: how many, and the lowest row numbers.
    n_zero
        Rows of zeros: counted where rows are scaled to unit length.
    """

    count: int
    minimum: F64
    maximum: F64
    shift: F64
    weight: BinnedSum
    sums: BinnedSum
    squares: BinnedSum
    max_weight: float
    n_bad: int
    bad_rows: I64
    n_zero: int = 0

    @classmethod
    def merge_all(cls, parts: Sequence[Moments]) -> Moments:
        """Merge moments that share a shift."""
        bad = np.sort(np.concatenate([part.bad_rows for part in parts]))
        return cls(
            count=sum(part.count for part in parts),
            minimum=np.min([part.minimum for part in parts], axis=0),
            maximum=np.max([part.maximum for part in parts], axis=0),
            shift=parts[0].shift,
            weight=BinnedSum.merge_all([part.weight for part in parts]),
            sums=BinnedSum.merge_all([part.sums for part in parts]),
            squares=BinnedSum.merge_all([part.squares for part in parts]),
            max_weight=max(part.max_weight for part in parts),
            n_bad=sum(part.n_bad for part in parts),
            bad_rows=bad[:FIRST_BAD_ROWS],
            n_zero=sum(part.n_zero for part in parts),
        )

    def summary(self) -> Summary:
        """Finish: plain numbers."""
        mass = float(self.weight.value()[0])
        offset = self.sums.value() / mass if mass > 0 else np.zeros_like(self.shift)
        squares = self.squares.value() - mass * offset**2
        return Summary(
            count=self.count,
            weight=mass,
            max_weight=self.max_weight,
            mean=self.shift + offset,
            m2=np.maximum(squares, 0.0),
            minimum=self.minimum,
            maximum=self.maximum,
        )


class MomentsAccumulator:
    """Adds blocks of rows to the moments; where `is_unit`, scaled to unit length."""

    def __init__(self, shift: F64, *, is_unit: bool = False) -> None:
        n_features = len(shift)
        self.is_unit = is_unit
        self.n_zero = 0
        self.shift = shift
        self.range = np.stack([np.full(n_features, np.inf), np.full(n_features, -np.inf)])
        self.weight = BinnedSum.zeros(1)
        self.sums = BinnedSum.zeros(n_features)
        self.squares = BinnedSum.zeros(n_features)
        self.count = 0
        self.max_weight = 0.0
        self.n_bad = 0
        self.bad_rows: list[int] = []

    def add(self, rows: Rows, weights: F64 | None, start: int) -> None:
        """Add a block whose first row is row `start` of the data."""
        native, table = readable(rows)
        is_bad = np.zeros(len(rows), np.bool_)
        sums = (self.sums.limbs, self.sums.top, bin_constants(self.sums.top))
        squares = (self.squares.limbs, self.squares.top, bin_constants(self.squares.top))
        self.n_zero += _moments_block(
            native, table, weights, (self.shift, self.is_unit), self.range, sums, squares, is_bad
        )
        bad = np.flatnonzero(is_bad)
        good_weights = np.ones(len(rows)) if weights is None else weights
        if len(bad):
            good_weights = np.delete(good_weights, bad)
            self.n_bad += len(bad)
            self.bad_rows = sorted(self.bad_rows + (bad[:FIRST_BAD_ROWS] + start).tolist())
        self.count += len(good_weights)
        add_column(self.weight, good_weights)
        self.max_weight = max(self.max_weight, float(good_weights.max(initial=0.0)))

    def result(self) -> Moments:
        """Return what was added so far."""
        return Moments(
            count=self.count,
            minimum=self.range[0],
            maximum=self.range[1],
            shift=self.shift,
            weight=self.weight,
            sums=self.sums,
            squares=self.squares,
            max_weight=self.max_weight,
            n_bad=self.n_bad,
            bad_rows=np.array(self.bad_rows[:FIRST_BAD_ROWS], np.int64),
            n_zero=self.n_zero,
        )


def find_bad_rows(rows: Rows) -> I64:
    """Return the positions of rows with NaN or infinity."""
    if rows.dtype.kind != "f":
        return np.empty(0, np.int64)
    # A sum is not finite where a value is not, and seldom else: a full look at those alone.
    with np.errstate(over="ignore", invalid="ignore"):
        suspects = np.flatnonzero(~np.isfinite(rows.sum(axis=1, dtype=np.float64)))
    return suspects[~np.isfinite(rows[suspects]).all(axis=1)]


def first_shift(rows: Rows) -> F64:
    """Return what to take off before summing: the mean of the finite first rows, or zero."""
    values = np.asarray(rows, np.float64)
    finite = values[np.isfinite(values).all(axis=1)]
    if not len(finite):
        return np.zeros(values.shape[1])
    return np.asarray(finite.mean(axis=0))


@compiled
def _moments_block(
    rows: Rows,
    table: F32 | None,
    weights: F64 | None,
    origin: tuple[F64, bool],
    span: F64,
    sums: tuple[I64, I32, F64],
    squares: tuple[I64, I32, F64],
    is_bad: NDArray[np.bool_],
) -> int:  # pragma: no cover - compiled
    """Add a block, marking bad rows; return how many rows of unit length could not be made."""
    n_rows, d = rows.shape
    shift, is_unit = origin
    n_zero = 0
    step = max(tile_rows(d, 1), LEAST_TILE_ROWS)  # each tile costs a few passes over columns
    tile = np.empty((step, d))
    squared = np.empty((step, d))
    low, high = span[0], span[1]
    for start in range(0, n_rows, step):
        n = min(step, n_rows - start)
        load_tile(rows, start, n, table, tile)
        if is_unit:
            for i in range(n):
                n_zero += not np.any(tile[i])
            normalize(tile, n)
        for i in range(n):
            total = 0.0
            for j in range(d):
                total += tile[i, j] * 0.0  # NaN or infinity times zero is NaN
            weight = 1.0 if weights is None else weights[start + i]
            if total == 0.0:
                for j in range(d):
                    value = tile[i, j]
                    low[j] = min(low[j], value)
                    high[j] = max(high[j], value)
                    value -= shift[j]
                    tile[i, j] = weight * value
                    squared[i, j] = weight * (value * value)
            else:
                is_bad[start + i] = True
                tile[i, :] = 0.0
                squared[i, :] = 0.0
        add_binned(tile, n, sums[0], sums[1], sums[2])
        add_binned(squared, n, squares[0], squares[1], squares[2])
    return n_zero
