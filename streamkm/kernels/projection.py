"""Rows in a subspace: projected once, then measured to centers by what is seen of them there."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.assign import UNIT
from streamkm.kernels.centers import LARGEST
from streamkm.kernels.compiled import compiled, compiled_reordered
from streamkm.kernels.distance_bounds import DOWN, below
from streamkm.kernels.frame import square_of
from streamkm.typing import F32, F64, I64

PIECE: Final = 256  # features whose products are added in float32 before they go to float64
AT_ONCE: Final = 16  # rows for which a piece of two directions is read once
VANISHED: Final = 2.0**-148  # of a feature's square in float32: more than underflow takes
FOUR: Final = 4  # rows and two directions: as many sums as stay in registers

# Behind the coordinates of a row: to how many directions it was projected, 0 before it is; a bound
# on the length of what cannot be seen of the way to its center, less the center's drift; the
# squared length of the coordinates; and their slack.
FACTS: Final = 4


@compiled
def project(
    framed: F32, chosen: I64, n: int, n_before: int, directions: F32, seen: F32, numbers: I64,
    sums: F64,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Fill what is kept of framed rows: their coordinates, the length of the rest, their FACTS.

    Parameters
    ----------
    framed, chosen, n
        A tile, and which of its rows, shape (AT_ONCE,); how many they are.
    n_before
        To how many directions they were projected before.
    directions
        In float32, and zeros behind the last.
    seen, numbers
        What is kept of all rows, and the number of each row of the tile.
    sums
        Scratch, shape (AT_ONCE, len(directions)).
    """
    n_features, n_directions = directions.shape[1], len(directions) - 1
    chosen[n:] = chosen[0]
    sums[:] = 0.0
    for start in range(0, n_features, PIECE):
        stop = min(start + PIECE, n_features)
        for k in range(n_before, n_directions, 2):
            for first in range(0, n, FOUR):
                _add_dots(framed, chosen, first, directions, k, start, stop, sums)
    for r in range(n):
        square = n_features * VANISHED
        for start in range(0, n_features, PIECE):
            stop = min(start + PIECE, n_features)
            square += np.float64(square_of(framed[chosen[r], start:stop]))
        out = seen[numbers[chosen[r]]]
        for k in range(n_before, n_directions):
            out[k] = sums[r, k]
        _finish(n_directions, square, out)


@compiled_reordered
def _add_dots(
    framed: F32, chosen: I64, first: int, directions: F32, k: int, start: int, stop: int, sums: F64
) -> None:  # pragma: no cover - compiled
    """Add the products of FOUR rows with directions k and k + 1 over some features."""
    # Counted from zero, so that no index may be negative: the loop becomes one of vectors.
    w, v = directions[k, start:stop], directions[k + 1, start:stop]
    x, y = framed[chosen[first], start:stop], framed[chosen[first + 1], start:stop]
    z, u = framed[chosen[first + 2], start:stop], framed[chosen[first + 3], start:stop]
    a = b = c = d = e = f = g = h = np.float32(0.0)
    for j in range(len(w)):
        a += x[j] * w[j]
        b += x[j] * v[j]
        c += y[j] * w[j]
        d += y[j] * v[j]
        e += z[j] * w[j]
        f += z[j] * v[j]
        g += u[j] * w[j]
        h += u[j] * v[j]
    sums[first, k] += a
    sums[first, k + 1] += b
    sums[first + 1, k] += c
    sums[first + 1, k + 1] += d
    sums[first + 2, k] += e
    sums[first + 2, k + 1] += f
    sums[first + 3, k] += g
    sums[first + 3, k + 1] += h


@compiled
def _finish(n_directions: int, square: float, out: F32) -> None:  # pragma: no cover - compiled
    """Write the length of what is left beside a row's coordinates, and its FACTS.

    Products are added in float32 within a piece, so that the error of a
    coordinate is at most (PIECE + 4) units of the row's length, and that of its square (PIECE + 4)
    units of it; four units more are for the rounding of directions, row and result.
    """
    inside = 0.0
    for k in range(n_directions):
        inside += np.float64(out[k]) * np.float64(out[k])
    size = np.sqrt(square)
    error = UNIT * (PIECE + 8) * np.sqrt(np.float64(n_directions)) * size
    rest = max(square - inside, 0.0)
    doubt = 2.1 * np.sqrt(inside) * error + error * error + UNIT * (PIECE + 8) * square
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
