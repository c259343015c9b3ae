"""Order-free sums of values whose magnitude is not known beforehand.

Pre-rounded sums as in `exact_sum`, on bins that lie at absolute powers of two:
raising the top bin, when a larger value comes, only drops whole bins (Demmel &
Nguyen, "Parallel Reproducible Summation", 2015, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.compiled import compiled, compiled_making
from streamkm.typing import F64, I32, I64

BINS: Final = 4
BIN_BITS: Final = 20
LOWEST_TOP: Final = -45
RECIPROCAL: Final = 1.5 * 2.0**52


@dataclass(frozen=True, slots=True)
class BinnedSum:
    """Order-free sums whose grid follows the largest value seen so far.

    Parameters
    ----------
    limbs
        Integer multiples of the bins' units, shape (BINS, n_features).
    top
        Index of the highest bin, shape (n_features,); limb i counts units of
        2**(BIN_BITS * (top - i)).

    Notes
    -----
    Keeps 59 to 79 bits below the largest magnitude, down to 2**-960; up to 2**43
    values. A
    value's slices are a function of the value alone, so that dropping the
    bins under the final top gives one result for every order of the data.
    """

    limbs: I64
    top: I32

    @classmethod
    def zeros(cls, n_features: int) -> BinnedSum:
        """Return the sum of nothing."""
        return cls(
            np.zeros((BINS, n_features), np.int64), np.full(n_features, LOWEST_TOP, np.int32)
        )

    @classmethod
    def merge_all(cls, parts: Sequence[BinnedSum]) -> BinnedSum:
        """Add sums, on the grid of the highest."""
        top = np.max([part.top for part in parts], axis=0)
        limbs = np.zeros_like(parts[0].limbs)
        for part in parts:
            _add_binned(limbs, part.limbs, top - part.top)
        return cls(limbs, top)

    def value(self) -> F64:
        """Return the sum as float64."""
        total = np.zeros(self.limbs.shape[1])
        for i in reversed(range(BINS)):
            total += np.ldexp(self.limbs[i].astype(np.float64), BIN_BITS * (self.top - i))
        return total

    def joined(self) -> BinnedSum:
        """Return the sum over all features: the bits of one sum of the same values."""
        top = self.top.max()
        limbs = np.zeros((BINS, 1), np.int64)
        for i in range(BINS):
            target = i + top - self.top
            kept = target < BINS
            np.add.at(limbs[:, 0], target[kept], self.limbs[i, kept])
        return BinnedSum(limbs, np.full(1, top, np.int32))


def _add_binned(limbs: I64, other: I64, shift: I32) -> None:
    columns = np.arange(limbs.shape[1])
    for i in range(BINS):
        target = i + shift
        kept = target < BINS
        limbs[target[kept], columns[kept]] += other[i, kept]


@compiled
def _set_constants(constants: F64, j: int, top: int) -> None:  # pragma: no cover - compiled
    for i in range(BINS):
        constants[i, j] = math.ldexp(1.5, 52 + BIN_BITS * (top - i))
    # A value rounds to zero in every bin whose half unit it does not exceed.
    constants[BINS, j] = math.ldexp(1.0, BIN_BITS * (top + 1) - 1)


@compiled_making
def bin_constants(top: I32) -> F64:  # pragma: no cover - compiled
    """Return what rounds to each bin and what bounds the top one, shape (BINS + 1, n_features)."""
    constants = np.empty((BINS + 1, len(top)))
    for j in range(len(top)):
        _set_constants(constants, j, top[j])
    return constants


@compiled
def _raise_top(
    limbs: I64, top: I32, constants: F64, j: int, largest: float
) -> None:  # pragma: no cover - compiled
    exponent = math.frexp(largest)[1]
    need = -((BIN_BITS - 1 - exponent) // BIN_BITS)
    shift = need - top[j]
    for i in range(BINS - 1, -1, -1):
        limbs[i, j] = limbs[i - shift, j] if i >= shift else 0
    top[j] = need
    _set_constants(constants, j, need)


@compiled_making
def add_binned(
    values: F64, n_rows: int, limbs: I64, top: I32, constants: F64
) -> None:  # pragma: no cover - compiled
    """Add the rows of a tile to a BinnedSum in place, raising its top bin where needed.

    `constants` are those of `bin_constants(top)`, kept from tile to tile.
    """
    n_features = values.shape[1]
    largest = np.zeros(n_features)
    for i in range(n_rows):
        for j in range(n_features):
            largest[j] = max(largest[j], abs(values[i, j]))
    add_binned_within(values, n_rows, largest, limbs, top, constants)


@compiled_making
def add_binned_within(
    values: F64, n_rows: int, largest: F64, limbs: I64, top: I32, constants: F64
) -> None:  # pragma: no cover - compiled
    """Do as `add_binned`, where the `largest` absolute value of each feature is known."""
    n_features = values.shape[1]
    make_room(largest, 0, limbs, top, constants)
    scratch = np.zeros((BINS, n_features))
    c0, c1, c2, c3 = constants[0], constants[1], constants[2], constants[3]
    s0, s1, s2, s3 = scratch[0], scratch[1], scratch[2], scratch[3]
    i = 0
    while i < n_rows:  # two rows at a time: fewer loads and stores of the sums
        is_pair = i + 1 < n_rows
        here, next_ = values[i], values[i + 1 if is_pair else i]
        weight = 1.0 if is_pair else 0.0
        for j in range(n_features):  # written out, so that it vectorises over the features
            p, q = here[j], next_[j] * weight
            a, b, c, d = split_pair(p, q, c0[j], c1[j], c2[j], c3[j])
            s0[j] += a
            s1[j] += b
            s2[j] += c
            s3[j] += d
        i += 2
    add_scratch(scratch, 0, n_features, limbs, constants)


@compiled
def split_pair(
    p: float, q: float, c0: float, c1: float, c2: float, c3: float
) -> tuple[float, float, float, float]:  # pragma: no cover - compiled
    """Return what two values have in each bin, together, by the constants that round to them."""
    a, b = (p + c0) - c0, (q + c0) - c0
    p, q = p - a, q - b
    c, d = (p + c1) - c1, (q + c1) - c1
    p, q = p - c, q - d
    e, f = (p + c2) - c2, (q + c2) - c2
    p, q = p - e, q - f
    return a + b, c + d, e + f, ((p + c3) - c3) + ((q + c3) - c3)


@compiled
def make_room(
    largest: F64, first: int, limbs: I64, top: I32, constants: F64
) -> None:  # pragma: no cover - compiled
    """Raise the top bins of the features from `first` to their `largest` absolute values."""
    for j in range(len(largest)):
        if largest[j] > constants[BINS, first + j]:
            _raise_top(limbs, top, constants, first + j, largest[j])


@compiled
def add_scratch(
    scratch: F64, first: int, n: int, limbs: I64, constants: F64
) -> None:  # pragma: no cover - compiled
    """Add sums in float64 to the limbs of `n` features from `first`, each several times there."""
    for i in range(BINS):
        unit, limb = constants[i, first : first + n], limbs[i, first : first + n]
        for begin in range(0, scratch.shape[1], n):
            part = scratch[i, begin : begin + n]
            for j in range(n):
                # The constant is 1.5 * 2**52 units: dividing by its power of two is exact.
                limb[j] += np.int64(part[j] * (RECIPROCAL / unit[j]))


def add_column(total: BinnedSum, values: F64) -> None:
    """Add numbers to a sum of one feature, in place."""
    column = np.ascontiguousarray(values[:, None])
    add_binned(column, len(column), total.limbs, total.top, bin_constants(total.top))


def add_by_label(total: BinnedSum, values: F64, labels: I32) -> None:
    """Add numbers to a sum, in place, each to the feature that its label names."""
    _add_by_label(values, labels, total.limbs, total.top, bin_constants(total.top))


@compiled_making
def _add_by_label(
    values: F64, labels: I32, limbs: I64, top: I32, constants: F64
) -> None:  # pragma: no cover - compiled
    scratch = np.zeros((BINS, limbs.shape[1]))
    for i in range(len(values)):
        j, rest = labels[i], values[i]
        if abs(rest) > constants[BINS, j]:
            _flush_feature(scratch, limbs, constants, j)
            _raise_top(limbs, top, constants, j, abs(rest))
        for b in range(BINS):
            part = (rest + constants[b, j]) - constants[b, j]
            scratch[b, j] += part
            rest -= part
    for j in range(limbs.shape[1]):
        _flush_feature(scratch, limbs, constants, j)


@compiled
def _flush_feature(
    scratch: F64, limbs: I64, constants: F64, j: int
) -> None:  # pragma: no cover - compiled
    for b in range(BINS):
        limbs[b, j] += np.int64(scratch[b, j] * (RECIPROCAL / constants[b, j]))
        scratch[b, j] = 0.0
