"""Count, mean, variance, range and bad rows of the data, in one pass and any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamkm.kernels.binned_sum import (
    BinnedSum,
    add_column,
    bin_constants,
)
from streamkm.kernels.exact_sum import ExactSum, integer_grid
from streamkm.kernels.moment_sums import add_block, add_bytes
from streamkm.kernels.summary import Summary
from streamkm.kernels.tile import readable
from streamkm.kernels.view import AS_THEY_ARE, View
from streamkm.typing import F64, I64, Rows

FIRST_BAD_ROWS: Final = 5


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
        that an offset costs no digit; zero for bytes, whose sums are exact.
    weight, sums, squares
        Order-free sums of w, w (x - shift) and w (x - shift)^2.
    max_weight
        The largest weight, 1 where every row weighs one.
    n_bad, bad_rows
        Rows with NaN or infinity: how many, and the lowest row numbers.
    n_zero
        Rows of zeros: counted where rows are scaled to unit length.
    is_exact
        False where rows were not as they were taken to be: nothing here is of use.
    """

    count: int
    minimum: F64
    maximum: F64
    shift: F64
    weight: BinnedSum
    sums: BinnedSum | ExactSum
    squares: BinnedSum | ExactSum
    max_weight: float
    n_bad: int
    bad_rows: I64
    n_zero: int = 0
    is_exact: bool = True

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
            sums=_merged([part.sums for part in parts]),
            squares=_merged([part.squares for part in parts]),
            max_weight=max(part.max_weight for part in parts),
            n_bad=sum(part.n_bad for part in parts),
            bad_rows=bad[:FIRST_BAD_ROWS],
            n_zero=sum(part.n_zero for part in parts),
            is_exact=all(part.is_exact for part in parts),
        )

    def summary(self) -> Summary:
        """Finish: plain numbers."""
        mass = float(self.weight.value()[0])
        offset = self.sums.value() / mass if mass > 0 else np.zeros_like(self.shift)
        if isinstance(self.sums, ExactSum):
            squares = self._spread_of_bytes()
        else:
            with np.errstate(over="ignore", invalid="ignore"):  # too large: told elsewhere
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

    def _spread_of_bytes(self) -> F64:
        """Return the sums of squared deviations, each rounded once."""
        n, pairs = max(self.count, 1), (self.sums.limbs[0].tolist(), self.squares.limbs[0].tolist())
        return np.array([(n * square - total**2) / n for total, square in zip(*pairs, strict=True)])


def _merged(parts: Sequence[BinnedSum | ExactSum]) -> BinnedSum | ExactSum:
    merge: Any = type(parts[0]).merge_all
    total: BinnedSum | ExactSum = merge(parts)
    return total


class MomentsAccumulator:
    """Adds blocks of rows to the moments, as a view shows them; `shift` is of the same."""

    def __init__(self, shift: F64, view: View = AS_THEY_ARE) -> None:
        n_features = len(shift)
        self.view = view
        self.n_zero = 0
        self.shift = shift
        self.range = np.stack([np.full(n_features, np.inf), np.full(n_features, -np.inf)])
        self.weight = BinnedSum.zeros(1)
        self.sums: BinnedSum | ExactSum = BinnedSum.zeros(n_features)
        self.squares: BinnedSum | ExactSum = BinnedSum.zeros(n_features)
        self.count = 0
        self.max_weight = 0.0
        self.n_bad = 0
        self.bad_rows: list[int] = []

    def add(self, rows: Rows, weights: F64 | None, start: int) -> None:
        """Add a block whose first row is row `start` of the data."""
        native, table = readable(rows)
        is_bad = np.zeros(len(rows), np.bool_)
        if native.dtype.itemsize == 1 and weights is None and self.view.is_plain:
            self._add_bytes(native)
        else:
            assert isinstance(self.sums, BinnedSum)
            assert isinstance(self.squares, BinnedSum)
            self.n_zero += add_block(
                native,
                table,
                weights,
                (self.shift, self.view.arrays),
                self.range,
                (self.sums.limbs, self.sums.top, bin_constants(self.sums.top)),
                (self.squares.limbs, self.squares.top, bin_constants(self.squares.top)),
                is_bad,
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

    def _add_bytes(self, rows: Rows) -> None:
        if isinstance(self.sums, BinnedSum):
            grid = integer_grid(len(self.shift))
            self.shift = np.zeros_like(self.shift)
            self.sums = ExactSum.zeros(self.shift.shape, grid)
            self.squares = ExactSum.zeros(self.shift.shape, grid)
        add_bytes(rows, self.sums.limbs[0], self.squares.limbs[0], self.range[0], self.range[1])

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
