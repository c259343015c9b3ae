"""Rows that a subspace leaves open: measured to the centers that may be nearer than their own."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.assign import SAFE_SIZE, decide, error_bound, error_slope
from streamkm.kernels.centers import LARGEST, CenterArrays
from streamkm.kernels.compiled import ONE, ZERO, compiled
from streamkm.kernels.distance_bounds import reach_line
from streamkm.kernels.dots import dot
from streamkm.kernels.frame import FrameArrays
from streamkm.kernels.panels import Scratch, row_address, score_panels
from streamkm.kernels.projection import far_from, score_within
from streamkm.kernels.scores import score_panel
from streamkm.kernels.settle import Found, Grouping, RowArrays
from streamkm.kernels.subspace import LevelArrays
from streamkm.kernels.tile import see_tile
from streamkm.typing import F32, I64, Rows

MANY: Final = 4  # where more than one in so many centers may be nearer, all are scored by a tile


@compiled
def measure_near(
    numbers: I64, m: int, centers: CenterArrays, grouping: Grouping, known: RowArrays,
    level: LevelArrays, seen: F32, found: Found, farthest: F32, scratch: Scratch, scores: F32,
    listed: I64,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Score the kept rows of a tile against all centers that may be nearer than their own.

    As `score_groups`, but for `farthest`: lower bounds on the distances to the
    centers of a group that were not scored.
    """
    kept, old, least, second, nearest = found[0], found[1], found[5], found[6], found[7]
    upper, lower = known[1], known[2]
    framed, addresses = scratch[0], scratch[2]
    low, next_low, slot = scratch[4]
    per_group = grouping[1] // centers[4].shape[2]
    for group in range(lower.shape[1]):
        n, first = ZERO, group * per_group
        panels = (first, min(first + per_group, len(centers[4])))
        for z in range(m):
            q = kept[z]
            i = numbers[q]
            nearest[q, group], farthest[q, group] = -1, LARGEST
            if old[q] >= 0 and lower[i, group] > upper[i]:
                continue
            if old[q] < 0 or not _measure_row(
                q, framed[q], group, panels, centers, grouping, known[1][i], lower[i], level,
                seen[i], found, farthest, scores,
            ):  # fmt: skip
                listed[n] = q
                addresses[n] = row_address(framed, q)
                n += 1
        if n > 0:
            score_panels(addresses, n, centers, panels, scratch)
            for z in range(n):
                q = listed[z]
                least[q, group], second[q, group] = low[z], next_low[z]
                nearest[q, group] = centers[6][slot[z]]


@compiled
def _measure_row(
    q: int, x: F32, group: int, panels: tuple[int, int], centers: CenterArrays, grouping: Grouping,
    upper: np.float32, lower: F32, level: LevelArrays, seen: F32, found: Found, farthest: F32,
    scores: F32,
) -> bool:  # pragma: no cover - compiled  # fmt: skip
    """Score a row against a group; return whether it was, since few centers may be nearer."""
    doubled, norms, slots = centers[1], centers[2], centers[6]
    far, slack, _ = level
    line = reach_line(far[0].shape[1], far[3])
    most, own = score_within(seen, upper, line, slack), found[1][q]
    width = far[4].shape[2]
    first, last = panels[0] * width, min(panels[1] * width, len(norms))
    n_near, rest = ZERO, LARGEST
    for panel in range(panels[0], panels[1]):
        part = scores[panel * width - first : (panel + 1) * width - first]
        score_panel(seen, far[4][panel], far[5][panel * width : (panel + 1) * width], part)
    for slot in range(first, last):
        score = scores[slot - first]
        if slots[slot] == own:
            scores[slot - first] = LARGEST
        elif score <= most:
            n_near += 1
        else:
            rest = min(rest, score)
    if n_near * MANY > last - first:
        return False
    bound = far_from(seen, rest, line, slack) if rest < LARGEST else LARGEST
    if n_near == 0:
        lower[group] = max(lower[group], bound)
        return True
    best, low, next_low = np.int32(-1), LARGEST, LARGEST
    if grouping[0][own] == group:
        best, low = own, found[2][q]
    for slot in range(first, last):
        if scores[slot - first] <= most:
            k = slots[slot]
            score = norms[k] + dot(x, doubled[k])
            next_low = min(next_low, max(score, low))
            if score < low:
                best, low = k, score
    found[5][q, group], found[6][q, group], found[7][q, group] = low, next_low, best
    farthest[q, group] = bound
    return True


@compiled
def decide_near(
    rows: Rows, numbers: I64, m: int, table: F32 | None, frame: FrameArrays, centers: CenterArrays,
    level: LevelArrays, seen: F32, known: RowArrays, found: Found, scratch: Scratch,
    panel_scores: F32,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Decide in float64 where the nearest center is not far enough ahead.

    As `settle.decide_close`; only centers that may be as near as the old one are scored.
    """
    exact, doubled, norms, max_norm, _, _, slots = centers
    far, slack, _ = level
    kept, old, label, ahead = found[0], found[1], found[3], found[4]
    framed, squares, scores, wide = scratch[0], scratch[1], scratch[5], scratch[6]
    slope, flat = error_slope(exact.shape[1], max_norm)
    line, width = reach_line(far[0].shape[1], far[3]), far[4].shape[2]
    part = panel_scores[:width]
    for z in range(m):
        q = kept[z]
        size = np.sqrt(squares[q])
        if ahead[q] > size * slope + flat and size < SAFE_SIZE:  # NaN is neither
            continue
        i = numbers[q]
        most = score_within(seen[i], known[1][i], line, slack)
        for panel in range(len(far[4])):
            first = panel * width
            score_panel(seen[i], far[4][panel], far[5][first : first + width], part)
            for slot in range(first, min(first + width, len(norms))):
                k = slots[slot]
                is_far = old[q] >= 0 and part[slot - first] > most  # NaN is not
                scores[k] = LARGEST if is_far else norms[k] + dot(framed[q], doubled[k])
        see_tile(rows, numbers[q], ONE, table, frame[2], wide)
        label[q] = decide(scores, error_bound(size, len(wide[0]), max_norm), size, wide[0], exact)


@compiled
def keep_far(
    numbers: I64, m: int, known: RowArrays, found: Found, farthest: F32
) -> None:  # pragma: no cover - compiled
    """Lower the new lower bounds to those on the centers of their groups that were not scored."""
    kept, nearest, lower = found[0], found[7], known[2]
    for z in range(m):
        q = kept[z]
        i = numbers[q]
        for group in range(lower.shape[1]):
            if nearest[q, group] >= 0:
                lower[i, group] = min(lower[i, group], farthest[q, group])
