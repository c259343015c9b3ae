"""How far centers have moved since the pass before: what bounds are widened by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.centers import Centers
from streamkm.kernels.compiled import compiled, compiled_reordered
from streamkm.kernels.frame import Frame
from streamkm.kernels.register_tile import WIDTH
from streamkm.kernels.update import squared_moves
from streamkm.typing import F32, F64, I32

UP: Final = 1.0 + 2.0**-20  # over all roundings on the way to float32
MAX_HALVED: Final = 1024  # centers up to which all distances between them are taken

# What compiled code takes of a `Motion`: own, most, others, half.
MotionArrays = tuple[F32, F32, F32, F32]


@dataclass(frozen=True, slots=True)
class Motion:
    """Moves of the centers, in units of the frame, each rounded up.

    Parameters
    ----------
    own
        Of each center, shape (n_clusters,).
    most
        The longest move in each group, shape (n_groups,).
    others
        The longest move of the others in the group of each center, shape (n_clusters,).
    half
        Half the distance from each center to its nearest other one, rounded
        down, shape (n_clusters,); zeros where it was not taken.
    """

    own: F32
    most: F32
    others: F32
    half: F32

    @property
    def arrays(self) -> MotionArrays:
        """Return the moves as compiled code takes them."""
        return self.own, self.most, self.others, self.half


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
    moved: F64 = np.sqrt(squared_moves(before, after, frame.scale)) * UP
    return moved


def motion_of(
    own: F64, centers: Centers, n_groups: int, nearer: tuple[Centers, float] | None = None
) -> Motion:
    """Return how far centers have moved, by groups.

    Parameters
    ----------
    own
        The moves of each, as `moves` gives them, shape (n_clusters,).
    centers
        As they are now.
    n_groups
        Groups of whole panels, in the panels' order; as `group_count` gives.
    nearer
        The centers where they have fewer features and are no further apart, but for a
        slack; half the distances between them are taken there.
    """
    n_clusters = len(own)
    most = np.empty(n_groups, np.float32)
    each, others = np.empty((2, n_clusters), np.float32)
    _fill_moves(own, centers.slots, group_slots(n_clusters, n_groups), each, most, others)
    return Motion(each, most, others, _half(*(nearer or (centers, 0.0))))


def _half(centers: Centers, slack: float) -> F32:
    """Return half the distance to the nearest other center, rounded down."""
    n_clusters, n_features = centers.exact.shape
    if not 1 < n_clusters <= MAX_HALVED:
        return np.zeros(n_clusters, np.float32)
    nearest, half = np.empty(n_clusters), np.empty(n_clusters, np.float32)
    _nearest_others(centers.exact, nearest)
    rounding = 1.0 - 2.0**-52 * (n_features + 4)
    _fill_half(nearest, 0.5 * centers.frame.scale * rounding, slack, half)
    return half


@compiled
def _up(value: float) -> np.float32:  # pragma: no cover - compiled
    up: np.float32 = np.nextafter(np.float32(value), np.float32(np.inf))
    return up


@compiled
def _fill_moves(
    own: F64, slots: I32, width: int, each: F32, most: F32, others: F32
) -> None:  # pragma: no cover - compiled
    """Fill the moves of a `Motion` from those of each center."""
    for group in range(len(most)):
        start, stop = group * width, min((group + 1) * width, len(own))
        longest, first, second = start, 0.0, 0.0
        for slot in range(start, stop):
            move = own[slots[slot]]
            if move > first:
                longest, first, second = slot, move, first
            else:
                second = max(second, move)
        most[group] = _up(first)
        for slot in range(start, stop):
            k = slots[slot]
            each[k], others[k] = _up(own[k]), _up(second if slot == longest else first)


@compiled
def _fill_half(
    nearest: F64, factor: float, slack: float, half: F32
) -> None:  # pragma: no cover - compiled
    """Halve distances to the nearest, whose squares are given, and round them down."""
    for k in range(len(half)):
        value = max(factor * np.sqrt(nearest[k]) - slack, 0.0)
        half[k] = np.nextafter(np.float32(value), np.float32(0.0))


@compiled_reordered
def _nearest_others(centers: F64, nearest: F64) -> None:  # pragma: no cover - compiled
    """Fill the squared distance of each center to its nearest other.

    Not a product of matrices: the threads of a BLAS spin for a while after each
    call, and take a core from the pass that follows.
    """
    for i in range(len(centers)):
        nearest[i] = np.inf
        for k in range(i):
            square = 0.0
            for j in range(centers.shape[1]):
                square += (centers[i, j] - centers[k, j]) ** 2
            nearest[i] = min(nearest[i], square)
            nearest[k] = min(nearest[k], square)
