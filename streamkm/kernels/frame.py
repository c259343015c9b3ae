"""Frames: where distances are measured from, and rows framed for float32 scores.

Framed rows are float32 about the dataset's mean, scaled by a power of two, a few
at a time, so that they stay in cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamkm.kernels.compiled import ONE, compiled, compiled_reordered
from streamkm.kernels.tile import see_tile
from streamkm.kernels.view import AS_THEY_ARE, View, ViewArrays
from streamkm.typing import F32, F64, I64, Rows

FRAMED_VALUES: Final = 1 << 16  # 256 KiB of float32: the tile stays in L2 beside a panel
PADDED_FROM: Final = 512
WHOLE_TILES: Final = 48  # rows: a multiple of 6, of 12, and of 16
LEAST_TILE: Final = 16

# What compiled code takes of a `Frame`: shift, scale, view, and the shift in float32 where rows
# may be framed in float32, else nothing.
FrameArrays = tuple[F64, float, ViewArrays, F32]


class _Rounded:
    """Where a frame keeps its shift in float32: no field, so that it is not sent or saved."""

    __slots__ = ("_single",)


@dataclass(frozen=True, slots=True)
class Frame(_Rounded):
    """Where distances are measured from: (x - shift) * scale, of rows as a view shows them.

    Parameters
    ----------
    shift
        About the mean of the data, shape (n_features,), so that a common
        offset costs no digit.
    scale
        A power of two that brings the largest deviation near one, so that
        float32 neither overflows nor underflows.
    view
        How rows are seen first.
    is_cosine
        Whether distances are those of directions: 1 - cosine.
    """

    shift: F64
    scale: float
    view: View = AS_THEY_ARE
    is_cosine: bool = False

    def arrays(self, dtype: np.dtype[Any]) -> FrameArrays:
        """Return the frame as compiled code takes it, for rows of a dtype.

        Values and a shift that float32 holds exactly are subtracted in float32:
        that rounds once, as the conversion of the float64 difference does.
        """
        single = self._rounded()
        is_single = (
            self.view.is_plain
            and (dtype.itemsize <= 2 or dtype == np.float32)
            and 2.0**-100 < self.scale < 2.0**100
        )
        return self.shift, self.scale, self.view.arrays, single if is_single else single[:0]

    def _rounded(self) -> F32:
        """Return the shift in float32 where that holds it, else nothing."""
        found: F32 | None = getattr(self, "_single", None)
        if found is None:
            with np.errstate(over="ignore"):
                found = self.shift.astype(np.float32)
            found = found if np.array_equal(found, self.shift) else found[:0]
            object.__setattr__(self, "_single", found)
        return found

    @classmethod
    def about(cls, shift: F64, reach: float) -> Frame:
        """Return the frame about `shift` of values that are at most `reach` away from it.

        The shift is rounded to float32 where that hardly moves it: see `arrays`.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = shift.astype(np.float32).astype(np.float64)
            is_near = np.abs(rounded - shift) <= reach / 8
        exponent = int(np.frexp(reach)[1]) if reach > 0 else 0
        return cls(np.where(is_near, rounded, shift), float(np.ldexp(1.0, -exponent)))


@compiled
def framed_rows(n_features: int, most: int) -> int:  # pragma: no cover - compiled
    """Return the rows of a framed tile: where it may be, a multiple of what all tiles take."""
    n_rows = min(FRAMED_VALUES // n_features, most)
    unit = WHOLE_TILES if n_rows >= WHOLE_TILES else LEAST_TILE
    return max(n_rows // unit * unit, LEAST_TILE)


@compiled
def framed_stride(n_features: int) -> int:  # pragma: no cover - compiled
    """Return the numbers from one framed row to the next.

    At a multiple of 4 KiB twelve rows would fall into the same sets of an
    eight-way L1; behind the features stand zeros.
    """
    return n_features + 16 if n_features >= PADDED_FROM else n_features


@compiled
def frame_block(
    rows: Rows,
    start: int,
    n: int,
    table: F32 | None,
    frame: FrameArrays,
    wide: F64,
    framed: F32,
    squares: F32,
    numbers: I64,
) -> None:  # pragma: no cover - compiled
    """Do as `frame_rows` for `n` rows from `start`; `numbers` has room for them."""
    _, scale, view, single = frame
    if table is None and view[4] and len(single) > 0:
        _frame_single(rows, start, n, single, np.float32(scale), framed, squares)
    else:
        for i in range(n):
            numbers[i] = start + i
        frame_rows(rows, numbers[:n], table, frame, wide, framed, squares)


@compiled_reordered
def _frame_single(
    rows: Rows, start: int, n: int, shift: F32, factor: np.float32, framed: F32, squares: F32
) -> None:  # pragma: no cover - compiled
    """Frame rows in float32, and take their squared lengths on the way."""
    for i in range(n):
        total = np.float32(0.0)
        for j in range(len(shift)):
            value = (np.float32(rows[start + i, j]) - shift[j]) * factor
            framed[i, j] = value
            total += value * value
        squares[i] = total


@compiled
def frame_rows(
    rows: Rows,
    numbers: I64,
    table: F32 | None,
    frame: FrameArrays,
    wide: F64,
    framed: F32,
    squares: F32,
) -> None:  # pragma: no cover - compiled
    """Frame some rows of a block in float32, and take their squared lengths.

    `wide` is a float64 tile of at least one row, `numbers` which rows they are.
    """
    shift, scale, view, single = frame
    factor = np.float32(scale)
    is_plain = view[4]
    for i in range(len(numbers)):
        out, row = framed[i], rows[numbers[i]]
        if not is_plain:
            see_tile(rows, numbers[i], ONE, table, view, wide)
            for j in range(len(shift)):
                out[j] = np.float32((wide[0, j] - shift[j]) * scale)
        elif table is not None:
            for j in range(len(shift)):
                out[j] = np.float32((table[row[j]] - shift[j]) * scale)
        elif len(single) > 0:
            for j in range(len(single)):
                out[j] = (np.float32(row[j]) - single[j]) * factor
        else:
            for j in range(len(shift)):
                out[j] = np.float32((row[j] - shift[j]) * scale)
    for i in range(len(numbers)):
        squares[i] = square_of(framed[i])


@compiled_reordered
def square_of(x: F32) -> np.float32:  # pragma: no cover - compiled
    """Squared length of a framed row."""
    total = np.float32(0.0)
    for j in range(len(x)):
        total += x[j] * x[j]
    return total
