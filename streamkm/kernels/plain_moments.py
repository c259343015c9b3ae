"""Moments of rows as they are, each of weight one: in their own dtype, some features at a time.

As `moment_sums`, to the bit, without its tiles in float64: the sums of PANEL features stay in
the fastest memory while all rows of a tile are added.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streamkm.kernels.binned_sum import BINS, add_scratch, make_room, split_pair
from streamkm.kernels.compiled import ZERO, compiled, compiled_making, compiled_reordered
from streamkm.typing import F64, I32, I64, Rows

PANEL: Final = 256  # features: 32 KiB of sums
PLAIN_VALUES: Final = 1 << 18  # gone through three times, near the core
LEAST_ROWS: Final = 256  # each time costs a few passes over the sums

BinArrays = tuple[I64, I32, F64]  # limbs, top and constants of a BinnedSum


@compiled
def plain_rows(n_features: int) -> int:  # pragma: no cover - compiled
    """Return how many rows are added at a time."""
    return max(PLAIN_VALUES // n_features, LEAST_ROWS)


@compiled_making
def add_plain(
    rows: Rows, start: int, n: int, shift: F64, span: F64, sums: BinArrays, squares: BinArrays
) -> None:  # pragma: no cover - compiled
    """Add `n` finite rows from `start`.

    Narrow rows lie side by side, so many that they are a panel: what follows is a few rows
    of many features, of which each comes several times.
    """
    d = len(shift)
    beside = max(PANEL // d, 1)
    values, left = rows[start : start + n].reshape(n * d), n % beside
    _add_beside(values[: (n - left) * d], beside, shift, span, sums, squares)
    _add_beside(values[(n - left) * d :], 1, shift, span, sums, squares)


@compiled_making
def _add_beside(
    values: Rows, beside: int, shift: F64, span: F64, sums: BinArrays, squares: BinArrays
) -> None:  # pragma: no cover - compiled
    """Add rows of which so many lie side by side."""
    d = len(shift)
    for first in range(0, d, PANEL):
        n = min(d - first, PANEL)
        width = n * beside
        low, high, away, scratch = (
            np.empty(width), np.empty(width), np.empty(width), np.zeros((2 * BINS, width)),
        )  # fmt: skip
        for begin in range(0, width, n):
            low[begin : begin + n] = span[0, first : first + n]
            high[begin : begin + n] = span[1, first : first + n]
            away[begin : begin + n] = shift[first : first + n]
        for i in range(first, len(values), d * beside):
            widen_range(values[i : i + width], low, high)
        largest = np.zeros(n)
        for begin in range(0, width, n):
            for j in range(n):
                k, p, q = first + j, low[begin + j], high[begin + j]
                span[0, k], span[1, k] = min(span[0, k], p), max(span[1, k], q)
                # Rounding keeps the order: the largest deviation is at an end.
                largest[j] = max(largest[j], q - shift[k], shift[k] - p)
        make_room(largest, first, sums[0], sums[1], sums[2])
        make_room(largest * largest, first, squares[0], squares[1], squares[2])
        bins, finer = _repeated(sums[2], first, n, width), _repeated(squares[2], first, n, width)
        _add_panel(values, first, d * beside, away, bins, finer, scratch)
        add_scratch(scratch[:BINS], first, n, sums[0], sums[2])
        add_scratch(scratch[BINS:], first, n, squares[0], squares[2])


@compiled_making
def _repeated(constants: F64, first: int, n: int, width: int) -> F64:  # pragma: no cover - compiled
    out = np.empty((BINS, width))
    for b in range(BINS):
        for begin in range(0, width, n):
            out[b, begin : begin + n] = constants[b, first : first + n]
    return out


@compiled
def all_finite(rows: Rows, start: int, n: int) -> bool:  # pragma: no cover - compiled
    """Return whether no value of some rows is NaN or infinity."""
    n_bad = ZERO
    for i in range(start, start + n):
        n_bad += vanishing(rows[i]) != 0.0
    return n_bad == 0


@compiled_reordered
def vanishing(row: Rows) -> Any:  # pragma: no cover - compiled
    """Return zero, or NaN where a value is NaN or infinity: that times zero is NaN."""
    total = zero = np.float32(0.0)
    for j in range(len(row)):
        total += row[j] * zero
    return total


@compiled
def widen_range(row: Rows, low: F64, high: F64) -> None:  # pragma: no cover - compiled
    """Widen the range of each feature by a row without NaN."""
    for j in range(len(row)):
        value = np.float64(row[j])
        low[j] = min(low[j], value)
        high[j] = max(high[j], value)


@compiled
def _add_panel(
    values: Rows, first: int, stride: int, away: F64, bins: F64, finer: F64, scratch: F64
) -> None:  # pragma: no cover - compiled
    """Add deviations and their squares to the bins of `scratch`, two rows at a time."""
    width = len(away)
    c0, c1, c2, c3 = bins[0], bins[1], bins[2], bins[3]
    d0, d1, d2, d3 = finer[0], finer[1], finer[2], finer[3]
    s0, s1, s2, s3 = scratch[0], scratch[1], scratch[2], scratch[3]
    t0, t1, t2, t3 = scratch[4], scratch[5], scratch[6], scratch[7]
    for at in range(first, len(values), 2 * stride):
        is_pair = at + stride < len(values)
        weight, other = (1.0, at + stride) if is_pair else (0.0, at)
        here, next_ = values[at : at + width], values[other : other + width]
        for j in range(width):  # written out, so that it vectorises over the features
            p, q = here[j] - away[j], (next_[j] - away[j]) * weight
            a, b, c, d = split_pair(p, q, c0[j], c1[j], c2[j], c3[j])
            s0[j] += a
            s1[j] += b
            s2[j] += c
            s3[j] += d
            a, b, c, d = split_pair(p * p, q * q, d0[j], d1[j], d2[j], d3[j])
            t0[j] += a
            t1[j] += b
            t2[j] += c
            t3[j] += d
