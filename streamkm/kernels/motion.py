"""How far centers have moved since the pass before: what bounds are widened by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from streamkm.kernels.centers import CenterArrays, Centers
from streamkm.kernels.compiled import ZERO, compiled
from streamkm.kernels.distance_bounds import below, reach_line
from streamkm.kernels.frame import Frame, FrameArrays, frame_rows
from streamkm.kernels.panels import make_scratch, score_panels
from streamkm.kernels.register_tile import WIDTH
from streamkm.kernels.view import AS_THEY_ARE
from streamkm.typing import F32, F64, I32

UP: Final = 1.0 + 2.0**-20  # over all roundings on the way to float32
MAX_HALVED: Final = 1024  # centers up to which all distances between them are taken

# What compiled code takes of a `Motion`: own, most, second, which, half.
MotionArrays = tuple[F32, F32, F32, I32, F32]


@dataclass(frozen=True, slots=True)
class Motion:
    """Moves of the centers, in units of the frame, each rounded up.

    Parameters
    ----------
    own
        Of each center, shape (n_clusters,).
    most, second, which
        The longest move in each group, the second longest, and whose the longest
        is, shape (n_groups,).
    half
        Half the distance from each center to its nearest other one, rounded
        down, shape (n_clusters,); zeros where it was not taken.
    """

    own: F32
    most: F32
    second: F32
    which: I32
    half: F32

    @property
    def arrays(self) -> MotionArrays:
        """Return the moves as compiled code takes them."""
        return self.own, self.most, self.second, self.which, self.half


def group_count(n_clusters: int, most: int) -> int:
    """Return how many groups of whole panels there are, of which at most `most` are wanted."""
    n_panels = -(-n_clusters // WIDTH)
    per_group = -(-n_panels // max(most, 1))
    return -(-n_panels // per_group)


def group_slots(n_clusters: int, n_groups: int) -> int:
    """Return how many places of the panels a group takes: whole panels."""
    n_panels = -(-n_clusters // WIDTH)
    return -(-n_panels // n_groups) * WIDTH


def moves(before: F64, after: F64, frame: Frame) -> F64:
    """Return how far each center has moved, in units of the frame, rounded up."""
    moved: F64 = np.sqrt(((after - before) ** 2).sum(axis=1)) * frame.scale * UP
    return moved


def motion_of(before: F64, centers: Centers, n_groups: int) -> Motion:
    """Return how far centers have moved from where they were `before`.

    Parameters
    ----------
    before
        Shape (n_clusters, n_features).
    centers
        As they are now.
    n_groups
        Groups of whole panels, in the panels' order; as `group_count` gives.
    """
    own = moves(before, centers.exact, centers.frame)
    n_clusters = len(own)
    slots = group_slots(n_clusters, n_groups)
    most, second = np.zeros(n_groups), np.zeros(n_groups)
    which = np.full(n_groups, -1, np.int32)
    for group in range(n_groups):
        members = centers.slots[group * slots : min((group + 1) * slots, n_clusters)]
        if len(members):
            ordered = members[np.argsort(own[members])]
            which[group], most[group] = ordered[-1], own[ordered[-1]]
            second[group] = own[ordered[-2]] if len(ordered) > 1 else 0.0
    return Motion(_up(own), _up(most), _up(second), which, _half(centers))


def _up(values: F64) -> F32:
    return np.nextafter(values.astype(np.float32), np.float32(np.inf))


def _half(centers: Centers) -> F32:
    """Return half the distance to the nearest other center, rounded down."""
    n_clusters = len(centers.exact)
    half = np.zeros(n_clusters, np.float32)
    if 1 < n_clusters <= MAX_HALVED:
        frame = replace(centers.frame, view=AS_THEY_ARE)
        _halve(centers.exact, frame.arrays(centers.exact.dtype), centers.arrays, half)
    return half


@compiled
def _halve(
    exact: F64, frame: FrameArrays, centers: CenterArrays, half: F32
) -> None:  # pragma: no cover - compiled
    """Score the centers like rows: the best is the center itself, the second its neighbor."""
    scratch = make_scratch(centers)
    framed, squares, addresses = scratch[0], scratch[1], scratch[2]
    next_low = scratch[4][1]
    slope, flat = reach_line(exact.shape[1], centers[3])
    step = len(squares)
    for start in range(0, len(exact), step):
        n = min(step, len(exact) - start)
        frame_rows(exact, np.arange(start, start + n), None, frame, scratch[6], framed, squares)
        score_panels(addresses, n, centers, (ZERO, len(centers[4])), scratch)
        for i in range(n):
            half[start + i] = np.float32(0.5) * below(squares[i], next_low[i], slope, flat)
