"""Sums whose bits do not depend on the order or grouping of the additions.

Pre-rounded sums (Demmel & Nguyen, "Parallel Reproducible Summation", IEEE
Trans. Computers 64(7), 2015, section 3): every value is split on a fixed grid
into slices that are small integers times a power of two, and integers add
exactly. What lies below the lowest slice is dropped, value by value, so it
never depends on what was added before.

`ExactSum` is for a grid that is known beforehand, because the largest
magnitude is: two slices, the cheapest. `BinnedSum` finds its grid as it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.compiled import compiled
from streamkm.typing import F64, I32, I64

HIGH_BITS: Final = 22  # int64 holds 2^41 values of 22 bits
LOW_BITS: Final = 38  # float64 holds 2^15 values of 38 bits exactly
FLUSH_ROWS: Final = 1 << 14  # rows that a float64 accumulator may take between two flushes
MIN_EXPONENT: Final = -900  # keeps every unit and every rounding constant a normal float64


@dataclass(frozen=True, slots=True)
class ExactSum:
    """Order-free sums on a grid that is fixed beforehand.

    Parameters
    ----------
    limbs
        Integer multiples of the units, shape (n_limbs, ..., n_features), high
        limb first; all but the first lie in [0, 2**LOW_BITS).
    exponents
        Base-2 exponents of the units, shape (n_limbs, n_features).

    Notes
    -----
    Integer data has one limb with unit 1. Floating-point data has two and
    keeps at least 60 bits below the largest magnitude: the error of a sum of
    n values is at most n * magnitude * 2**-60 (for magnitudes above 2**-900).
    Equal multisets of values give equal limbs, whatever the order, the grouping,
    or what was added and taken back in between. Up to 2**41 values.
    """

    limbs: I64
    exponents: I32

    @classmethod
    def zeros(cls, shape: tuple[int, ...], exponents: I32) -> ExactSum:
        """Return the sum of nothing, of shape `shape` (its last axis is n_features)."""
        return cls(np.zeros((len(exponents), *shape), np.int64), exponents)

    @classmethod
    def merge_all(cls, parts: Sequence[ExactSum]) -> ExactSum:
        """Add sums that share a grid."""
        first = parts[0]
        limbs = first.limbs.copy()
        for part in parts[1:]:
            if not np.array_equal(part.exponents, first.exponents):
                raise ValueError("sums on different grids cannot be merged")
            limbs += part.limbs
        return cls(_carry(limbs), first.exponents)

    def __sub__(self, other: ExactSum) -> ExactSum:
        """Take back what `other` had added."""
        return ExactSum(_carry(self.limbs - other.limbs), self.exponents)

    def at(self, index: int) -> ExactSum:
        """Return one row of a sum of shape (n_rows, n_features), as shape (n_features,)."""
        return ExactSum(self.limbs[:, index].copy(), self.exponents)

    def value(self) -> F64:
        """Return the sum as float64, within one or two units in the last place."""
        total = np.zeros(self.limbs.shape[1:])
        for limb, exponent in zip(self.limbs[::-1], self.exponents[::-1], strict=True):
            total += limb * np.ldexp(1.0, exponent)  # exact: a power of two
        return total


def _carry(limbs: I64) -> I64:
    if len(limbs) == 2:
        limbs[0] += limbs[1] >> LOW_BITS
        limbs[1] &= (1 << LOW_BITS) - 1
    return limbs


def float_grid(magnitude: F64) -> I32:
    """Return unit exponents for values of at most `magnitude`, shape (2, n_features).

    Parameters
    ----------
    magnitude
        Largest absolute value of each feature, shape (n_features,), finite.
    """
    top = np.maximum(np.frexp(magnitude)[1], MIN_EXPONENT)
    return np.stack([top - HIGH_BITS, top - HIGH_BITS - LOW_BITS]).astype(np.int32)


def integer_grid(n_features: int) -> I32:
    """Return unit exponents for integer values, shape (1, n_features)."""
    return np.zeros((1, n_features), np.int32)


def rounders(exponents: I32) -> F64:
    """Return the constants that round a float64 to a multiple of each unit.

    `(v + c) - c` with c = 1.5 * 2**52 * unit is v rounded to the unit, ties to
    even, for |v| below 2**51 units. Needs no fast-math flags, must have none.
    """
    return np.ldexp(1.5, 52 + exponents)


def sum_rows(values: NDArray[np.float64], exponents: I32) -> ExactSum:
    """Sum the rows of a small array exactly; shape (n, d) gives shape (d,)."""
    labels = np.zeros(len(values), np.int32)
    total = ExactSum.zeros((1, values.shape[1]), exponents)
    scratch = np.zeros_like(total.limbs, dtype=np.float64)
    constants = rounders(exponents)
    for start in range(0, len(values), FLUSH_ROWS):
        part = np.ascontiguousarray(values[start : start + FLUSH_ROWS])
        add_rows(part, len(part), labels, scratch, constants)
        flush(scratch, total.limbs, exponents)
    return total.at(0)


@compiled
def add_rows(
    rows: F64, n_rows: int, labels: I32, scratch: F64, constants: F64
) -> None:  # pragma: no cover - compiled
    """Add rows, each to the sum that its label names, split on the grid.

    `scratch` has shape (n_limbs, n_labels, n_features); the caller flushes it
    at least every FLUSH_ROWS rows. Rows with a negative label are left out.
    """
    n_features = rows.shape[1]
    if len(constants) == 1:
        for i in range(n_rows):
            if labels[i] >= 0:
                whole = scratch[0, labels[i]]
                for j in range(n_features):
                    whole[j] += rows[i, j]
        return
    high_constant, low_constant = constants[0], constants[1]
    for i in range(n_rows):
        if labels[i] >= 0:
            high, low = scratch[0, labels[i]], scratch[1, labels[i]]
            for j in range(n_features):
                value = rows[i, j]
                top = (value + high_constant[j]) - high_constant[j]
                rest = value - top
                high[j] += top
                low[j] += (rest + low_constant[j]) - low_constant[j]


@compiled
def move_rows(
    rows: F64, n_rows: int, new: I32, old: I32, scratch: F64, constants: F64
) -> None:  # pragma: no cover - compiled
    """Take rows from the sums of their old labels and add them to those of their new ones.

    Rounding on a grid is even: what was added is taken back to the bit. As
    `add_rows`, but `scratch` has one place more for the rows of no sum, which
    are those with a label of -1.
    """
    n_features = rows.shape[1]
    if len(constants) == 1:
        for i in range(n_rows):
            into, out = scratch[0, new[i]], scratch[0, old[i]]
            for j in range(n_features):
                into[j] += rows[i, j]
                out[j] -= rows[i, j]
        return
    high_constant, low_constant = constants[0], constants[1]
    for i in range(n_rows):
        high, low = scratch[0, new[i]], scratch[1, new[i]]
        old_high, old_low = scratch[0, old[i]], scratch[1, old[i]]
        for j in range(n_features):
            value = rows[i, j]
            top = (value + high_constant[j]) - high_constant[j]
            rest = ((value - top) + low_constant[j]) - low_constant[j]
            high[j] += top
            low[j] += rest
            old_high[j] -= top
            old_low[j] -= rest


@compiled
def flush(scratch: F64, limbs: I64, exponents: I32) -> None:  # pragma: no cover - compiled
    """Move float64 accumulators into integer limbs, carry, and clear them."""
    n_limbs, n_labels, n_features = limbs.shape
    scale = np.empty((n_limbs, n_features))
    for limb in range(n_limbs):
        for j in range(n_features):
            scale[limb, j] = 2.0 ** (-float(exponents[limb, j]))
    mask = (np.int64(1) << LOW_BITS) - 1
    for k in range(n_labels):
        for limb in range(n_limbs):
            for j in range(n_features):
                limbs[limb, k, j] += np.int64(scratch[limb, k, j] * scale[limb, j])
                scratch[limb, k, j] = 0.0
        if n_limbs == 2:
            for j in range(n_features):
                limbs[0, k, j] += limbs[1, k, j] >> LOW_BITS
                limbs[1, k, j] &= mask
