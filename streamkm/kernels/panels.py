"""The best two scores of each row of a tile over panels of centers."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.centers import LARGEST, CenterArrays
from streamkm.kernels.compiled import ZERO, compiled, compiled_making
from streamkm.kernels.dot_tile import DOT_CENTERS, DOT_ROWS, score_dots
from streamkm.kernels.frame import framed_rows, framed_stride
from streamkm.kernels.register_tile import LANES, N_ROWS, register_tile, settle
from streamkm.kernels.row_tile import (
    MOST_CENTERS,
    TILE_LANES,
    find_best,
    frame_columns,
    lay_columns,
    score_columns,
)
from streamkm.typing import F32, F64, I32, I64

# Which tile is the fastest, as measured: along the features for few centers of many features, a
# lane a row where the features of a tile and the centers fit in L1 and L2, else a lane a center.
WIDE: Final = 256
FEW_CENTERS: Final = 32
FEW_PRODUCTS: Final = 1 << 14
AHEAD_ROWS: Final = 128  # that are asked for before they are framed
MOST_ROWS: Final = 768  # of a tile: handing it on costs as much as scoring some narrow rows
MOST_LANES_ROWS: Final = 192  # with a lane a center: their best scores stay in L1
MOST_SCORES: Final = FEW_PRODUCTS  # of a row: FEW_CENTERS, or those of one feature

# What rows are framed and scored in: framed rows and their squared lengths; the addresses of the
# rows to score; best, second and index of each lane; those of all lanes; one row's scores;
# a row in float64; the columns of a row tile, and its scores; in which parts few centers are
# taken, and where they are; and the numbers of the rows.
Lanes = tuple[F32, F32, I32]
Scratch = tuple[F32, F32, I64, Lanes, Lanes, F32, F64, tuple[F32, F32], tuple[I64, I64], I64]


@compiled_making
def make_scratch(centers: CenterArrays) -> Scratch:  # pragma: no cover - compiled
    """Return the scratch of as many rows as a tile has; its rows are to be scored in order."""
    n_clusters, n_features = centers[0].shape
    has_lanes = n_clusters * n_features > FEW_PRODUCTS
    most = MOST_LANES_ROWS if has_lanes else MOST_ROWS
    step, stride = framed_rows(n_features, most), framed_stride(n_features)
    room = step + TILE_LANES  # tiles of rows are full, the last one with copies
    lanes = (room, LANES)
    framed = np.zeros((step, stride), np.float32)
    addresses = np.empty(room, np.int64)
    for i in range(step):
        addresses[i] = row_address(framed, i)
    return (
        framed,
        np.empty(room, np.float32),
        addresses,
        (np.empty(lanes, np.float32), np.empty(lanes, np.float32), np.empty(lanes, np.int32)),
        (np.empty(room, np.float32), np.empty(room, np.float32), np.empty(room, np.int32)),
        np.empty(n_clusters, np.float32),
        np.empty((1, n_features)),
        (
            np.empty((min(n_features, WIDE), TILE_LANES), np.float32),
            np.empty((min(n_clusters, MOST_SCORES), TILE_LANES), np.float32),
        ),
        _make_parts(centers),
        np.empty(step, np.int64),
    )


@compiled_making
def _make_parts(centers: CenterArrays) -> tuple[I64, I64]:  # pragma: no cover - compiled
    """Return where parts of the centers begin, by slot, and where in memory each center does."""
    doubled, packed, order = centers[1], centers[4], centers[6]
    n_clusters, d = doubled.shape
    width = packed.shape[2]
    edges = cut(n_clusters, width, DOT_CENTERS if d >= WIDE else MOST_CENTERS)
    places = np.empty(n_clusters, np.int64)
    for slot in range(n_clusters):
        if d >= WIDE:
            places[slot] = doubled.ctypes.data + 4 * d * order[slot]
        else:
            begin = slot // width * width
            places[slot] = packed.ctypes.data + 4 * (begin * d + slot - begin)
    return edges, places


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
        Where the rows begin, with room for TILE_LANES more, which are
        overwritten.
    panels
        The first, and the one behind the last.
    scratch
        Its fifth part holds the results.
    """
    n_features, width = centers[4].shape[1:]
    slots = (panels[0] * width, min(panels[1] * width, len(centers[0])))
    n_centers = slots[1] - slots[0]
    if n_features >= WIDE and n_centers <= FEW_CENTERS:
        _score_by_features(addresses, n, centers, slots, scratch)
    elif n_features < WIDE and n_centers * n_features <= FEW_PRODUCTS:
        score_by_rows(addresses, n, centers, slots, scratch, scratch[1][:0], 1.0)
    else:
        _score_by_centers(addresses, n, centers, panels, scratch)


@compiled
def _score_by_features(
    addresses: I64, n: int, centers: CenterArrays, slots: tuple[int, int], scratch: Scratch
) -> None:  # pragma: no cover - compiled
    """Score with lanes along the features, in parts of nearly equal size."""
    d, norms, scores = centers[1].shape[1], centers[5].ctypes.data, scratch[7][1]
    edges, places = scratch[8]
    first, last = slots
    begin, end = np.searchsorted(edges, first), np.searchsorted(edges, last)
    low, next_low, slot = scratch[4]
    x, c, s = addresses.ctypes.data, places.ctypes.data, scores.ctypes.data
    u, v, w = low.ctypes.data, next_low.ctypes.data, slot.ctypes.data
    fill_up(addresses, n)
    for i in range(0, n, TILE_LANES):
        for row in range(0, min(TILE_LANES, n - i), DOT_ROWS):
            for e in range(begin, end):
                k, part = edges[e], edges[e + 1] - edges[e]
                out = s + 4 * ((k - first) * TILE_LANES + row)
                score_dots(x + 8 * (i + row), c + 8 * k, norms + 4 * k, d, part, out, TILE_LANES)
        find_best(s, last - first, first, u + 4 * i, v + 4 * i, w + 4 * i)


@compiled
def score_by_rows(
    addresses: I64, n: int, centers: CenterArrays, slots: tuple[int, int], scratch: Scratch,
    shift: F32, factor: float,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Score with a lane a row; rows are framed first where there is a shift."""
    norms = centers[5].ctypes.data
    columns, scores = scratch[7]
    edges, places = scratch[8]
    low, next_low, slot = scratch[4]
    d, width = centers[4].shape[1], centers[4].shape[2]
    squares = scratch[1].ctypes.data
    first, last = slots
    begin, end = np.searchsorted(edges, first), np.searchsorted(edges, last)
    x, q, s = addresses.ctypes.data, columns.ctypes.data, scores.ctypes.data
    u, v, w = low.ctypes.data, next_low.ctypes.data, slot.ctypes.data
    fill_up(addresses, n)
    for i in range(0, n, TILE_LANES):
        lay_columns(x + 8 * i, d, q)
        if len(shift) > 0:
            ahead = addresses[i] + 4 * AHEAD_ROWS * d
            frame_columns(q, d, shift.ctypes.data, np.float32(factor), squares + 4 * i, ahead)
        for e in range(begin, end):
            k, part = edges[e], edges[e + 1] - edges[e]
            out = s + 4 * (k - first) * TILE_LANES
            score_columns(q, places[k], norms + 4 * k, width, d, part, out)
        find_best(s, last - first, first, u + 4 * i, v + 4 * i, w + 4 * i)


@compiled_making
def cut(n: int, width: int, most: int) -> I64:  # pragma: no cover - compiled
    """Cut every `width` of `n` centers into parts of nearly equal size, of at most so many."""
    edges, n_edges, edge = np.empty(n + 1, np.int64), ZERO, ZERO
    while edge < n:
        edges[n_edges] = edge
        n_edges += 1
        left = min(edge // width * width + width, n) - edge
        edge -= -left // -(-left // most)
    edges[n_edges] = n
    return edges[: n_edges + 1]


@compiled
def fill_up(addresses: I64, n: int) -> None:  # pragma: no cover - compiled
    """Let a last tile that is not full score one row several times."""
    for i in range(n, n + TILE_LANES):
        addresses[i] = addresses[n - 1]


@compiled
def _score_by_centers(
    addresses: I64, n: int, centers: CenterArrays, panels: tuple[int, int], scratch: Scratch
) -> None:  # pragma: no cover - compiled
    """Score with a lane a center, panel by panel."""
    packed, norms = centers[4], centers[5]
    lanes, found = scratch[3], scratch[4]
    d, width = packed.shape[1], packed.shape[2]
    best, second, index = lanes
    best[:n] = LARGEST
    second[:n] = LARGEST
    index[:n] = 0
    fill_up(addresses, n)
    x, p, q = addresses.ctypes.data, packed.ctypes.data, norms.ctypes.data
    b, s, k = best.ctypes.data, second.ctypes.data, index.ctypes.data
    for panel in range(panels[0], panels[1]):
        first = panel * width
        place, norm = p + 4 * first * d, q + 4 * first
        for i in range(0, n, N_ROWS):
            rows, lane = x + 8 * i, 4 * i * LANES
            register_tile(rows, place, norm, d, first, b + lane, s + lane, k + lane)
    low, next_low, slot = found
    settle(n, b, s, k, low.ctypes.data, next_low.ctypes.data, slot.ctypes.data)
