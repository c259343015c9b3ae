"""Labels by bounds: most rows keep theirs without a look at their values.

Every row keeps its label, an upper bound on the distance to its own center, and
for each group of centers a lower bound on the distances to all others of the
group. Moves of the centers widen the bounds (Hamerly, "Making k-means even
faster", SDM 2010, algorithm 1, where there is one group; Ding et al., "Yinyang
k-means", ICML 2015, section 3.2, where there are more). All are widened by the
rounding errors of float32 too, and what they leave open is decided as in
`assign`: labels are those of the float64 reference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.centers import CenterArrays, Centers
from streamkm.kernels.compiled import ZERO, compiled, compiled_making
from streamkm.kernels.distance_bounds import above, reach_line
from streamkm.kernels.dots import dot
from streamkm.kernels.frame import FrameArrays, frame_rows
from streamkm.kernels.motion import Motion, MotionArrays, group_slots
from streamkm.kernels.panels import Scratch, make_scratch
from streamkm.kernels.settle import (
    Found,
    RowArrays,
    decide_close,
    make_found,
    pick_nearest,
    renew_bounds,
    score_groups,
)
from streamkm.kernels.tile import readable
from streamkm.kernels.widening import list_open, widened
from streamkm.typing import F32, I32, I64, Rows

Moved = tuple[I64, I32, int]  # rows with another label, which they had; how many have none


def assign_moved(rows: Rows, centers: Centers, motion: Motion | None, known: RowArrays) -> Moved:
    """Bring labels and bounds of a block up to date, in place.

    Parameters
    ----------
    rows
        Shape (n_rows, n_features).
    centers
        Of this pass.
    motion
        How far they moved since labels and bounds were made; None where there are none yet.
    known
        Labels (n_rows,), upper bounds (n_rows,) and lower bounds (n_rows, n_groups) of the rows.

    Returns
    -------
    moved, before, n_bad
        The rows with another label than before, and which that was; how many
        rows have none, since they hold NaN or infinity.
    """
    native, table = readable(rows)
    n_clusters, n_groups = len(centers.exact), known[2].shape[1]
    still = np.zeros(n_clusters, np.float32)
    arrays = (still, still, still, still) if motion is None else motion.arrays
    moved, before = np.empty(len(rows), np.int64), np.empty(len(rows), np.int32)
    n_moved, n_bad = _bounded_block(
        native, table, centers.frame.arrays(rows.dtype), centers.arrays, arrays, known,
        (motion is None, group_slots(n_clusters, n_groups)), (moved, before),
    )  # fmt: skip
    return moved[:n_moved], before[:n_moved], n_bad


def widen(motion: Motion, centers: Centers, known: RowArrays) -> NDArray[np.bool_]:
    """Widen the bounds of a block, in place; tell which rows they no longer hold for."""
    width = group_slots(len(centers.exact), known[2].shape[1])
    is_open = widened(False, motion.arrays, groups_of(centers.arrays, width), known)
    return is_open[: len(known[0])] > 0


@compiled_making
def _bounded_block(
    rows: Rows,
    table: F32 | None,
    frame: FrameArrays,
    centers: CenterArrays,
    motion: MotionArrays,
    known: RowArrays,
    layout: tuple[bool, int],
    changes: tuple[I64, I32],
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Go through a block; rows that fail their bounds are framed and scored by the tile."""
    is_first, group_width = layout
    scratch = make_scratch(centers)
    step, n_groups = len(scratch[0]), known[2].shape[1]
    found = make_found(step, n_groups)
    grouping = (groups_of(centers, group_width), group_width)
    listed, limits = np.empty(step, np.int64), np.empty(step, np.float32)
    open_rows = np.empty(step, np.int64)
    is_open = widened(is_first, motion, grouping[0], known)
    at = n_moved = n_bad = ZERO
    while at < len(rows):
        at, n = list_open(at, motion[3], known, is_open, listed, limits)
        numbers = listed[:n]
        frame_rows(rows, numbers, table, frame, scratch[6], scratch[0], scratch[1])
        m = tighten(numbers, limits, centers, known, found, scratch)
        if m > 0:
            score_groups(numbers, m, centers, grouping, known, found, scratch, open_rows)
            pick_nearest(m, grouping[0], found)
            decide_close(rows, numbers, m, table, frame, centers, found, scratch)
            renew_bounds(numbers, m, centers, grouping[0], known, found, scratch[1])
            n_moved, bad = list_changes(numbers, m, found, changes, n_moved)
            n_bad += bad
    return n_moved, n_bad


@compiled
def list_changes(
    numbers: I64, m: int, found: Found, changes: tuple[I64, I32], n_moved: int
) -> tuple[int, int]:  # pragma: no cover - compiled
    """List the kept rows with another label; return how many are listed, and how many have none."""
    kept, old, label = found[0], found[1], found[3]
    n_bad = ZERO
    for z in range(m):
        q = kept[z]
        if label[q] != old[q]:
            changes[0][n_moved], changes[1][n_moved] = numbers[q], old[q]
            n_moved += 1
        if label[q] < 0:
            n_bad += 1
    return n_moved, n_bad


@compiled_making
def groups_of(centers: CenterArrays, group_width: int) -> I32:  # pragma: no cover - compiled
    """Return the group of each center."""
    group = np.empty(len(centers[0]), np.int32)
    for slot in range(len(group)):
        group[centers[6][slot]] = slot // group_width
    return group


@compiled
def tighten(
    numbers: I64,
    limits: F32,
    centers: CenterArrays,
    known: RowArrays,
    found: Found,
    scratch: Scratch,
) -> int:  # pragma: no cover - compiled
    """Measure listed rows to their own centers; return how many still fail, and which."""
    exact, doubled, norms, max_norm = centers[:4]
    labels, upper, _ = known
    kept, old, own = found[0], found[1], found[2]
    framed, squares = scratch[0], scratch[1]
    slope, flat = reach_line(exact.shape[1], max_norm)
    m = ZERO
    for q in range(len(numbers)):
        i = numbers[q]
        label = labels[i]
        if label >= 0:
            score = norms[label] + dot(framed[q], doubled[label])
            distance = above(squares[q], score, slope, flat)
            own[q] = score
            upper[i] = min(upper[i], distance)
            if upper[i] < limits[q]:
                continue
        old[q] = label
        kept[m] = q
        m += 1
    return m
