"""Tiles: a few rows at a time, converted from the data's own dtype in cache.

A block is never copied as floats: integers, float16, float32 and float64 are
widened to float64 a tile at a time, exactly. Distances use a second tile of
float32 about the dataset's mean, scaled by a power of two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.compiled import compiled
from streamkm.typing import F32, F64, Rows

TILE_VALUES: Final = 1 << 15  # 256 KiB of float64: the tile and its float32 twin stay in L2
TILE_SCORES: Final = 1 << 18  # 1 MiB of float32 scores

HALF: Final[F32] = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


FrameArrays = tuple[F64, float, bool]  # as in `Frame`


@dataclass(frozen=True, slots=True)
class Frame:
    """Where distances are measured from: (x - shift) * scale.

    Parameters
    ----------
    shift
        About the mean of the data, shape (n_features,), so that a common
        offset costs no digit.
    scale
        A power of two that brings the largest deviation near one, so that
        float32 neither overflows nor underflows.
    is_unit
        Whether rows are scaled to unit length first: cosine distances.
    """

    shift: F64
    scale: float
    is_unit: bool = False

    @property
    def arrays(self) -> FrameArrays:
        """Return the frame as compiled code takes it."""
        return self.shift, self.scale, self.is_unit

    @classmethod
    def about(cls, shift: F64, reach: float) -> Frame:
        """Return the frame about `shift` of values that are at most `reach` away from it."""
        exponent = int(np.frexp(reach)[1]) if reach > 0 else 0
        return cls(shift, float(np.ldexp(1.0, -exponent)))


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


def unit_rows(rows: Rows) -> F64:
    """Return a few rows scaled to unit length, as the kernels see them in their tiles."""
    native, table = readable(rows)
    out = np.empty(rows.shape)
    load_tile(native, 0, len(rows), table, out)
    normalize(out, len(rows))
    return out
