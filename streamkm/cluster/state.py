"""What a fit carries from pass to pass, and the arithmetic of one Lloyd update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamkm.kernels.lloyd import PartialSums
from streamkm.kernels.summary import Summary
from streamkm.kernels.update import change_of_squares, means_of, squared_moves
from streamkm.typing import F64, I64


@dataclass(frozen=True, slots=True)
class FitState:
    """One model between two passes: all that the driver carries and a checkpoint stores.

    Parameters
    ----------
    centers
        Shape (n_clusters, n_features).
    counts
        Rows of each cluster in the last pass, shape (n_clusters,).
    n_iter
        Passes that updated the centers.
    inertia
        Of the centers that entered the last pass; NaN before the first.
    center_shift
        Total squared Euclidean move of the centers in the last pass.
    converged
        Whether the model has left the passes.
    restart
        Which of the `n_init` restarts this is: a key of its random numbers.
    extra
        What else an algorithm carries: arrays of numbers, by name.
    """

    centers: F64
    counts: I64
    n_iter: int = 0
    inertia: float = float("nan")
    center_shift: float = float("inf")
    converged: bool = False
    restart: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def start(cls, centers: F64, restart: int) -> FitState:
        """Return the state before the first pass."""
        return cls(centers, np.zeros(len(centers), np.int64), restart=restart)

    @classmethod
    def unsolved(cls, n_features: int, arrays: Mapping[str, Any], done: int) -> FitState:
        """Return the state of a pass that has taken in `done` rows, without centers.

        `arrays` are what it has of them.
        """
        nothing = np.empty((0, n_features)), np.zeros(0, np.int64)
        return cls(*nothing, extra={**arrays, "done": np.array([done])})


def pass_inertia(part: PartialSums, centers: F64, summary: Summary) -> float:
    """Return the inertia of the centers that entered a pass, from the pass's sums alone.

    sum |x|^2 - 2 sum c.S + sum n |c|^2, all about the mean of the data.
    """
    change = change_of_squares(part.sums, part.mass(), centers, summary.mean)
    return max(float(summary.m2.sum()) + float(change.sum()), 0.0)


def next_centers(part: PartialSums, centers: F64) -> F64:
    """Return the means of the clusters; one without weight keeps its center."""
    return means_of(part.sums, part.mass(), centers)


def advance(
    state: FitState, part: PartialSums, centers: F64, summary: Summary, tol: float
) -> FitState:
    """Return the state after a pass.

    Parameters
    ----------
    state
        Before the pass.
    part
        The pass's sums.
    centers
        The new centers; fewer than before where empty clusters were dropped.
    summary
        Moments of the data.
    tol
        Relative to the mean variance of the features, as in scikit-learn; 0
        stops when the centers repeat bit for bit.
    """
    same_shape = centers.shape == state.centers.shape
    shift = float(squared_moves(state.centers, centers).sum()) if same_shape else float("inf")
    repeats = not shift > 0.0 and np.array_equal(centers, state.centers)  # NaN is not, either
    return FitState(
        centers=centers,
        counts=part.counts if same_shape else part.counts[part.mass() > 0.0],
        n_iter=state.n_iter + 1,
        inertia=pass_inertia(part, state.centers, summary),
        center_shift=shift,
        converged=repeats or (tol > 0.0 and shift <= tol * summary.mean_variance),
        restart=state.restart,
    )
