"""Order-free sums of values whose magnitude is not known beforehand.

Pre-rounded sums as in `exact_sum`, on bins that lie at absolute powers of two:
raising the top bin, when a larger value comes, only drops whole bins (Demmel &
Nguyen, "Parallel Reproducible Summation", 2015, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.compiled import compiled
from streamkm.typing import F64, I32, I64

BINS: Final = 4
BIN_BITS: Final = 20
LOWEST_TOP: Final = -45


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


def _add_binned(limbs: I64, other: I64, shift: I32) -> None:
    columns = np.arange(limbs.shape[1])
    for i in range(BINS):
        target = i + shift
        kept = target < BINS
        limbs[target[kept], columns[kept]] += other[i, kept]


@compiled
def add_binned(
    values: F64, n_rows: int, limbs: I64, top: I32
) -> None:  # pragma: no cover - compiled
    """Add the rows of a tile to a BinnedSum in place, raising its top bin where needed."""
    n_features = values.shape[1]
    scratch = np.zeros((BINS, n_features))
    constants = np.empty((BINS, n_features))
    largest = np.zeros(n_features)
    for i in range(n_rows):
        for j in range(n_features):
            largest[j] = max(largest[j], abs(values[i, j]))
    for j in range(n_features):
        # A value rounds to zero in every bin whose half unit it does not exceed.
        exponent = int(np.ceil(np.log2(largest[j]))) + 1 if largest[j] > 0.0 else -2000
        need = max(LOWEST_TOP, int(np.ceil((exponent - (BIN_BITS - 1)) / BIN_BITS)))
        shift = need - top[j]
        if shift > 0:
            for i in range(BINS - 1, -1, -1):
                limbs[i, j] = limbs[i - shift, j] if i >= shift else 0
            top[j] = need
        for i in range(BINS):
            constants[i, j] = 1.5 * 2.0 ** (52.0 + BIN_BITS * (top[j] - i))
    c0, c1, c2, c3 = constants[0], constants[1], constants[2], constants[3]
    s0, s1, s2, s3 = scratch[0], scratch[1], scratch[2], scratch[3]
    for i in range(n_rows):
        for j in range(n_features):  # written out, so that it vectorises over the features
            rest = values[i, j]
            part = (rest + c0[j]) - c0[j]
            s0[j] += part
            rest -= part
            part = (rest + c1[j]) - c1[j]
            s1[j] += part
            rest -= part
            part = (rest + c2[j]) - c2[j]
            s2[j] += part
            rest -= part
            s3[j] += (rest + c3[j]) - c3[j]
    for i in range(BINS):
        for j in range(n_features):
            unit = 2.0 ** (-float(BIN_BITS * (top[j] - i)))
            limbs[i, j] += np.int64(scratch[i, j] * unit)
