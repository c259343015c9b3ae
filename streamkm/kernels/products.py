"""Sums of affinities and of their products over rows, order-free."""

from __future__ import annotations

import numpy as np

from streamkm.kernels.compiled import compiled
from streamkm.kernels.exact_sum import ExactSum
from streamkm.kernels.open_sum import OpenSum, add_labeled, make_room
from streamkm.typing import F64, I32


class ProductSums:
    """Adds up w z z^T over rows, order-free; only the upper triangle.

    Parameters
    ----------
    exponents
        Grid of the products, the same for every landmark, shape (2, n_landmarks).
    """

    def __init__(self, exponents: I32) -> None:
        n_landmarks = exponents.shape[1]
        self.total = OpenSum(ExactSum.zeros((n_landmarks, n_landmarks), exponents))

    def add(self, index: I32, values: F64, weights: F64) -> None:
        """Add a piece: values of rows at the landmarks of `index`."""
        sums = self.total.arrays
        make_room(sums, len(values))
        scratch, constants = sums[0], sums[3][:, 0]
        if values.shape[1] == len(scratch[0]):
            _add_dense(values, weights, scratch, constants)
        else:
            _add_sparse(index, values, weights, scratch, constants)

    def result(self) -> ExactSum:
        """Return what was added so far, shape (n_landmarks, n_landmarks)."""
        return self.total.close()


def sum_values(values: F64, weights: F64, exponents: I32) -> ExactSum:
    """Return the sum of w z over the rows of a piece, shape (1, n_landmarks)."""
    total = ExactSum.zeros((1, values.shape[1]), exponents)
    add_labeled(total, values * weights[:, None], np.zeros(len(values), np.int32))
    return total


@compiled
def _add_sparse(
    index: I32, values: F64, weights: F64, scratch: F64, constants: F64
) -> None:  # pragma: no cover - compiled
    high, low = constants[0], constants[1]
    for i in range(len(values)):
        for a in range(values.shape[1]):
            for b in range(a, values.shape[1]):
                value = weights[i] * (values[i, a] * values[i, b])
                top = (value + high) - high
                row, column = index[i, a], index[i, b]
                if row > column:
                    row, column = column, row
                scratch[0, row, column] += top
                scratch[1, row, column] += ((value - top) + low) - low


@compiled
def _add_dense(
    values: F64, weights: F64, scratch: F64, constants: F64
) -> None:  # pragma: no cover - compiled
    """Four rows at a time: every term is a small multiple of a unit, so no order is lost."""
    high, low = constants[0], constants[1]
    n_rows, n_landmarks = values.shape
    for start in range(0, n_rows, 4):
        # Past the end stands the first row again, with weight zero.
        i1 = start + 1 if start + 1 < n_rows else start
        i2 = start + 2 if start + 2 < n_rows else start
        i3 = start + 3 if start + 3 < n_rows else start
        w0 = weights[start]
        w1 = weights[i1] if i1 > start else 0.0
        w2 = weights[i2] if i2 > start else 0.0
        w3 = weights[i3] if i3 > start else 0.0
        for a in range(n_landmarks):
            upper, lower = scratch[0, a, a:], scratch[1, a, a:]
            r0, r1, r2, r3 = values[start, a:], values[i1, a:], values[i2, a:], values[i3, a:]
            f0, f1, f2, f3 = w0 * r0[0], w1 * r1[0], w2 * r2[0], w3 * r3[0]
            for b in range(n_landmarks - a):
                v0, v1, v2, v3 = f0 * r0[b], f1 * r1[b], f2 * r2[b], f3 * r3[b]
                t0, t1 = (v0 + high) - high, (v1 + high) - high
                t2, t3 = (v2 + high) - high, (v3 + high) - high
                upper[b] += (t0 + t1) + (t2 + t3)
                s0, s1 = ((v0 - t0) + low) - low, ((v1 - t1) + low) - low
                s2, s3 = ((v2 - t2) + low) - low, ((v3 - t3) + low) - low
                lower[b] += (s0 + s1) + (s2 + s3)
