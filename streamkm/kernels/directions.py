"""Orthonormal directions in which rows are large, and products with them.

No product goes to a BLAS: its threads would spin on into the pass that follows. What is multiplied
goes by stretches of features, so that it is read from cache.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.compiled import compiled, compiled_reordered
from streamkm.kernels.dots import dot
from streamkm.typing import F64

STEPS: Final = 3  # of iteration: more find no directions that rule out more rows
STRETCH: Final = 512  # features of some rows and directions that stay in cache together
RANK: Final = 1e-6  # of a row's length: what is left of it is rounding
SMALLEST: Final = 1e-140  # length whose square is a normal number


def largest(rows: F64, n: int) -> F64:
    """Return about the `n` orthonormal directions in which rows are largest.

    Zeros where the rows span fewer. Where they may span more, by orthogonal iteration from random
    mixtures of them (Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Review
    53(2), 2011, algorithm 4.4), the same ones each time. O(n * n_features * (n_rows + n)).
    """
    if n >= len(rows):
        directions = np.zeros((n, rows.shape[1]))
        directions[: len(rows)] = rows
        _orthonormalize(directions, 0)
        return directions
    directions = combined(np.random.default_rng(0).standard_normal((n, len(rows))), rows)
    for _ in range(STEPS):
        _orthonormalize(directions, 0)
        directions = combined(product(directions, rows), rows)
    _orthonormalize(directions, 0)
    return directions


def extended(directions: F64, more: F64) -> F64:
    """Return directions as they are, and behind them others, made orthonormal to them."""
    both = np.concatenate([directions, more])
    _orthonormalize(both, len(directions))
    return both


def product(left: F64, right: F64) -> F64:
    """Return left @ right.T."""
    out = np.zeros((len(left), len(right)))
    _multiply(left, right, out)
    return out


def combined(weights: F64, rows: F64) -> F64:
    """Return weights @ rows."""
    out = np.zeros((len(weights), rows.shape[1]))
    _add_rows(weights, rows, out)
    return out


@compiled
def _orthonormalize(rows: F64, first: int) -> None:  # pragma: no cover - compiled
    """Make rows from `first` orthonormal, in place, as those before are: Gram and Schmidt, twice.

    One that lies in the span of others becomes zeros.
    """
    for i in range(first, len(rows)):
        row = rows[i]
        size = np.sqrt(dot(row, row))
        left = size
        for _ in range(2):
            for k in range(i):
                _take_off(row, rows[k], dot(row, rows[k]))
            left = np.sqrt(dot(row, row))
        has_own = left > max(RANK * size, SMALLEST)
        for j in range(len(row)):
            row[j] = row[j] / left if has_own else 0.0


@compiled
def _take_off(x: F64, y: F64, times: float) -> None:  # pragma: no cover - compiled
    for j in range(len(x)):
        x[j] -= times * y[j]


@compiled_reordered
def _multiply(left: F64, right: F64, out: F64) -> None:  # pragma: no cover - compiled
    """Add left @ right.T."""
    n, m, width = len(left), len(right), left.shape[1]
    for begin in range(0, width, STRETCH):
        end = min(begin + STRETCH, width)
        for i in range(0, n, 2):
            i1 = min(i + 1, n - 1)
            x, y = left[i, begin:end], left[i1, begin:end]
            for k in range(0, m, 2):
                k1 = min(k + 1, m - 1)
                p, q = right[k, begin:end], right[k1, begin:end]
                a = b = c = d = 0.0
                for j in range(len(x)):
                    a += x[j] * p[j]
                    b += x[j] * q[j]
                    c += y[j] * p[j]
                    d += y[j] * q[j]
                out[i, k] += a
                if k1 > k:
                    out[i, k1] += b
                if i1 > i:
                    out[i1, k] += c
                if i1 > i and k1 > k:
                    out[i1, k1] += d


@compiled_reordered
def _add_rows(weights: F64, rows: F64, out: F64) -> None:  # pragma: no cover - compiled
    """Add weights @ rows."""
    n, width = len(rows), rows.shape[1]
    for begin in range(0, width, STRETCH):
        end = min(begin + STRETCH, width)
        for i in range(len(out)):
            total = out[i, begin:end]
            for k in range(0, n, 2):
                k1 = min(k + 1, n - 1)
                a, b = weights[i, k], weights[i, k1] if k1 > k else 0.0
                x, y = rows[k, begin:end], rows[k1, begin:end]
                for j in range(len(total)):
                    total[j] += a * x[j] + b * y[j]
