"""What is kept of all rows after a full pass: where they lie in the span of its centers.

Between two centers of the span, a row's distances differ by what is seen there alone. When
centers move, they leave the span but little: so a few numbers tell of most rows, without
their values, that no other center can have come nearer than their own. Bounds that know
only how far centers have moved, and not where to, tell that of far fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.bounds import assign_moved, groups_of
from streamkm.kernels.centers import LARGEST, CenterArrays, Centers
from streamkm.kernels.compiled import ZERO, compiled, compiled_making
from streamkm.kernels.frame import FrameArrays, frame_rows
from streamkm.kernels.motion import group_slots, moves
from streamkm.kernels.panels import make_scratch
from streamkm.kernels.projection import AT_ONCE, FACTS, keep_rest, make_room, project
from streamkm.kernels.settle import Grouping, RowArrays
from streamkm.kernels.shadows import look
from streamkm.kernels.subspace import LevelArrays, Shadow, Subspace, seen_moves
from streamkm.kernels.tile import readable
from streamkm.typing import F32, F64, I32, I64, Rows

UNSEEN_SHARE: Final = 0.4  # of a move: what may bring a center nearer beside what is seen of it
ROUNDED: Final = 6.0  # slacks between two distances, doubled: so much of a gap is not told
COPIED_BYTES: Final = 1 << 20  # of rows that are measured together
PART_ROWS: Final = 1 << 16  # that are asked together
LEAST_SHARE: Final = 1e-3  # of the longest move: no center is taken to stand still


@dataclass(frozen=True, slots=True)
class Sketch:
    """Rows in the span of the centers of a full pass.

    Parameters
    ----------
    centers
        Of the pass.
    shadow
        The same in their span.
    pull
        The last moves of the centers there, shape (n_clusters, n_directions).
    steps
        Their lengths, shape (n_clusters,).
    labels
        Of all rows, shape (n_rows,); -1 for those of which nothing is asked. Of no rows
        where they are only measured.
    seen
        The others there, shape (n_rows, n_directions + 1 + FACTS).
    """

    centers: Centers
    shadow: Shadow
    pull: F64
    steps: F64
    labels: I32
    seen: F32

    @classmethod
    def make(cls, n_rows: int, centers: Centers, before: F64) -> Sketch:
        """Return room for rows in the span of centers; `before` are those of the last pass."""
        n_clusters = len(centers.exact)
        subspace = Subspace.near(centers, n_clusters)
        steps = moves(before, centers.exact, centers.frame)
        return cls(
            centers,
            Shadow.of(subspace, centers, None),
            seen_moves(subspace, centers, before),
            np.maximum(steps, LEAST_SHARE * steps.max()),
            np.full(n_rows, -1, np.int32),
            np.empty((n_rows, n_clusters + 1 + FACTS), np.float32),
        )

    def see(self, rows: Rows, chosen: I64) -> F32:
        """Return rows of a block in the span, those chosen."""
        native, table = readable(rows)
        seen = np.empty((len(chosen), self.seen.shape[1]), np.float32)
        frame, shadow = self.centers.frame.arrays(rows.dtype), self.shadow
        _see_rows(
            native, chosen, table, frame, self.centers.arrays, shadow.subspace.single,
            shadow.last.slack, seen,
        )  # fmt: skip
        return seen

    def assign(self, rows: Rows, chosen: I64, seen: F32, known: RowArrays) -> None:
        """Bring chosen rows of a block up to date, in place.

        As `assign_moved`, but only rows that are not seen to be nearest to the center of their
        label are measured.

        Parameters
        ----------
        rows, chosen
            The block, and which of its rows.
        seen
            Of the block, what `see` returns of those.
        known
            Labels, upper bounds and lower bounds by group of the block.
        """
        some: RowArrays = (known[0][chosen], known[1][chosen], known[2][chosen])
        is_open = self._is_open(self.shadow, some, seen[chosen])
        which = np.flatnonzero(is_open)
        step = max(COPIED_BYTES // (rows.shape[1] * rows.itemsize), 1)
        for begin in range(0, len(which), step):
            few = which[begin : begin + step]
            part: RowArrays = (some[0][few], some[1][few], some[2][few])
            assign_moved(rows[chosen[few]], self.centers, None, part)
            for values, exact in zip(some, part, strict=True):
                values[few] = exact
        for array, values in zip(known, some, strict=True):
            array[chosen] = values

    def foresee(self, seen: F32, labels: I32) -> F64:
        """Return for how many passes rows keep their labels, as it seems."""
        lasting = np.empty(len(seen))
        _foresee(seen, labels, self.shadow.last.centers.exact, self.pull, self.steps, lasting)
        return lasting

    def is_settled(self, centers: Centers) -> bool:
        """Return whether no row that is asked can have another label under these centers."""
        moved = moves(self.centers.exact, centers.exact, centers.frame)
        shadow = Shadow.of(self.shadow.subspace, centers, (self.shadow, moved))
        upper, lower = np.empty(PART_ROWS, np.float32), np.empty((PART_ROWS, 1), np.float32)
        for start in range(0, len(self.labels), PART_ROWS):
            part = slice(start, start + PART_ROWS)
            labels, seen = self.labels[part], self.seen[part]
            known = labels, upper[: len(labels)], lower[: len(labels)]
            if (self._is_open(shadow, known, seen) & (labels >= 0)).any():
                return False
        return True

    def _is_open(self, shadow: Shadow, known: RowArrays, seen: F32) -> NDArray[np.bool_]:
        """Tell of which rows it is not seen that their own center is the nearest; fill bounds."""
        labels, _, lower = known
        is_open = np.zeros(len(labels), np.bool_)
        width = group_slots(len(self.steps), lower.shape[1])
        _look_at_block(known, seen, shadow.last.arrays, width, is_open)
        return is_open


@compiled_making
def _see_rows(
    rows: Rows, chosen: I64, table: F32 | None, frame: FrameArrays, centers: CenterArrays,
    directions: F32, slack: float, seen: F32,
) -> None:  # pragma: no cover - compiled  # fmt: skip
    """Frame rows of a block, project them, and keep what is not seen of the way to a center."""
    scratch = make_scratch(centers)
    framed, step = scratch[0], len(scratch[0])
    room = make_room(directions)
    places = np.arange(len(chosen))
    for start in range(0, len(chosen), step):
        numbers = chosen[start : start + step]
        n = len(numbers)
        frame_rows(rows, numbers, table, frame, scratch[6], framed, scratch[1])
        for first in range(0, n, AT_ONCE):
            m = min(AT_ONCE, n - first)
            for r in range(m):
                room[0][r] = first + r
            project(framed, m, ZERO, directions, seen, places[start : start + n], room)
    for i in range(len(seen)):
        keep_rest(seen[i], slack)


@compiled
def _foresee(
    seen: F32, labels: I32, centers: F64, pull: F64, steps: F64, lasting: F64
) -> None:  # pragma: no cover - compiled
    """Fill how long rows keep their labels, if centers go on as in the last pass.

    The least, over all other centers, of how much farther it is by square, over how fast that
    shrinks: by what is seen of both moves, and a share of what may be unseen.
    """
    n_directions = pull.shape[1]
    for i in range(len(seen)):
        row, own, least = seen[i], labels[i], np.inf
        if own < 0:
            lasting[i] = 0.0
            continue
        own_square, own_speed = _approach(row, centers[own], pull[own])
        for k in range(len(centers)):
            if k != own:
                square, speed = _approach(row, centers[k], pull[k])
                unseen = UNSEEN_SHARE * row[n_directions] * (steps[k] + steps[own])
                rate = 2.0 * (max(speed - own_speed, 0.0) + unseen)
                doubt = ROUNDED * row[-1] * np.sqrt(square + row[n_directions] ** 2)
                gap = max(square - own_square - doubt, 0.0)
                if gap < least * rate:
                    least = gap / rate
        lasting[i] = least


@compiled
def _approach(
    row: F32, center: F64, pull: F64
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Return a row's squared distance to a center in the span, and half how fast it shrinks."""
    square = speed = 0.0
    for j in range(len(pull)):
        away = row[j] - center[j]
        square += away * away
        speed += away * pull[j]
    return square, speed


@compiled_making
def _look_at_block(
    known: RowArrays, seen: F32, level: LevelArrays, group_width: int, is_open: NDArray[np.bool_]
) -> None:  # pragma: no cover - compiled
    """Fill bounds by what is seen alone, and mark the rows that they do not hold for."""
    labels, upper, lower = known
    scratch = make_scratch(level[0])
    step = len(scratch[0])
    limits, listed, placed = (
        np.empty(step, np.float32), np.empty(step, np.int64), np.empty(step, np.int64)
    )  # fmt: skip
    grouping: Grouping = (groups_of(level[0], group_width), group_width)
    for start in range(0, len(labels), step):
        n = min(step, len(labels) - start)
        for q in range(n):
            listed[q], limits[q] = start + q, 0.0
        upper[start : start + n] = LARGEST
        lower[start : start + n] = 0.0
        n_open = look(n, listed, limits, known, grouping, level, seen, scratch, placed)
        for q in range(n_open):
            is_open[listed[q]] = True
