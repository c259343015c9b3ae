"""Labels by bounds and a subspace: most rows that bounds leave open need one distance or none.

As in `bounds`; but a row whose bounds fail is first looked at in the subspace of the
centers, or the part of it that it was projected to, and is then measured to those centers alone
that may be nearer than its own by what is seen there.
"""

from __future__ import annotations

import numpy as np

from streamkm.kernels.bounds import Moved, groups_of, list_changes, tighten
from streamkm.kernels.centers import LARGEST, CenterArrays, Centers
from streamkm.kernels.compiled import ZERO, compiled, compiled_making
from streamkm.kernels.distance_bounds import reach_line
from streamkm.kernels.frame import FrameArrays, frame_rows
from streamkm.kernels.motion import Motion, MotionArrays, group_slots
from streamkm.kernels.near_centers import decide_near, keep_far, measure_near
from streamkm.kernels.panels import Scratch, make_scratch, row_address, score_panels
from streamkm.kernels.projection import (
    AT_ONCE,
    FACTS,
    Room,
    far_from,
    keep_unseen,
    make_room,
    near_from,
    project,
)
from streamkm.kernels.settle import (
    Grouping,
    RowArrays,
    make_found,
    pick_nearest,
    renew_bounds,
)
from streamkm.kernels.subspace import LevelArrays, Levels, Shadow
from streamkm.kernels.tile import readable
from streamkm.kernels.widening import list_open, widened
from streamkm.typing import F32, I32, I64, Rows

Looks = tuple[int, int]  # rows of which a subspace was asked, and of how many in vain


def assign_seen(
    rows: Rows, centers: Centers, motion: Motion, known: RowArrays, shadow: Shadow, seen: F32
) -> tuple[Moved, Looks]:
    """Do as `assign_moved` for rows that were labeled before, with what is seen of them.

    Parameters
    ----------
    rows, centers, motion, known
        As there.
    shadow
        The centers in a subspace.
    seen
        The rows there, shape (n_rows, n_directions + 1 + FACTS), with room for all that the
        subspace may grow to; filled as rows are measured.

    Returns
    -------
    moved, looks
        As there; and of how many rows the subspace was asked, and of how many in vain.
    """
    native, table = readable(rows)
    moved, before = np.empty(len(rows), np.int64), np.empty(len(rows), np.int32)
    n_moved, n_bad, n_asked, n_open = _seen_block(
        native, table, centers.frame.arrays(rows.dtype), centers.arrays, motion.arrays, known,
        shadow.subspace.single, shadow.arrays, seen,
        group_slots(len(centers.exact), known[2].shape[1]), (moved, before),
    )  # fmt: skip
    return (moved[:n_moved], before[:n_moved], n_bad), (n_asked, n_open)


@compiled_making
def _seen_block(
    rows: Rows, table: F32 | None, frame: FrameArrays, centers: CenterArrays,
    motion: MotionArrays, known: RowArrays, directions: F32, levels: Levels, seen: F32,
    group_width: int, changes: tuple[I64, I32],
) -> tuple[int, int, int, int]:  # pragma: no cover - compiled  # fmt: skip
    """Go through a block: bounds, the subspace, then the rows themselves, a tile at a time."""
    scratch, first, last = (
        make_scratch(centers), make_scratch(levels[0][0]), make_scratch(levels[1][0])
    )  # fmt: skip
    step, n_groups = len(scratch[0]), known[2].shape[1]
    far_step = min(len(first[0]), len(last[0]))
    found, farthest = make_found(step, n_groups), np.empty((step, n_groups), np.float32)
    grouping = (groups_of(centers, group_width), group_width)
    listed, limits = np.empty(far_step, np.int64), np.empty(far_step, np.float32)
    open_rows, scores = np.empty(far_step, np.int64), np.empty(group_width, np.float32)
    room = make_room(directions)
    is_open = widened(False, motion, grouping[0], known)
    at = n_moved = n_bad = n_asked = n_open = ZERO
    while at < len(rows):
        at, n = list_open(at, motion[3], known, is_open, listed, limits)
        n_asked += _n_seen(n, listed, seen)
        n = look(n, listed, limits, known, grouping, levels[0], seen, first, open_rows)
        if _has_grown(levels):
            n = look(n, listed, limits, known, grouping, levels[1], seen, last, open_rows)
        n_open += _n_seen(n, listed, seen)
        for start in range(0, n, step):
            numbers = listed[start : min(start + step, n)]
            frame_rows(rows, numbers, table, frame, scratch[6], scratch[0], scratch[1])
            _see_rows(numbers, scratch[0], directions, levels, seen, room)
            m = tighten(numbers, limits[start:], centers, known, found, scratch)
            if m > 0:
                measure_near(
                    numbers, m, centers, grouping, known, levels[1], seen, found, farthest,
                    scratch, scores, open_rows,
                )  # fmt: skip
                pick_nearest(m, grouping[0], found)
                decide_near(
                    rows, numbers, m, table, frame, centers, levels[1], seen, known, found,
                    scratch, scores,
                )  # fmt: skip
                renew_bounds(numbers, m, centers, grouping[0], known, found, scratch[1])
                keep_far(numbers, m, known, found, farthest)
                n_moved, bad = list_changes(numbers, m, found, changes, n_moved)
                n_bad += bad
            _keep_all_unseen(numbers, known, levels[1], seen)
    return n_moved, n_bad, n_asked, n_open


@compiled
def _size(level: LevelArrays) -> int:  # pragma: no cover - compiled
    """Return how many directions a level has."""
    size: int = level[0][0].shape[1] - 1
    return size


@compiled
def _n_seen(n: int, listed: I64, seen: F32) -> int:  # pragma: no cover - compiled
    """Return how many of the listed rows were projected."""
    n_seen = ZERO
    for q in range(n):
        n_seen += seen[listed[q], -FACTS] > 0.0
    return n_seen


@compiled
def look(
    n: int, listed: I64, limits: F32, known: RowArrays, grouping: Grouping, level: LevelArrays,
    seen: F32, scratch: Scratch, placed: I64,
) -> int:  # pragma: no cover - compiled  # fmt: skip
    """Tighten the bounds of rows that are seen at a level; keep the rows that stay open.

    Moves them to the front of `listed`, and their limits with them; returns how many.
    """
    labels, upper, lower = known
    centers, slack, drift = level
    for q in range(n):
        i = listed[q]
        label = labels[i]
        if label >= 0 and seen[i, -FACTS] == _size(level):
            bound = near_from(seen[i], centers[0][label], slack, drift[label])
            upper[i] = min(upper[i], bound)
    for group in range(lower.shape[1]):
        _look_at_group(n, listed, group, known, grouping, level, seen, scratch, placed)
    left = ZERO
    for q in range(n):
        i, limit = listed[q], LARGEST
        for group in range(lower.shape[1]):
            limit = min(limit, lower[i, group])
        limit = max(limits[q], limit)
        if labels[i] < 0 or not upper[i] < limit:
            listed[left], limits[left] = i, limit
            left += 1
    return left


@compiled
def _look_at_group(
    n: int, listed: I64, group: int, known: RowArrays, grouping: Grouping, level: LevelArrays,
    seen: F32, scratch: Scratch, placed: I64,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Raise the lower bounds on a group by what is seen of it."""
    labels, upper, lower = known
    centers, slack, _ = level
    addresses = scratch[2]
    low, next_low, slot = scratch[4]
    m = ZERO
    for q in range(n):
        i = listed[q]
        is_seen = labels[i] >= 0 and seen[i, -FACTS] == _size(level)
        if is_seen and not lower[i, group] > upper[i]:
            placed[m] = i
            addresses[m] = row_address(seen, i)
            m += 1
    if m == 0:
        return
    line = reach_line(centers[0].shape[1], centers[3])
    per_group = grouping[1] // centers[4].shape[2]
    first = group * per_group
    last = min(first + per_group, len(centers[4]))
    score_panels(addresses, m, centers, (first, last), scratch)
    for z in range(m):
        i = placed[z]
        score = next_low[z] if centers[6][slot[z]] == labels[i] else low[z]
        lower[i, group] = max(lower[i, group], far_from(seen[i], score, line, slack))


@compiled
def _has_grown(levels: Levels) -> bool:  # pragma: no cover - compiled
    return _size(levels[0]) < _size(levels[1])


@compiled
def _see_rows(
    numbers: I64, framed: F32, directions: F32, levels: Levels, seen: F32, room: Room
) -> None:  # pragma: no cover - compiled
    """Project the rows of a tile to all directions that they were not projected to yet."""
    _see_more(numbers, framed, ZERO, directions, seen, room)
    if _has_grown(levels):
        _see_more(numbers, framed, _size(levels[0]), directions, seen, room)


@compiled
def _see_more(
    numbers: I64, framed: F32, n_before: int, directions: F32, seen: F32, room: Room
) -> None:  # pragma: no cover - compiled
    """Project those that were projected to `n_before` directions so far."""
    chosen = room[0]
    n, last = ZERO, len(numbers) - 1
    for q in range(len(numbers)):
        if seen[numbers[q], -FACTS] == n_before:
            chosen[n] = q
            n += 1
        if n == AT_ONCE or (n > 0 and q == last):
            project(framed, n, n_before, directions, seen, numbers, room)
            n = ZERO


@compiled
def _keep_all_unseen(
    numbers: I64, known: RowArrays, level: LevelArrays, seen: F32
) -> None:  # pragma: no cover - compiled
    """Keep, for the rows of a tile that were measured, what cannot be seen of their distances."""
    labels, upper, _ = known
    centers, slack, drift = level
    for i in numbers:
        label = labels[i]
        if label >= 0 and seen[i, -FACTS] > 0.0:
            keep_unseen(seen[i], centers[0][label], upper[i], slack, drift[label])
