"""The arithmetic of one Lloyd update, from a pass's sums: means, and how squared distances change.

Between two passes one thread goes through all centers: with many of many features that takes
it as long as the rows take the others. So each step reads them once, compiled. Additions
are in one fixed order: bits do not depend on the processor.
"""

from __future__ import annotations

import numpy as np

from streamkm.kernels.compiled import compiled, compiled_making
from streamkm.kernels.dots import ordered_dot
from streamkm.kernels.exact_sum import ExactSum
from streamkm.typing import F64, I64


def means_of(sums: ExactSum, mass: F64, before: F64) -> F64:
    """Return the means of clusters; one without weight keeps its center.

    Parameters
    ----------
    sums
        Weighted sums of the rows, shape (n_clusters, n_features).
    mass
        Their weights, shape (n_clusters,).
    before
        The centers, shape (n_clusters, n_features).
    """
    means = np.empty(before.shape)
    _fill_means(sums.limbs, _units(sums), mass, writable(before), means)
    return means


def change_of_squares(sums: ExactSum, mass: F64, centers: F64, shift: F64) -> F64:
    """Return by how much squared distances to the centers exceed those to the shift.

    mass |c|^2 - 2 c.S, all about the shift: weighted and summed by cluster, shape (n_clusters,).
    Other parameters as for `means_of`.
    """
    change = np.empty(len(centers))
    _fill_change(sums.limbs, _units(sums), mass, writable(centers), writable(shift), change)
    return change


def squared_moves(before: F64, after: F64, scale: float = 1.0) -> F64:
    """Return the squared distance that each center has moved, scaled before it is squared."""
    moves = np.empty(len(after))
    _fill_moves(writable(before), writable(after), scale, moves)
    return moves


def writable(values: F64) -> F64:
    """Return an array of the one kind that kernels are compiled for; what was sent is read-only."""
    flags = values.flags
    if flags.c_contiguous and flags.writeable and values.dtype == np.float64:
        return values  # at once: it is asked ten times a pass
    return np.require(values, np.float64, ["C", "W"])


def _units(sums: ExactSum) -> F64:
    """Return the units of two limbs; one alone has unit 1."""
    is_single = len(sums.limbs) == 1
    return np.empty((0, 0)) if is_single else np.asarray(np.ldexp(1.0, sums.exponents))


@compiled
def _value(limbs: I64, units: F64, k: int, j: int) -> float:  # pragma: no cover - compiled
    """Return a sum as `ExactSum.value` does."""
    if len(limbs) == 1:
        return float(limbs[0, k, j])
    total: float = limbs[0, k, j] * units[0, j] + limbs[1, k, j] * units[1, j]
    return total


@compiled
def _fill_means(
    limbs: I64, units: F64, mass: F64, before: F64, means: F64
) -> None:  # pragma: no cover - compiled
    for k in range(len(means)):
        own = mass[k]
        if not own > 0.0:
            for j in range(means.shape[1]):
                means[k, j] = before[k, j]
        elif len(limbs) == 1:  # a loop of its own: the compiler takes it in vectors
            for j in range(means.shape[1]):
                means[k, j] = limbs[0, k, j] / own
        else:
            for j in range(means.shape[1]):
                means[k, j] = _value(limbs, units, k, j) / own


@compiled_making
def _fill_change(
    limbs: I64, units: F64, mass: F64, centers: F64, shift: F64, change: F64
) -> None:  # pragma: no cover - compiled
    offset, slope = np.empty((2, len(shift)))
    for k in range(len(centers)):
        for j in range(len(shift)):
            total = _value(limbs, units, k, j) - mass[k] * shift[j]
            offset[j] = centers[k, j] - shift[j]
            slope[j] = mass[k] * offset[j] - 2.0 * total
        change[k] = ordered_dot(offset, slope)


@compiled_making
def _fill_moves(
    before: F64, after: F64, scale: float, moves: F64
) -> None:  # pragma: no cover - compiled
    step = np.empty(after.shape[1])
    for k in range(len(after)):
        for j in range(len(step)):
            step[j] = (after[k, j] - before[k, j]) * scale
        moves[k] = ordered_dot(step, step)
