"""Tiles: a few rows at a time, converted from the data's own dtype in cache.

A block is never copied as floats: integers, float16, float32 and float64 are
widened to float64 a tile at a time, exactly.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.compiled import compiled
from streamkm.kernels.view import AT_UNIT_LENGTH, View, ViewArrays
from streamkm.typing import F32, F64, I64, Rows

TILE_VALUES: Final = 1 << 15  # 256 KiB of float64: the tile and its float32 twin stay in L2
TILE_SCORES: Final = 1 << 18  # 1 MiB of float32 scores

HALF: Final[F32] = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


@compiled
def tile_rows(n_features: int, n_clusters: int) -> int:  # pragma: no cover - compiled
    """Return the rows of one tile: a multiple of four, at least four."""
    n_rows = min(TILE_VALUES // n_features, TILE_SCORES // n_clusters, 2048)
    return max(n_rows // 4 * 4, 4)


def readable(rows: Rows) -> tuple[NDArray[Any], F32 | None]:
    """Return rows as the compiled kernels take them, with the float16 table where needed.

    Numba has no float16 on CPUs: such rows go in as their bits, with a table
    of all 65536 values.
    """
    rows = np.ascontiguousarray(rows)
    if rows.dtype == np.float16:
        return rows.view(np.uint16), HALF
    if rows.dtype == np.bool_:
        return rows.view(np.uint8), None
    return rows, None


def is_exact_integer(dtype: np.dtype[Any]) -> bool:
    """Return whether sums of this dtype are taken as plain integers."""
    return (dtype.kind in "bu" and dtype.itemsize <= 4) or (
        dtype.kind == "i" and dtype.itemsize <= 4
    )


@compiled
def load_tile(
    rows: Rows, start: int, n_rows: int, table: F32 | None, tile: F64
) -> None:  # pragma: no cover - compiled
    """Widen `n_rows` rows from `start` into a float64 tile."""
    for i in range(n_rows):
        for j in range(rows.shape[1]):
            if table is None:
                tile[i, j] = rows[start + i, j]
            else:
                tile[i, j] = table[rows[start + i, j]]


@compiled
def see_tile(
    rows: Rows, start: int, n_rows: int, table: F32 | None, view: ViewArrays, tile: F64
) -> None:  # pragma: no cover - compiled
    """Widen `n_rows` rows from `start` into a float64 tile, as a view shows them.

    Taking the view apart costs 20 ns a call: who goes row by row asks first
    whether it `is_plain`, and calls `load_tile`.
    """
    columns, offset, factor, is_unit, _ = view
    if len(columns) > 0:
        _load_columns(rows, start, n_rows, table, columns, tile)
    else:
        load_tile(rows, start, n_rows, table, tile)
    if len(factor) > 0:
        for i in range(n_rows):
            for j in range(len(factor)):
                tile[i, j] = (tile[i, j] - offset[j]) * factor[j]
    if is_unit:
        normalize(tile, n_rows)


@compiled
def _load_columns(
    rows: Rows, start: int, n_rows: int, table: F32 | None, columns: I64, tile: F64
) -> None:  # pragma: no cover - compiled
    """Widen some features of the rows."""
    for i in range(n_rows):
        for j in range(len(columns)):
            if table is None:
                tile[i, j] = rows[start + i, columns[j]]
            else:
                tile[i, j] = table[rows[start + i, columns[j]]]


@compiled
def normalize(tile: F64, n_rows: int) -> None:  # pragma: no cover - compiled
    """Scale rows to unit length, in place; a row of zeros stays one."""
    for i in range(n_rows):
        largest = 0.0
        for j in range(tile.shape[1]):
            largest = max(largest, abs(tile[i, j]))
        if largest > 0.0:  # dividing by it first, no square overflows
            total = 0.0
            for j in range(tile.shape[1]):
                tile[i, j] /= largest
                total += tile[i, j] * tile[i, j]
            length = np.sqrt(total)
            for j in range(tile.shape[1]):
                tile[i, j] /= length


def seen_rows(rows: Rows, view: View) -> Rows:
    """Return a few rows as a view shows them, to the bit as in the kernels' tiles.

    Rows that it shows as they are stay of their own dtype.
    """
    if view.is_plain:
        return rows
    if view.keeps_values:
        return np.ascontiguousarray(view.picked(rows))
    native, table = readable(rows)
    out = np.empty((len(rows), view.width(rows.shape[1])))
    see_tile(native, 0, len(rows), table, view.arrays, out)
    return out


def unit_rows(rows: Rows) -> F64:
    """Return a few rows scaled to unit length, as the kernels see them in their tiles."""
    return seen_rows(rows, AT_UNIT_LENGTH)
