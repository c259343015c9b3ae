"""An exact sum while rows are added to it: float64 accumulators before integer limbs."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.compiled import compiled, compiled_making
from streamkm.kernels.exact_sum import LOW_BITS, ExactSum, rounders
from streamkm.kernels.split_lanes import add_split, move_split
from streamkm.typing import F64, I32, I64

FLUSH_ROWS: Final = 1 << 14  # rows that a float64 accumulator may take between two flushes
NUMBER_BYTES: Final = 8

# What compiled code takes of an `OpenSum`: scratch, limbs, exponents, rounding constants, and how
# many rows the scratch has taken.
SumArrays = tuple[F64, I64, I32, F64, I64]


class OpenSum:
    """A sum that rows are still added to: float64 accumulators before its integer limbs.

    They are moved into the limbs when they are full and when the sum is closed, not
    with every block: many centers of many features cost more to clear than a small
    block to read.

    Parameters
    ----------
    total
        What is added to, in place, shape (n_labels, n_features).
    n_spare
        Places of the accumulators behind those of the labels, which no sum takes.
    """

    def __init__(self, total: ExactSum, n_spare: int = 0) -> None:
        n_limbs, n_labels, n_features = total.limbs.shape
        self._total = total
        self._scratch = np.zeros((n_limbs, n_labels + n_spare, n_features))
        self._constants = rounders(total.exponents)
        self._taken = np.zeros(1, np.int64)

    @property
    def arrays(self) -> SumArrays:
        """Return the sum as compiled code takes it."""
        total = self._total
        return self._scratch, total.limbs, total.exponents, self._constants, self._taken

    def close(self) -> ExactSum:
        """Return the sum with all that was added."""
        flush(self.arrays)
        return self._total


def sum_rows(values: NDArray[np.float64], exponents: I32) -> ExactSum:
    """Sum the rows of a small array exactly; shape (n, d) gives shape (d,)."""
    total = ExactSum.zeros((1, values.shape[1]), exponents)
    add_labeled(total, values, np.zeros(len(values), np.int32))
    return total.at(0)


def add_labeled(total: ExactSum, values: F64, labels: I32) -> None:
    """Add the rows of a small array to a sum, in place, each to its label's.

    Parameters
    ----------
    total
        Shape (n_labels, n_features).
    values
        Shape (n_rows, n_features).
    labels
        Shape (n_rows,); rows with a negative label are left out.
    """
    running = OpenSum(total)
    for start in range(0, len(values), FLUSH_ROWS):
        part = np.ascontiguousarray(values[start : start + FLUSH_ROWS])
        add_rows(part, len(part), labels[start : start + FLUSH_ROWS], running.arrays)
    running.close()


@compiled
def add_rows(
    rows: F64, n_rows: int, labels: I32, sums: SumArrays
) -> None:  # pragma: no cover - compiled
    """Add at most FLUSH_ROWS rows, each to the sum that its label names, split on the grid.

    Rows with a negative label are left out.
    """
    make_room(sums, n_rows)
    scratch, _, _, constants, _ = sums
    n_features = rows.shape[1]
    if len(constants) == 1:
        for i in range(n_rows):
            if labels[i] >= 0:
                whole = scratch[0, labels[i]]
                for j in range(n_features):
                    whole[j] += rows[i, j]
        return
    row, grid, place = rows.ctypes.data, constants.ctypes.data, scratch.ctypes.data
    row_bytes, next_limb = NUMBER_BYTES * n_features, scratch[0].size
    for i in range(n_rows):
        if labels[i] >= 0:
            add_split(row, grid, next_limb, n_features, place + labels[i] * row_bytes)
        row += row_bytes


@compiled
def move_rows(
    rows: F64, n_rows: int, new: I32, old: I32, sums: SumArrays
) -> None:  # pragma: no cover - compiled
    """Take rows from the sums of their old labels and add them to those of their new ones.

    Rounding on a grid is even: what was added is taken back to the bit. As
    `add_rows`, for half as many rows and a sum with a spare place: that of the rows
    of no sum, which are those with a label of -1.
    """
    make_room(sums, 2 * n_rows)
    scratch, _, _, constants, _ = sums
    n_places, n_features = scratch.shape[1], rows.shape[1]
    if len(constants) == 1:
        for i in range(n_rows):
            into, out = scratch[0, new[i]], scratch[0, old[i]]
            for j in range(n_features):
                into[j] += rows[i, j]
                out[j] -= rows[i, j]
        return
    row, grid, place = rows.ctypes.data, constants.ctypes.data, scratch.ctypes.data
    row_bytes, next_limb = NUMBER_BYTES * n_features, scratch[0].size
    for i in range(n_rows):
        into, out = place + new[i] % n_places * row_bytes, place + old[i] % n_places * row_bytes
        move_split(row, grid, next_limb, n_features, into, out)
        row += row_bytes


@compiled
def make_room(sums: SumArrays, n_rows: int) -> None:  # pragma: no cover - compiled
    """Flush the accumulators before they would take more rows than they hold exactly."""
    taken = sums[4]
    if taken[0] + n_rows > FLUSH_ROWS:
        flush(sums)
    taken[0] += n_rows


@compiled_making
def flush(sums: SumArrays) -> None:  # pragma: no cover - compiled
    """Move float64 accumulators into integer limbs, carry, and clear them."""
    scratch, limbs, exponents, _, taken = sums
    taken[0] = 0
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
