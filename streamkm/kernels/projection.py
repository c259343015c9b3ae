"""Rows in a subspace: projected once, then measured to centers by what is seen of them there."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.assign import UNIT
from streamkm.kernels.centers import LARGEST
from streamkm.kernels.compiled import compiled, compiled_making, compiled_reordered
from streamkm.kernels.distance_bounds import DOWN, below
from streamkm.kernels.dot_tile import DOT_CENTERS, DOT_ROWS, score_dots
from streamkm.kernels.frame import square_of
from streamkm.kernels.panels import row_address
from streamkm.kernels.register_tile import LANES
from streamkm.typing import F32, F64, I64

PIECE: Final = 256  # features whose squares are added in float32 before they go to float64
DEPTH: Final = 240  # products likewise, of each lane
ROUNDINGS: Final = 264  # of a sum of either: lanes and what is behind the last whole vector too
AT_ONCE: Final = 16  # rows for which a piece of a few directions is read once
VANISHED: Final = 2.0**-148  # of a feature's square in float32: more than underflow takes

# What rows are projected in: which of a tile they are; where these and the directions begin in
# memory; their products with a few directions, and zeros behind them; and all sums of products.
Room = tuple[I64, I64, F32, F64]

# Behind the coordinates of a row: to how many directions it was projected, 0 before it is; a bound
# on the length of what cannot be seen of the way to its center, less the center's drift; the
# squared length of the coordinates; and their slack.
FACTS: Final = 4


@compiled_making
def make_room(directions: F32) -> Room:  # pragma: no cover - compiled
    """Return room for the rows that are projected together."""
    n_directions = len(directions)
    return (
        np.empty(AT_ONCE, np.int64),
        np.empty(AT_ONCE + n_directions, np.int64),
        np.zeros((DOT_CENTERS + 1, AT_ONCE), np.float32),
        np.empty((AT_ONCE, n_directions)),
    )


@compiled
def project(
    framed: F32, n: int, n_before: int, directions: F32, seen: F32, numbers: I64, room: Room
) -> None:  # pragma: no cover - compiled
    """Fill what is kept of framed rows: their coordinates, the length of the rest, their FACTS.

    Parameters
    ----------
    framed, n
        A tile, and how many of its rows; `room` says which.
    n_before
        To how many directions they were projected before.
    directions
        In float32, shape (n_directions, n_features).
    seen, numbers
        What is kept of all rows, and the number of each row of the tile.
    """
    chosen, _, _, sums = room
    n_directions, n_features = directions.shape
    chosen[n:] = chosen[0]
    sums[:] = 0.0
    for start in range(0, n_features, DEPTH * LANES):
        _add_products(framed, n, n_before, directions, start, room)
    for r in range(n):
        square = n_features * VANISHED
        for start in range(0, n_features, PIECE):
            stop = min(start + PIECE, n_features)
            square += np.float64(square_of(framed[chosen[r], start:stop]))
        out = seen[numbers[chosen[r]]]
        for k in range(n_before, n_directions):
            out[k] = sums[r, k]
        _finish(n_directions, square, out)


@compiled
def _add_products(
    framed: F32, n: int, n_before: int, directions: F32, start: int, room: Room
) -> None:  # pragma: no cover - compiled
    """Add products of the rows with directions from `n_before` over a piece of the features."""
    chosen, places, products, sums = room
    n_directions, length = len(directions), min(DEPTH * LANES, directions.shape[1] - start)
    for r in range(AT_ONCE):
        places[r] = row_address(framed, chosen[r]) + 4 * start
    for k in range(n_before, n_directions):
        places[AT_ONCE + k] = row_address(directions, k) + 4 * start
    x, w, out = places.ctypes.data, places.ctypes.data + 8 * AT_ONCE, products.ctypes.data
    zeros, k = out + 4 * DOT_CENTERS * AT_ONCE, n_before
    while k < n_directions:
        left = n_directions - k
        few = -(-left // -(-left // DOT_CENTERS))  # parts of nearly equal size
        for r in range(0, n, DOT_ROWS):
            score_dots(x + 8 * r, w + 8 * k, zeros, length, few, out + 4 * r, AT_ONCE)
        for i in range(few):
            for r in range(n):
                sums[r, k + i] += products[i, r]
        k += few


@compiled
def _finish(n_directions: int, square: float, out: F32) -> None:  # pragma: no cover - compiled
    """Write the length of what is left beside a row's coordinates, and its FACTS.

    The error of a coordinate is at most ROUNDINGS units of the row's length, and that of its
    square as many units of it, those of the rounding of directions, row and result among them.
    """
    inside = 0.0
    for k in range(n_directions):
        inside += np.float64(out[k]) * np.float64(out[k])
    size = np.sqrt(square)
    error = UNIT * ROUNDINGS * np.sqrt(np.float64(n_directions)) * size
    rest = max(square - inside, 0.0)
    doubt = 2.1 * np.sqrt(inside) * error + error * error + UNIT * ROUNDINGS * square
    # |sqrt(a) - sqrt(b)| is |a - b| / (sqrt(a) + sqrt(b)), and at most sqrt(|a - b|).
    blur = doubt / np.sqrt(rest) if rest > doubt else np.sqrt(doubt)
    out[n_directions] = np.sqrt(rest)
    last = np.float64(out[n_directions])
    out[-4] = n_directions
    out[-3] = LARGEST
    out[-2] = inside + last * last
    out[-1] = 1.01 * (error + blur + 4.0 * UNIT * size) + 1e-30


@compiled
def far_from(
    seen: F32, score: np.float32, line: tuple[np.float32, np.float32], slack: float
) -> np.float32:  # pragma: no cover - compiled
    """Return a lower bound on the distance of a row to centers of a score in the subspace."""
    bound = below(seen[-2], score, line[0], line[1]) - (seen[-1] + slack)
    return np.float32(max(bound, 0.0) * DOWN) * DOWN


@compiled
def score_within(
    seen: F32, distance: np.float32, line: tuple[np.float32, np.float32], slack: float
) -> np.float32:  # pragma: no cover - compiled
    """Return the score in the subspace up to which a center may be as near as `distance`."""
    square = np.float64(seen[-2])
    reach = np.float64(line[0]) * (square + np.float64(line[1]))
    most = (np.float64(distance) + seen[-1] + slack) * (1.0 + 2.0**-20)
    score = most * most - square + reach * (1.0 + 2.0**-20)
    return np.float32(score + (abs(score) + square) * 2.0**-22)  # cast, it must not fall


@compiled
def near_from(seen: F32, center: F64, slack: float, drift: float) -> np.float32:  # pragma: no cover
    """Return an upper bound on the distance to the own center, by where it is seen now."""
    inside = np.sqrt(_square_between(seen, center)) + (seen[-1] + slack)
    unseen = seen[-3] + drift
    return np.float32(np.sqrt(inside * inside + unseen * unseen) * (1.0 + 2.0**-20))


@compiled
def keep_unseen(
    seen: F32, center: F64, distance: np.float32, slack: float, drift: float
) -> None:  # pragma: no cover - compiled
    """Keep what an upper bound on the distance to the own center leaves to what is not seen."""
    inside = max(np.sqrt(_square_between(seen, center)) - (seen[-1] + slack), 0.0)
    square = np.float64(distance) * np.float64(distance) - inside * inside * (1.0 - 2.0**-40)
    unseen = np.sqrt(max(square, 0.0)) * (1.0 + 2.0**-40) - drift
    seen[-3] = np.float32(unseen + abs(unseen) * 2.0**-22)


@compiled
def keep_rest(seen: F32, slack: float) -> None:  # pragma: no cover - compiled
    """Keep what is not seen of the way to a center in the span: the rest of the row, no more."""
    unseen = np.float64(seen[len(seen) - FACTS - 1]) + seen[-1] + slack
    seen[-3] = np.float32(unseen * (1.0 + 2.0**-22))


@compiled_reordered
def _square_between(seen: F32, center: F64) -> float:  # pragma: no cover - compiled
    """Squared distance within the span, rounded by far less than a slack."""
    total = 0.0
    for j in range(len(center) - 1):
        total += (seen[j] - center[j]) ** 2
    return total
