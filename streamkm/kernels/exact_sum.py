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

from streamkm.typing import F64, I32, I64

HIGH_BITS: Final = 22  # int64 holds 2^41 values of 22 bits
LOW_BITS: Final = 38  # float64 holds 2^15 values of 38 bits exactly
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
        first, *others = parts
        for part in others:
            is_same = part.exponents is first.exponents
            if not (is_same or np.array_equal(part.exponents, first.exponents)):
                raise ValueError("sums on different grids cannot be merged")
        limbs = first.limbs + others[0].limbs if others else first.limbs.copy()
        for part in others[1:]:
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
