"""Rows that bounds leave open: scored by groups of centers, labeled, their bounds renewed."""

from __future__ import annotations

import numpy as np

from streamkm.kernels.assign import SAFE_SIZE, decide, error_bound, error_slope
from streamkm.kernels.centers import LARGEST, CenterArrays
from streamkm.kernels.compiled import ONE, ZERO, compiled, compiled_making
from streamkm.kernels.distance_bounds import above, below, reach_line
from streamkm.kernels.frame import FrameArrays
from streamkm.kernels.panels import Scratch, row_address, score_panels
from streamkm.kernels.scores import score_row
from streamkm.kernels.tile import see_tile
from streamkm.typing import F32, I32, I64, Rows

# Of rows: labels, upper bounds (n_rows,), lower bounds (n_rows, n_groups).
RowArrays = tuple[I32, F32, F32]
# Of the rows in a tile: which have to be scored, and old labels, own scores, labels and scores of
# the nearest center; and by group the least score, the second least and the center of the least,
# (n_rows, n_groups), -1 where the group was not looked at.
Found = tuple[I64, I32, F32, I32, F32, F32, F32, I32]
Grouping = tuple[I32, int]  # the group of each center, and how many places of the panels one takes


@compiled_making
def make_found(n_rows: int, n_groups: int) -> Found:  # pragma: no cover - compiled
    """Return room for what is found of the rows of a tile."""
    shape = (n_rows, n_groups)
    return (
        np.empty(n_rows, np.int64), np.empty(n_rows, np.int32), np.empty(n_rows, np.float32),
        np.empty(n_rows, np.int32), np.empty(n_rows, np.float32), np.empty(shape, np.float32),
        np.empty(shape, np.float32), np.empty(shape, np.int32),
    )  # fmt: skip


@compiled
def score_groups(
    numbers: I64,
    m: int,
    centers: CenterArrays,
    grouping: Grouping,
    known: RowArrays,
    found: Found,
    scratch: Scratch,
    listed: I64,
) -> None:  # pragma: no cover - compiled
    """Score the kept rows of a tile in every group that their bounds do not rule out."""
    kept, least, second, nearest = found[0], found[5], found[6], found[7]
    upper, lower = known[1], known[2]
    framed, addresses = scratch[0], scratch[2]
    low, next_low, slot = scratch[4]
    slots, n_panels = centers[6], len(centers[4])
    per_group = grouping[1] // centers[4].shape[2]
    base, stride = row_address(framed, 0), 4 * framed.shape[1]
    for group in range(lower.shape[1]):
        n = ZERO
        for z in range(m):
            q = kept[z]
            i = numbers[q]
            nearest[q, group] = -1
            if not lower[i, group] > upper[i]:
                listed[n] = q
                addresses[n] = base + q * stride
                n += 1
        if n == 0:
            continue
        first = group * per_group
        score_panels(addresses, n, centers, (first, min(first + per_group, n_panels)), scratch)
        for z in range(n):
            q = listed[z]
            least[q, group], second[q, group] = low[z], next_low[z]
            nearest[q, group] = slots[slot[z]]


@compiled
def pick_nearest(m: int, group_of: I32, found: Found) -> None:  # pragma: no cover - compiled
    """Find each kept row's nearest center, its score, and how far ahead of the next that is."""
    kept, old, own, label, ahead, least, second, nearest = found
    for z in range(m):
        q = kept[z]
        best, low, next_low = np.int32(-1), LARGEST, LARGEST
        if old[q] >= 0 and nearest[q, group_of[old[q]]] < 0:  # its own group was not looked at
            best, low = old[q], own[q]
        for group in range(least.shape[1]):
            if nearest[q, group] < 0:
                continue
            score = least[q, group]
            if score < low:
                next_low = min(low, second[q, group])
                best, low = nearest[q, group], score
            else:
                next_low = min(next_low, score)
        label[q] = best
        ahead[q] = next_low - low


@compiled
def decide_close(
    rows: Rows,
    numbers: I64,
    m: int,
    table: F32 | None,
    frame: FrameArrays,
    centers: CenterArrays,
    found: Found,
    scratch: Scratch,
) -> None:  # pragma: no cover - compiled
    """Decide in float64 where the nearest center is not far enough ahead."""
    exact, doubled, norms, max_norm = centers[:4]
    kept, label, ahead = found[0], found[3], found[4]
    framed, squares, scores, wide = scratch[0], scratch[1], scratch[5], scratch[6]
    slope, flat = error_slope(exact.shape[1], max_norm)
    for z in range(m):
        q = kept[z]
        size = np.sqrt(squares[q])
        if not (ahead[q] > size * slope + flat and size < SAFE_SIZE):  # NaN is neither
            see_tile(rows, numbers[q], ONE, table, frame[2], wide)
            score_row(framed[q], doubled, norms, scores)
            bound = error_bound(size, exact.shape[1], max_norm)
            label[q] = decide(scores, bound, size, wide[0], exact)


@compiled
def renew_bounds(
    numbers: I64,
    m: int,
    centers: CenterArrays,
    group_of: I32,
    known: RowArrays,
    found: Found,
    squares: F32,
) -> None:  # pragma: no cover - compiled
    """Write the kept rows' labels, and their bounds from the groups that were looked at."""
    labels, upper, lower = known
    kept, old, own, label, _, least, second, nearest = found
    slope, flat = reach_line(centers[0].shape[1], centers[3])
    for z in range(m):
        q = kept[z]
        i, new, square = numbers[q], label[q], squares[q]
        labels[i] = new
        if new < 0:
            continue
        for group in range(lower.shape[1]):
            if nearest[q, group] >= 0:
                is_own = nearest[q, group] == new
                score = second[q, group] if is_own else least[q, group]
                lower[i, group] = below(square, score, slope, flat)
        mine = group_of[new]
        if nearest[q, mine] == new:
            upper[i] = above(square, least[q, mine], slope, flat)
        elif old[q] != new:  # a near tie: its score is not at hand, but that of one as near is
            upper[i] = LARGEST
        before = old[q]
        if before >= 0 and before != new and nearest[q, group_of[before]] < 0:
            bound = below(square, own[q], slope, flat)
            lower[i, group_of[before]] = min(lower[i, group_of[before]], bound)
