"""An exact sum while rows are added to it: accumulators that are full later before its limbs."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.compiled import compiled, compiled_making
from streamkm.kernels.exact_sum import LOW_BITS, ExactSum, rounders
from streamkm.kernels.split_lanes import add_split, move_split
from streamkm.typing import F64, I32, I64, Rows

FLUSH_ROWS: Final = 1 << 14  # rows that an accumulator may take between two flushes
NUMBER_BYTES: Final = 8

# What compiled code takes of an `OpenSum`: scratch, limbs, exponents, rounding constants, and how
# many rows the scratch has taken.
SumArrays = tuple[NDArray[Any], I64, I32, F64, I64]


class OpenSum:
    """A sum that rows are still added to: float64 accumulators before its integer limbs.

    Or int32, for integers of at most 16 bits: a vector has twice as many, and no limb rounds.

    They are moved into the limbs when they are full and when the sum is closed, not
    with every block: many centers of many features cost more to clear than a small
    block to read.

    Parameters
    ----------
    total
        What is added to, in place, shape (n_labels, n_features).
    n_spare
        Places of the accumulators behind those of the labels, which no sum takes.
    is_small
        Whether int32 will do: one limb, and no value needs more than 16 bits.
    """

    def __init__(self, total: ExactSum, n_spare: int = 0, *, is_small: bool = False) -> None:
        n_limbs, n_labels, n_features = total.limbs.shape
        self._total = total
        shape, kind = (
            (n_limbs, n_labels + n_spare, n_features),
            np.int32 if is_small else np.float64,
        )
        self._scratch: NDArray[Any] = np.zeros(shape, kind)
        # One limb is of integers, which nothing rounds.
        self._constants = rounders(total.exponents) if n_limbs > 1 else np.empty((1, 0))
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
    if is_whole(sums):
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
def is_whole(sums: SumArrays) -> bool:  # pragma: no cover - compiled
    """Tell whether a sum has one limb: then all values are integers, and have no weights."""
    return len(sums[3]) == 1


@compiled
def add_integers(
    rows: Rows, start: int, n_rows: int, labels: I32, sums: SumArrays
) -> None:  # pragma: no cover - compiled
    """Do as `add_rows` with rows from `start` on as they lie in the data, and a sum of one limb."""
    make_room(sums, n_rows)
    for i in range(start, start + n_rows):
        if labels[i] >= 0:
            row, whole = rows[i], sums[0][0, labels[i]]
            for j in range(len(row)):
                whole[j] += row[j]


@compiled
def move_integers(
    rows: Rows, moved: I64, new: I32, old: I32, sums: SumArrays
) -> None:  # pragma: no cover - compiled
    """Do as `move_rows` with some rows as they lie in the data, and a sum of one limb."""
    for q in range(len(moved)):
        make_room(sums, 2)
        row, into, out = rows[moved[q]], sums[0][0, new[q]], sums[0][0, old[q]]
        for j in range(len(row)):
            into[j] += row[j]
            out[j] -= row[j]


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
    if is_whole(sums):
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
    """Move accumulators into integer limbs, carry, and clear them."""
    scratch, limbs, exponents, _, taken = sums
    taken[0] = 0
    n_limbs, n_labels, n_features = limbs.shape
    if n_limbs == 1:
        for k in range(n_labels):
            for j in range(n_features):
                limbs[0, k, j] += np.int64(scratch[0, k, j])
                scratch[0, k, j] = 0
        return
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
        for j in range(n_features):
            limbs[0, k, j] += limbs[1, k, j] >> LOW_BITS
            limbs[1, k, j] &= mask
