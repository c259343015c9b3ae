"""Rows in bytes, where all their values are whole numbers from 0 to 255, as pixels often are.

Their moments are taken on the way, in integers: to the bit those that `moments` takes of the
rows as they are.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.binned_sum import BIN_BITS, BINS, BinnedSum
from streamkm.kernels.compiled import compiled, compiled_making, compiled_reordered
from streamkm.kernels.moment_sums import EXACT_ROWS, add_bytes
from streamkm.kernels.moments import Moments
from streamkm.kernels.tile import readable
from streamkm.typing import F64, I64, Rows

SHIFT_BITS: Final = 8  # binary places of a shift that is the mean of SHIFT_ROWS rows in bytes
SHIFT_ROWS: Final = 1 << SHIFT_BITS


class NarrowedMoments:
    """Narrows blocks of rows to bytes, and adds them to their moments.

    Parameters
    ----------
    shift
        The mean of SHIFT_ROWS rows in bytes: all deviations from it, and their squares, are
        whole numbers of 2**-8 and 2**-16, so that their sums are exact here as there.
    """

    def __init__(self, shift: F64) -> None:
        self.shift, self.count, self.is_exact = shift, 0, True
        self._sums = np.zeros((2, len(shift)), np.int64)
        self._range = np.stack([np.full_like(shift, np.inf), np.full_like(shift, -np.inf)])

    def add(self, rows: Rows, out: NDArray[np.uint8]) -> None:
        """Add a block and fill `out` with it; nothing any more after one that bytes do not hold."""
        native = readable(rows)[0]
        sums, span = self._sums, self._range
        self.is_exact = self.is_exact and _add(native, out, sums[0], sums[1], span[0], span[1])
        self.count += len(rows)

    def result(self) -> Moments:
        """Return what was added so far, if all was."""
        n, unit = self.count, 1 << SHIFT_BITS
        shift = (self.shift * unit).astype(np.int64)
        total, squares = self._sums
        return Moments(
            count=n,
            minimum=self._range[0],
            maximum=self._range[1],
            shift=self.shift,
            weight=_binned(np.array([n]), 0),
            sums=_binned(unit * total - n * shift, SHIFT_BITS),
            squares=_binned(
                unit * unit * squares - 2 * unit * shift * total + n * shift * shift, 2 * SHIFT_BITS
            ),
            max_weight=1.0,
            n_bad=0,
            bad_rows=np.empty(0, np.int64),
            is_exact=self.is_exact,
        )


def _binned(total: I64, places: int) -> BinnedSum:
    """Return whole numbers of 2**-places as the sum of themselves."""
    limbs = np.zeros((BINS, len(total)), np.int64)
    limbs[0] = total >> places
    limbs[1] = (total & ((1 << places) - 1)) << (BIN_BITS - places)
    return BinnedSum(limbs, np.zeros(len(total), np.int32))


@compiled_making
def _add(
    rows: Rows, out: NDArray[np.uint8], sums: I64, squares: I64, low: F64, high: F64
) -> bool:  # pragma: no cover - compiled
    """Add rows, a few at a time that stay near the core; stop where bytes do not hold them."""
    for start in range(0, len(rows), EXACT_ROWS):
        part = out[start : start + EXACT_ROWS]
        if not take_bytes(rows[start : start + EXACT_ROWS], part):
            return False
        add_bytes(part, sums, squares, low, high)
    return True


@compiled
def take_bytes(rows: Rows, out: NDArray[np.uint8]) -> bool:  # pragma: no cover - compiled
    """Fill `out`, of the rows' shape, with their values; return whether it holds them all.

    Where it does not, what stands there is of no use. A zero may have lost its sign.
    """
    lost = np.float32(0.0)
    for i in range(len(rows)):
        lost += _take(rows[i], out[i])
    return bool(lost == 0.0)


@compiled_reordered
def _take(row: Rows, out: NDArray[np.uint8]) -> np.float32:  # pragma: no cover - compiled
    """Return how many values of a row the bytes do not hold."""
    kind = row.dtype.type
    least, most, lost = kind(0), kind(255), np.float32(0.0)
    for j in range(len(row)):
        value = row[j]
        byte = np.int32(value if least <= value <= most else least)
        out[j] = byte
        lost += np.float32(1.0) if kind(byte) != value else np.float32(0.0)
    return lost
