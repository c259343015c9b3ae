"""The best two scores of each row of a tile over panels of centers."""

from __future__ import annotations

import numpy as np

from streamkm.kernels.centers import LARGEST, CenterArrays
from streamkm.kernels.compiled import compiled
from streamkm.kernels.frame import framed_rows, framed_stride
from streamkm.kernels.register_tile import (
    LANES,
    NARROW_ROWS,
    NARROW_WIDTH,
    WIDE_ROWS,
    narrow_tile,
    settle_narrow,
    settle_wide,
    wide_tile,
)
from streamkm.typing import F32, F64, I32, I64

# What rows are framed and scored in: framed rows and their squared lengths; the addresses of the
# rows to score; best, second and index of each lane; those of all lanes; one row's scores; and
# a row in float64.
Lanes = tuple[F32, F32, I32]
Scratch = tuple[F32, F32, I64, Lanes, Lanes, F32, F64]


@compiled
def make_scratch(centers: CenterArrays) -> Scratch:  # pragma: no cover - compiled
    """Return the scratch of as many rows as a tile has; its rows are to be scored in order."""
    n_features, n_clusters, panels = centers[0].shape[1], len(centers[0]), centers[4]
    step, stride = framed_rows(n_features), framed_stride(n_features)
    lanes = (step, min(LANES, panels.shape[2]))
    framed = np.zeros((step, stride), np.float32)
    addresses = np.empty(step, np.int64)
    for i in range(step):
        addresses[i] = row_address(framed, i)
    return (
        framed,
        np.empty(step, np.float32),
        addresses,
        (np.empty(lanes, np.float32), np.empty(lanes, np.float32), np.empty(lanes, np.int32)),
        (np.empty(step, np.float32), np.empty(step, np.float32), np.empty(step, np.int32)),
        np.empty(n_clusters, np.float32),
        np.empty((1, n_features)),
    )


@compiled
def row_address(framed: F32, i: int) -> int:  # pragma: no cover - compiled
    """Return where in memory a framed row begins."""
    address: int = framed.ctypes.data + 4 * i * framed.shape[1]
    return address


@compiled
def score_panels(
    addresses: I64, n: int, centers: CenterArrays, panels: tuple[int, int], scratch: Scratch
) -> None:  # pragma: no cover - compiled
    """Find the best two scores of `n` rows over some panels, and the slot of the best.

    Parameters
    ----------
    addresses
        Where the rows begin; room for as many as a tile has, of which those
        behind the first `n` are overwritten.
    panels
        The first, and the one behind the last.
    scratch
        Its fifth part holds the results.
    """
    packed, norms = centers[4], centers[5]
    lanes, found = scratch[3], scratch[4]
    d, width = packed.shape[1], packed.shape[2]
    is_narrow = width == NARROW_WIDTH
    n_rows = NARROW_ROWS if is_narrow else WIDE_ROWS
    best, second, index = lanes
    best[:n] = LARGEST
    second[:n] = LARGEST
    index[:n] = 0
    for i in range(n, -(-n // n_rows) * n_rows):
        addresses[i] = addresses[n - 1]
    x, p, q = addresses.ctypes.data, packed.ctypes.data, norms.ctypes.data
    b, s, k = best.ctypes.data, second.ctypes.data, index.ctypes.data
    for panel in range(panels[0], panels[1]):
        first = panel * width
        place, norm = p + 4 * first * d, q + 4 * first
        for i in range(0, n, n_rows):
            rows, lane = x + 8 * i, 4 * i * best.shape[1]
            if is_narrow:
                narrow_tile(rows, place, norm, d, first, b + lane, s + lane, k + lane)
            else:
                wide_tile(rows, place, norm, d, first, b + lane, s + lane, k + lane)
    low, next_low, slot = found
    u, v, w = low.ctypes.data, next_low.ctypes.data, slot.ctypes.data
    if is_narrow:
        settle_narrow(n, b, s, k, u, v, w)
    else:
        settle_wide(n, b, s, k, u, v, w)
