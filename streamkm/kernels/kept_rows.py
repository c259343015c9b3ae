"""What is kept of rows from pass to pass: labels, and bounds on their distances.

A cache, never truth: without it a pass scores every row, to the same bits. With
it, sums are brought up to date by the rows that moved alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.accumulate import LloydAccumulator, SumsAccumulator
from streamkm.kernels.assign import label_rows
from streamkm.kernels.bounds import assign_moved
from streamkm.kernels.centers import Centers, prepare
from streamkm.kernels.frame import Frame
from streamkm.kernels.grouping import order_neighbors
from streamkm.kernels.lloyd import Grids, PartialSums
from streamkm.kernels.motion import Motion, group_count, motion_of
from streamkm.kernels.register_tile import WIDTH
from streamkm.kernels.settle import RowArrays
from streamkm.typing import F32, F64, I32, I64, Rows

LABEL_BYTES: Final = 4
BOUND_BYTES: Final = 4
FEW_CENTERS: Final = 20  # up to which one group of all centers rules out as many rows as more
MOST_GROUPS: Final = 64
LEAST_PRODUCTS: Final = 128  # features times panels of a group: less work is not worth a bound


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Labels and bounds of the first rows of the data, under one model.

    Parameters
    ----------
    labels
        Shape (n_kept,); -1 for a row that no pass has met.
    upper
        Upper bounds on the distance to the own center, shape (n_kept,); empty
        where only labels are kept.
    lower
        Lower bounds on the distances to the others of each group of centers,
        shape (n_kept, n_groups).
    order
        The order of the centers in their groups, shape (n_clusters,).
    """

    labels: I32
    upper: F32
    lower: F32
    order: I64

    @classmethod
    def make(cls, n_kept: int, centers: F64, n_groups: int) -> KeptRows:
        """Return what is kept before the first pass; no groups where only labels are."""
        return cls.empty(n_kept, order_neighbors(centers, WIDTH), n_groups)

    @classmethod
    def empty(cls, n_kept: int, order: I64, n_groups: int) -> KeptRows:
        """Do so for an order of the centers."""
        return cls(
            np.full(n_kept, -1, np.int32),
            np.empty(n_kept if n_groups else 0, np.float32),
            np.empty((n_kept, n_groups), np.float32),
            order,
        )

    @property
    def n_groups(self) -> int:
        """Groups of centers; 0 where only labels are kept."""
        return int(self.lower.shape[1])

    def part(self, start: int, stop: int) -> RowArrays:
        """Return what is kept of some rows: views."""
        return self.labels[start:stop], self.upper[start:stop], self.lower[start:stop]


def bytes_per_row(n_groups: int) -> int:
    """Return what is kept of a row."""
    return LABEL_BYTES + (BOUND_BYTES * (1 + n_groups) if n_groups else 0)


def groups_for(algorithm: str, n_clusters: int, n_features: int) -> int:
    """Return into how many groups the centers go: 0 for "lloyd", 1 for "hamerly".

    For "auto" one, too, up to 20 centers; else, and for "yinyang", at most 64 of
    whole panels, and so many that scoring one of them outweighs its bound.
    """
    if algorithm == "lloyd" or n_clusters < 2:
        return 0
    if algorithm == "hamerly" or (algorithm == "auto" and n_clusters <= FEW_CENTERS):
        return 1
    n_panels = -(-n_clusters // WIDTH)
    most = max(n_panels * n_features // LEAST_PRODUCTS, 1)
    return group_count(n_clusters, min(most, MOST_GROUPS))


def fitting(algorithm: str, shape: tuple[int, int], n_rows: int, room: int) -> tuple[int, int]:
    """Return of how many rows something is kept in `room` bytes, and the groups of centers.

    Parameters
    ----------
    algorithm
        As for `groups_for`.
    shape
        Of the centers.
    n_rows
        All rows: fewer groups until the bounds of all fit, else labels alone,
        of as many rows as fit.
    room
        Bytes.
    """
    n_groups = groups_for(algorithm, *shape)
    while n_groups and n_rows * bytes_per_row(n_groups) > room:
        n_groups = group_count(shape[0], n_groups // 2) if n_groups > 1 else 0
    return min(room // bytes_per_row(n_groups), n_rows), n_groups


@dataclass(frozen=True, slots=True)
class KeptPass:
    """A pass over rows of which something is kept.

    Parameters
    ----------
    rows
        What is kept of them; the pass brings it up to date.
    centers
        In the order of their groups.
    motion
        How far they moved since the pass before; None in the first.
    """

    rows: KeptRows
    centers: Centers
    motion: Motion | None

    @classmethod
    def over(cls, rows: KeptRows, centers: F64, before: F64 | None, frame: Frame) -> KeptPass:
        """Return the pass with `centers` after the one with those `before`."""
        ready = prepare(centers, frame, rows.order)
        motion = None
        if before is not None and rows.n_groups:
            motion = motion_of(before, ready, rows.n_groups)
        return cls(rows, ready, motion)


@dataclass(frozen=True, slots=True)
class KeptSums:
    """Sums of all rows, taken apart.

    Parameters
    ----------
    whole
        Sums of the rows of which nothing is kept; None where there were none.
    change
        What the others add to their sums of the pass before; None likewise.
    n_moved
        Rows of the latter with another label than before.
    """

    whole: PartialSums | None
    change: PartialSums | None
    n_moved: int

    @classmethod
    def merge_all(cls, parts: Sequence[KeptSums]) -> KeptSums:
        """Add them all."""
        return cls(
            merged([part.whole for part in parts]),
            merged([part.change for part in parts]),
            sum(part.n_moved for part in parts),
        )


def merged(parts: Sequence[PartialSums | None]) -> PartialSums | None:
    """Add those that there are."""
    found = [part for part in parts if part is not None]
    return PartialSums.merge_all(found) if found else None


class KeptAccumulator:
    """Labels blocks of rows and adds them, as changes where their labels are kept."""

    def __init__(self, passed: KeptPass, grids: Grids) -> None:
        self.passed, self.grids = passed, grids
        self.whole: LloydAccumulator | None = None
        self.change: SumsAccumulator | None = None
        self.n_moved = 0

    def add(self, start: int, rows: Rows, weights: F64 | None) -> None:
        """Add a block whose first row is row `start` of the data."""
        n = min(max(len(self.passed.rows.labels) - start, 0), len(rows))
        if n > 0:
            self._bring_up(start, rows[:n], None if weights is None else weights[:n])
        if n < len(rows):
            if self.whole is None:
                self.whole = LloydAccumulator(self.passed.centers, self.grids)
            self.whole.add(rows[n:], None if weights is None else weights[n:])

    def _bring_up(self, start: int, rows: Rows, weights: F64 | None) -> None:
        centers = self.passed.centers
        if self.change is None:
            self.change = SumsAccumulator(len(centers.exact), self.grids, centers.frame)
        known = self.passed.rows.part(start, start + len(rows))
        labels = known[0]
        is_first = bool(labels[0] < 0 and (labels < 0).all())
        if self.passed.rows.n_groups:
            moved, before, n_bad = assign_moved(rows, centers, self.passed.motion, known)
        else:
            old = labels.copy()
            label_rows(rows, centers, labels)
            moved = np.flatnonzero(old != labels)
            before, n_bad = old[moved], int(np.count_nonzero(labels < 0))
        self.change.n_bad += n_bad
        self.n_moved += len(moved)
        if is_first:
            self.change.add_labeled(rows, weights, labels)
        else:
            self.change.move(rows, weights, moved, before, labels)

    def result(self) -> KeptSums:
        """Return what was added so far."""
        whole, change = self.whole, self.change
        return KeptSums(
            None if whole is None else whole.result(),
            None if change is None else change.result(),
            self.n_moved,
        )
