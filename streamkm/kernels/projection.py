"""Rows in a subspace: projected once, then measured to centers by what is seen of them there."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.assign import UNIT
from streamkm.kernels.centers import LARGEST
from streamkm.kernels.compiled import compiled, compiled_reordered
from streamkm.kernels.distance_bounds import DOWN, below
from streamkm.typing import F32, F64, I64

PIECE: Final = 256  # features whose products are added in float32 before they go to float64
AT_ONCE: Final = 4  # rows that are projected together, on two directions at a time

# Behind the coordinates of a row: a bound on the length of what cannot be seen of the way to its
# center, less the center's drift; the squared length of the coordinates; and their slack.
FACTS: Final = 3
UNSEEN: Final = np.float32(-1.0)  # slack of a row that was not projected yet


@compiled
def project(
    framed: F32, four: I64, directions: F32, seen: F32, numbers: I64, sums: F64
) -> None:  # pragma: no cover - compiled
    """Fill what is kept of four framed rows: their coordinates, and their FACTS.

    Parameters
    ----------
    framed, four
        A tile, and which of its rows; a row may be there several times.
    directions
        In float32, an even number.
    seen, numbers
        What is kept of all rows, and the number of each row of the tile.
    sums
        Scratch, shape (AT_ONCE, len(directions)).
    """
    n_features, n_directions = directions.shape[1], seen.shape[1] - 1 - FACTS
    sums[:] = 0.0
    for start in range(0, n_features, PIECE):
        for k in range(0, len(directions), 2):
            _add_dots(framed, four, directions, k, start, min(start + PIECE, n_features), sums)
    for r in range(AT_ONCE):
        square = _square_of(framed[four[r], :n_features])
        _finish(sums[r], n_directions, square, seen[numbers[four[r]]])


@compiled_reordered
def _add_dots(
    framed: F32, four: I64, directions: F32, k: int, start: int, stop: int, sums: F64
) -> None:  # pragma: no cover - compiled
    """Add the products of four rows with directions k and k + 1 over some features."""
    # Counted from zero, so that no index may be negative: the loop becomes one of vectors.
    w, v = directions[k, start:stop], directions[k + 1, start:stop]
    x, y = framed[four[0], start:stop], framed[four[1], start:stop]
    z, u = framed[four[2], start:stop], framed[four[3], start:stop]
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
    sums[0, k] += a
    sums[0, k + 1] += b
    sums[1, k] += c
    sums[1, k + 1] += d
    sums[2, k] += e
    sums[2, k + 1] += f
    sums[3, k] += g
    sums[3, k + 1] += h


@compiled_reordered
def _square_of(x: F32) -> float:  # pragma: no cover - compiled
    """Squared length in float64."""
    total = 0.0
    for j in range(len(x)):
        total += np.float64(x[j]) * np.float64(x[j])
    return total


@compiled
def _finish(
    sums: F64, n_directions: int, square: float, out: F32
) -> None:  # pragma: no cover - compiled
    """Write a row's coordinates, the length of the rest, and the FACTS.

    Products are added in float32 within a piece, so that the error of a
    coordinate is at most (PIECE + 4) units of the row's length; four units more are
    for the rounding of directions, row and result.
    """
    inside = 0.0
    for k in range(n_directions):
        out[k] = sums[k]
        inside += np.float64(out[k]) * np.float64(out[k])
    size = np.sqrt(square)
    error = UNIT * (PIECE + 8) * np.sqrt(np.float64(n_directions)) * size
    rest = max(square - inside, 0.0)
    doubt = 2.1 * np.sqrt(inside) * error + error * error + 8.0 * UNIT * square
    # |sqrt(a) - sqrt(b)| is |a - b| / (sqrt(a) + sqrt(b)), and at most sqrt(|a - b|).
    blur = doubt / np.sqrt(rest) if rest > doubt else np.sqrt(doubt)
    out[n_directions] = np.sqrt(rest)
    last = np.float64(out[n_directions])
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
