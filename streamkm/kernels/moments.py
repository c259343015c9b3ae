"""Count, mean, variance, range and bad rows of the data, in one pass and any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numba as nb
import numpy as np

from streamkm.kernels.exact_sum import BinnedSum, add_binned, float_grid, integer_grid
from streamkm.kernels.lloyd import Grids
from streamkm.kernels.tile import Frame, is_exact_integer, load_tile, readable, tile_rows
from streamkm.typing import F64, I64, Json, Rows

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
        that an offset costs no digit.
    weight, sums, squares
        Order-free sums of w, w (x - shift) and w (x - shift)^2.
    max_weight
        The largest weight, 1 where every row weighs one.
    n_bad, bad_rows
        Rows with NaN or infinity: how many, and the lowest row numbers.
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


@dataclass(frozen=True, slots=True)
class Summary:
    """Moments as plain numbers: what a store keeps and what a fit starts from.

    Parameters
    ----------
    count, weight, max_weight
        Rows, their total weight, the largest weight.
    mean, m2
        Weighted mean and weighted sum of squared deviations, shape (n_features,).
    minimum, maximum
        Shape (n_features,).
    """

    count: int
    weight: float
    max_weight: float
    mean: F64
    m2: F64
    minimum: F64
    maximum: F64

    @property
    def mean_variance(self) -> float:
        """Mean over features of the weighted variance: the scale of `tol`."""
        return float(np.mean(self.m2)) / self.weight if self.weight > 0 else 0.0

    @property
    def magnitude(self) -> F64:
        """Largest absolute value of each feature."""
        return np.maximum(np.abs(self.minimum), np.abs(self.maximum))

    def frame(self) -> Frame:
        """Return the frame for distances."""
        reach = np.maximum(self.maximum - self.mean, self.mean - self.minimum).max(initial=0.0)
        exponent = int(np.frexp(reach)[1]) if reach > 0 else 0
        return Frame(self.mean, float(np.ldexp(1.0, -exponent)))

    def grids(
        self, dtype: np.dtype[Any], *, is_weighted: bool, most_weight: float | None = None
    ) -> Grids:
        """Return the grids of sums over these rows.

        Parameters
        ----------
        dtype
            Of the rows: small integers are summed as integers.
        is_weighted
            Whether rows have weights.
        most_weight
            The largest weight, where it is not that of the data.
        """
        weight = self.max_weight if most_weight is None else most_weight
        n_features = len(self.mean)
        if is_exact_integer(dtype) and not is_weighted:
            sums = integer_grid(n_features)
        else:
            sums = float_grid(self.magnitude * weight)
        # Centers lie in the rows' bounding box, starts may not: leave 2^10 of room.
        spread = np.array([float(np.sum((self.maximum - self.minimum) ** 2)) * weight * 1024.0])
        weights = float_grid(np.array([weight])) if is_weighted else None
        return Grids(sums, weights, float_grid(spread))

    def to_json(self) -> Json:
        """Return plain numbers for a store's attributes; floats round-trip exactly."""
        return {
            "count": self.count,
            "weight": self.weight,
            "max_weight": self.max_weight,
            **{name: getattr(self, name).tolist() for name in ("mean", "m2", "minimum", "maximum")},
        }

    @classmethod
    def from_json(cls, values: Json) -> Summary:
        """Read what `to_json` wrote."""
        arrays = {
            name: np.asarray(values[name], np.float64)
            for name in ("mean", "m2", "minimum", "maximum")
        }
        return cls(
            count=int(values["count"]),
            weight=float(values["weight"]),
            max_weight=float(values["max_weight"]),
            **arrays,
        )


class MomentsAccumulator:
    """Adds blocks of rows to the moments."""

    def __init__(self, shift: F64) -> None:
        n_features = len(shift)
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
        sums = (self.sums.limbs, self.sums.top, self.squares.limbs, self.squares.top)
        _moments_block(native, table, weights, self.shift, self.range, sums, is_bad)
        bad = np.flatnonzero(is_bad)
        good_weights = np.ones(len(rows)) if weights is None else weights
        if len(bad):
            good_weights = np.delete(good_weights, bad)
            self.n_bad += len(bad)
            self.bad_rows = sorted(self.bad_rows + (bad[:FIRST_BAD_ROWS] + start).tolist())
        self.count += len(good_weights)
        column = np.ascontiguousarray(good_weights[:, None])
        add_binned(column, len(column), self.weight.limbs, self.weight.top)
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


@nb.njit(nogil=True, cache=True)
def _moments_block(rows, table, weights, shift, span, sums, is_bad):  # type: ignore[no-untyped-def]  # pragma: no cover
    sum_limbs, sum_top, square_limbs, square_top = sums
    n_rows, d = rows.shape
    step = tile_rows(d, 1)
    tile = np.empty((step, d))
    squares = np.empty((step, d))
    low, high = span[0], span[1]
    for start in range(0, n_rows, step):
        n = min(step, n_rows - start)
        load_tile(rows, start, n, table, tile)
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
                    squares[i, j] = weight * (value * value)
            else:
                is_bad[start + i] = True
                tile[i, :] = 0.0
                squares[i, :] = 0.0
        add_binned(tile, n, sum_limbs, sum_top)
        add_binned(squares, n, square_limbs, square_top)
