"""What is kept of rows from pass to pass: labels, and bounds on their distances.

A cache, never truth: without it a pass scores every row, to the same bits. With
it, sums are brought up to date by the rows that moved alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.centers import Centers, prepare
from streamkm.kernels.frame import Frame
from streamkm.kernels.grouping import order_neighbors
from streamkm.kernels.motion import Motion, group_count, motion_of, moves
from streamkm.kernels.projection import FACTS
from streamkm.kernels.register_tile import WIDTH
from streamkm.kernels.settle import RowArrays
from streamkm.kernels.subspace import Shadow, Subspace
from streamkm.typing import F32, F64, I32, I64

LABEL_BYTES: Final = 4
BOUND_BYTES: Final = 4
FEW_CENTERS: Final = 20  # up to which one group of all centers rules out as many rows as more
MOST_GROUPS: Final = 64
LEAST_FEATURES: Final = 256
LEAST_NARROWING: Final = 4  # features to a direction, else projecting a row saves too little
MOST_DIRECTIONS: Final = 47  # 48 coordinates: three panels, a cache line each
MOST_GROWTH: Final = 16  # directions later: what a look costs grows with them
SUBSPACE_BYTES: Final = 100 << 20  # for the code that looks there, in a process that compiles it
DIRECTION_BYTES: Final = 24  # of a number in float64 and float32, while they are found
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
    seen
        What is seen of the rows in a subspace near the centers, shape (n_kept,
        n_directions + 1 + FACTS); None where there is none.
    """

    labels: I32
    upper: F32
    lower: F32
    order: I64
    seen: F32 | None = None

    @classmethod
    def make(cls, n_kept: int, centers: F64, n_groups: int, n_directions: int = 0) -> KeptRows:
        """Return what is kept before the first pass; no groups where only labels are."""
        return cls.empty(n_kept, order_neighbors(centers, WIDTH), n_groups, n_directions)

    @classmethod
    def empty(cls, n_kept: int, order: I64, n_groups: int, n_directions: int = 0) -> KeptRows:
        """Do so for an order of the centers."""
        width = n_directions + 1 + FACTS if n_directions else 0
        return cls(
            np.full(n_kept, -1, np.int32),
            np.empty(n_kept if n_groups else 0, np.float32),
            np.empty((n_kept, n_groups), np.float32),
            order,
            np.empty((n_kept, width), np.float32) if width else None,
        )

    @classmethod
    def joined(cls, parts: Sequence[RowArrays], order: I64) -> KeptRows:
        """Return parts one behind the other; copies."""
        labels, upper, lower = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return cls(labels, upper, lower, order)

    @property
    def n_directions(self) -> int:
        """Directions to which the subspace may grow where rows are seen; 0 where they are not."""
        return 0 if self.seen is None else int(self.seen.shape[1]) - 1 - FACTS

    def unsee(self) -> None:
        """Take it that no row was projected yet."""
        if self.seen is not None:
            self.seen[:, -FACTS] = 0.0

    @property
    def n_groups(self) -> int:
        """Groups of centers; 0 where only labels are kept."""
        return int(self.lower.shape[1])

    def part(self, start: int, stop: int) -> RowArrays:
        """Return what is kept of some rows: views."""
        return self.labels[start:stop], self.upper[start:stop], self.lower[start:stop]


def bytes_per_row(n_groups: int, n_directions: int = 0) -> int:
    """Return what is kept of a row."""
    bounds = BOUND_BYTES * (1 + n_groups) if n_groups else 0
    return LABEL_BYTES + bounds + (BOUND_BYTES * (n_directions + 1 + FACTS) if n_directions else 0)


def directions_for(algorithm: str, shape: tuple[int, int], n_rows: int, room: int) -> int:
    """Return in how many directions rows are seen at last; see `first_directions`.

    None but for "auto", where rows have so few features that it saves little, and where
    they and all bounds do not fit in `room` bytes for all rows.
    """
    n_clusters, n_features = shape
    growth = min(n_clusters, MOST_GROWTH)
    n_directions = min(first_directions(*shape) + growth, n_features // LEAST_NARROWING - 1)
    if algorithm != "auto" or n_features < LEAST_FEATURES or n_clusters < 2:
        return 0
    n_groups = groups_for(algorithm, n_clusters, n_features)
    needed = n_rows * bytes_per_row(n_groups, n_directions) + SUBSPACE_BYTES
    needed += DIRECTION_BYTES * n_directions * n_features
    return n_directions if needed <= room else 0


def first_directions(n_clusters: int, n_features: int) -> int:
    """Return how many directions a subspace has at first: as many as centers, 47 at most."""
    return min(n_clusters, n_features // LEAST_NARROWING - 1, MOST_DIRECTIONS)


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
    shadow
        The centers in the subspace where rows are seen, if they are.
    """

    rows: KeptRows
    centers: Centers
    motion: Motion | None
    shadow: Shadow | None = None

    @classmethod
    def over(
        cls, rows: KeptRows, centers: F64, before: F64 | None, frame: Frame,
        subspace: Subspace | None = None, last: Shadow | None = None,
    ) -> KeptPass:  # fmt: skip
        """Return the pass with `centers` after the one with those `before`."""
        ready = prepare(centers, frame, rows.order)
        moved = None if before is None or not rows.n_groups else moves(before, centers, frame)
        shadow, nearer, motion = None, None, None
        if subspace is not None:
            is_same = last is not None and last.subspace in (subspace, subspace.grew_from)
            since = (last, moved) if last is not None and moved is not None and is_same else None
            shadow = Shadow.of(subspace, ready, since)
            nearer = shadow.last.centers, shadow.last.slack
        if moved is not None:
            motion = motion_of(moved, ready, rows.n_groups, nearer)
        return cls(rows, ready, motion, shadow)
