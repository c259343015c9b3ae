"""Nearest centers: float32 arithmetic where it decides, float64 where it does not.

Scores s_j = |c_j|^2 - 2 x.c_j are taken in float32 about the mean. Whatever
the order of a float32 dot product of n terms, its error is at most
n * u / (1 - n * u) * |x||c| with u = 2**-24 (Higham, "Accuracy and Stability
of Numerical Algorithms", 2nd ed., section 3.1). Centers whose score is within
twice that bound of the best are compared again in float64, by differences
and in a fixed order: labels are those of the float64 reference, wherever a
row stands in a block and however the compiler vectorises.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.block_scores import score_block
from streamkm.kernels.centers import CenterArrays, Centers
from streamkm.kernels.compiled import ONE, ZERO, compiled, compiled_finite, compiled_making
from streamkm.kernels.frame import FrameArrays, frame_block
from streamkm.kernels.panels import Lanes, Scratch, make_scratch
from streamkm.kernels.scores import score_row
from streamkm.kernels.tile import readable, see_tile
from streamkm.kernels.view import ViewArrays
from streamkm.typing import F32, F64, I32, Rows

UNIT: Final = 2.0**-24
SAFE_SIZE: Final = np.float32(1e15)


def assign(rows: Rows, centers: Centers) -> tuple[I32, F64]:
    """Label rows with their nearest centers.

    Parameters
    ----------
    rows
        Shape (n_rows, n_features), any real dtype.
    centers
        Centers made ready by `prepare`.

    Returns
    -------
    labels
        Shape (n_rows,); ties go to the lowest index; -1 where a row holds NaN
        or infinity.
    sq_dist
        Squared Euclidean distance to that center in float64, shape (n_rows,);
        NaN where the label is -1.
    """
    labels = np.empty(len(rows), np.int32)
    sq_dist = np.empty(len(rows))
    label_rows(rows, centers, labels, sq_dist)
    return labels, sq_dist


def label_rows(rows: Rows, centers: Centers, labels: I32, sq_dist: F64 | None = None) -> None:
    """Fill what `assign` returns; the distances only where there is room for them."""
    native, table = readable(rows)
    _assign_block(
        native,
        table,
        centers.frame.arrays(rows.dtype),
        centers.arrays,
        labels,
        np.empty(0) if sq_dist is None else sq_dist,
    )


@compiled_making
def _assign_block(
    rows: Rows,
    table: F32 | None,
    frame: FrameArrays,
    centers: CenterArrays,
    labels: I32,
    sq_dist: F64,
) -> None:  # pragma: no cover - compiled
    scratch = make_scratch(centers)
    step = len(scratch[0])
    for start in range(0, len(rows), step):
        n = min(step, len(rows) - start)
        assign_tile(rows, start, n, table, frame, centers, scratch, labels, sq_dist)


@compiled
def assign_tile(
    rows: Rows,
    start: int,
    n: int,
    table: F32 | None,
    frame: FrameArrays,
    centers: CenterArrays,
    scratch: Scratch,
    labels: I32,
    sq_dist: F64,
) -> None:  # pragma: no cover - compiled
    """Label rows `start` to `start + n` of a block."""
    exact, max_norm, slots = centers[0], centers[3], centers[6]
    squares, found, wide = scratch[1], scratch[4], scratch[6]
    is_raw = score_block(rows, start, n, table, frame, centers, scratch)
    slot = found[2]
    for i in range(n):
        labels[start + i] = slots[slot[i]]
    if _keep_margins(n, squares, error_slope(exact.shape[1], max_norm), found) > 0:
        _decide_close(rows, start, n, table, frame, centers, scratch, labels, is_raw)
    if len(sq_dist) > 0:
        _measure(rows, start, n, table, frame[2], wide, exact, labels, sq_dist)


@compiled
def _keep_margins(
    n: int, squares: F32, line: tuple[np.float32, np.float32], found: Lanes
) -> int:  # pragma: no cover - compiled
    """Write over the best scores by how much more than rounding they are ahead.

    Returns how many are not ahead: hardly any, so that who looks for them need not often.
    """
    low, next_low, _ = found
    slope, least = line
    n_close = ZERO
    for i in range(n):
        size = np.sqrt(squares[i])
        margin = (next_low[i] - low[i]) - (size * slope + least)
        low[i] = margin if size < SAFE_SIZE else -least
        n_close += not low[i] > 0.0  # NaN is not
    return n_close


@compiled
def _decide_close(
    rows: Rows, start: int, n: int, table: F32 | None, frame: FrameArrays,
    centers: CenterArrays, scratch: Scratch, labels: I32, is_raw: bool,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Decide in float64 where the nearest center is not far enough ahead; frame rows first."""
    exact, doubled, norms, max_norm = centers[:4]
    framed, squares, scores, wide = scratch[0], scratch[1], scratch[5], scratch[6]
    margin, numbers = scratch[4][0], scratch[9]
    for i in range(n):
        if not margin[i] > 0.0:
            if is_raw:
                one = slice(i, i + 1)
                frame_block(
                    rows, start + i, ONE, table, frame, wide, framed[one], squares[one], numbers
                )
            see_tile(rows, start + i, ONE, table, frame[2], wide)
            score_row(framed[i], doubled, norms, scores)
            size = np.sqrt(squares[i])
            bound = error_bound(size, exact.shape[1], max_norm)
            labels[start + i] = decide(scores, bound, size, wide[0], exact)


@compiled
def _measure(
    rows: Rows, start: int, n: int, table: F32 | None, view: ViewArrays, wide: F64, exact: F64,
    labels: I32, sq_dist: F64,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Fill the squared distances of labeled rows to their centers."""
    is_raw = table is None and view[4]
    for i in range(start, start + n):
        if labels[i] < 0:
            sq_dist[i] = np.nan
        elif is_raw:
            sq_dist[i] = distance_between(rows[i], exact[labels[i]])
        else:
            see_tile(rows, i, ONE, table, view, wide)
            sq_dist[i] = distance_between(wide[0], exact[labels[i]])


@compiled
def error_slope(
    n_features: int, max_norm: float
) -> tuple[np.float32, np.float32]:  # pragma: no cover - compiled
    """Return `error_bound` as a line in the size of the row, widened for float32."""
    least = error_bound(0.0, n_features, max_norm)
    slope = error_bound(1.0, n_features, max_norm) - least
    return np.float32(1.001 * slope), np.float32(1.001 * least)


@compiled
def error_bound(
    size: float, n_features: int, max_norm: float
) -> float:  # pragma: no cover - compiled
    """Return how far two scores of a row of length `size` may be apart in the wrong order."""
    rounding = 2.0 * (n_features + 4) * size * max_norm + 2.0 * max_norm * max_norm
    return 2.1 * UNIT * rounding + 1e-30


@compiled_finite
def near_best(scores: F32, bound: float) -> tuple[float, int, int]:  # pragma: no cover - compiled
    """Return the threshold, how many scores reach it, and the last that does."""
    best = scores[0]
    for k in range(1, len(scores)):
        best = min(best, scores[k])
    # Rounding the threshold to float32 must not lower it.
    threshold = np.float32(best + bound * 1.001 + abs(best) * 2.0 * UNIT)
    count = 0
    last = 0
    for k in range(len(scores)):
        near = scores[k] <= threshold
        count += near
        last = max(last, k * near)
    return float(threshold), count, last


@compiled
def decide(
    scores: F32, bound: float, size: float, x: F64, exact: F64
) -> int:  # pragma: no cover - compiled
    """Return the label, by squared distances in float64 where scores are close; -1 for none."""
    is_safe = size < 1e15 and bound < 1e30  # NaN is neither
    threshold, count, last = near_best(scores, bound)
    if is_safe and count == 1:
        return last
    label, smallest = -1, np.inf
    for k in range(len(scores)):
        if not is_safe or scores[k] <= threshold:
            distance = distance_between(x, exact[k])
            if distance < smallest:
                label, smallest = k, distance
    return label


@compiled
def distance_between(x: Rows, center: F64) -> float:  # pragma: no cover - compiled
    """Squared Euclidean distance in float64, in one fixed order of additions."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    n = len(x)
    whole = n - n % 8
    for j in range(0, whole, 8):
        s0 += (x[j] - center[j]) ** 2
        s1 += (x[j + 1] - center[j + 1]) ** 2
        s2 += (x[j + 2] - center[j + 2]) ** 2
        s3 += (x[j + 3] - center[j + 3]) ** 2
        s4 += (x[j + 4] - center[j + 4]) ** 2
        s5 += (x[j + 5] - center[j + 5]) ** 2
        s6 += (x[j + 6] - center[j + 6]) ** 2
        s7 += (x[j + 7] - center[j + 7]) ** 2
    for j in range(whole, n):
        s0 += (x[j] - center[j]) ** 2
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
