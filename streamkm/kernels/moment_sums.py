"""The loops behind `Moments`: sums, squares and range of a block, and which rows are bad."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.binned_sum import add_binned, add_binned_within
from streamkm.kernels.compiled import compiled, compiled_making
from streamkm.kernels.plain_moments import (
    BinArrays,
    add_plain,
    all_finite,
    plain_rows,
    vanishing,
    widen_range,
)
from streamkm.kernels.tile import see_tile, tile_rows
from streamkm.kernels.view import ViewArrays
from streamkm.typing import F32, F64, I64, Rows

EXACT_ROWS: Final = 256  # so many squares of bytes add exactly in float32
LEAST_TILE_ROWS: Final = 32


@compiled_making
def add_bytes(
    rows: Rows, sums: I64, squares: I64, low: F64, high: F64
) -> None:  # pragma: no cover - compiled
    """Add rows of one byte a value to their sums, sums of squares and range, by feature."""
    n, d = rows.shape
    whole = np.zeros((4, d), np.float32)
    total, square, least, most = whole[0], whole[1], whole[2], whole[3]
    for j in range(d):
        least[j], most[j] = low[j], high[j]
    for start in range(0, n, EXACT_ROWS):
        stop = min(start + EXACT_ROWS, n)
        i = start
        while i + 4 <= stop:  # four rows at a time: fewer loads and stores of the sums
            p, q, r, s = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
            for j in range(d):
                a, b = np.float32(p[j]), np.float32(q[j])
                c, e = np.float32(r[j]), np.float32(s[j])
                total[j] += (a + b) + (c + e)
                square[j] += (a * a + b * b) + (c * c + e * e)
                least[j] = min(least[j], a, b, c, e)
                most[j] = max(most[j], a, b, c, e)
            i += 4
        while i < stop:
            row = rows[i]
            for j in range(d):
                a = np.float32(row[j])
                total[j] += a
                square[j] += a * a
                least[j] = min(least[j], a)
                most[j] = max(most[j], a)
            i += 1
        for j in range(d):
            sums[j] += np.int64(total[j])
            squares[j] += np.int64(square[j])
            total[j] = square[j] = np.float32(0.0)
    for j in range(d):
        low[j], high[j] = least[j], most[j]


@compiled_making
def add_block(
    rows: Rows,
    table: F32 | None,
    weights: F64 | None,
    origin: tuple[F64, ViewArrays],
    span: F64,
    sums: BinArrays,
    squares: BinArrays,
    is_bad: NDArray[np.bool_],
) -> int:  # pragma: no cover - compiled
    """Add a block, marking bad rows; return how many rows of unit length could not be made."""
    shift, view = origin
    n_rows, n_zero = len(rows), 0
    is_plain = table is None and weights is None and view[4]
    step = plain_rows(len(shift)) if is_plain else max(n_rows, 1)
    for start in range(0, n_rows, step):
        n = min(step, n_rows - start)
        if is_plain and all_finite(rows, start, n):
            add_plain(rows, start, n, shift, span, sums, squares)
        else:
            n_zero += _add_tiles(
                rows, start, start + n, table, weights, origin, span, sums, squares, is_bad
            )
    return n_zero


@compiled_making
def _add_tiles(
    rows: Rows, begin: int, end: int, table: F32 | None, weights: F64 | None,
    origin: tuple[F64, ViewArrays], span: F64, sums: BinArrays, squares: BinArrays,
    is_bad: NDArray[np.bool_],
) -> int:  # pragma: no cover - compiled  # fmt: skip
    """Do so for some rows, a tile in float64 at a time."""
    shift, view = origin
    d, n_zero = len(shift), 0
    step = max(tile_rows(d, 1), LEAST_TILE_ROWS)  # each tile costs a few passes over columns
    tile = np.empty((step, d))
    squared = np.empty((step, d))
    low, high, largest = np.empty(d), np.empty(d), np.empty(d)
    for start in range(begin, end, step):
        n = min(step, end - start)
        see_tile(rows, start, n, table, view, tile)
        low[:], high[:] = np.inf, -np.inf
        for i in range(n):
            if view[3]:
                n_zero += not np.any(tile[i])
            if vanishing(tile[i]) == 0.0:
                weight = 1.0 if weights is None else weights[start + i]
                widen_range(tile[i], low, high)
                _deviate(tile[i], squared[i], shift, weight)
            else:
                is_bad[start + i] = True
                tile[i, :] = 0.0
                squared[i, :] = 0.0
        _join_range(low, high, span)
        if weights is None:  # rounding keeps the order: the largest deviation is at an end
            for j in range(d):
                largest[j] = max(high[j] - shift[j], shift[j] - low[j], 0.0)
            add_binned_within(tile, n, largest, sums[0], sums[1], sums[2])
            add_binned_within(squared, n, largest * largest, squares[0], squares[1], squares[2])
        else:
            add_binned(tile, n, sums[0], sums[1], sums[2])
            add_binned(squared, n, squares[0], squares[1], squares[2])
    return n_zero


@compiled
def _join_range(low: F64, high: F64, span: F64) -> None:  # pragma: no cover - compiled
    for j in range(len(low)):
        span[0, j] = min(span[0, j], low[j])
        span[1, j] = max(span[1, j], high[j])


@compiled
def _deviate(row: F64, squared: F64, shift: F64, weight: float) -> None:  # pragma: no cover
    """Take the shift off a row, in place, and square what is left; both times the weight."""
    for j in range(len(row)):
        value = row[j] - shift[j]
        row[j] = weight * value
        squared[j] = weight * (value * value)
