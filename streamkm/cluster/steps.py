"""The arithmetic of one mini-batch step. `RATES` is the complete list of learning rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from streamkm.cluster.state import FitState
from streamkm.keyed import REASSIGNMENT, generator
from streamkm.typing import F64, I64, Rows

Rate = Callable[[F64, F64, F64], F64]


def sculley(mass: F64, weight_sums: F64, total: F64) -> F64:
    """Return each center's rate: its weight in the batch over all its weight so far.

    Every center is then the mean of all rows that were ever assigned to it
    (Sculley, "Web-scale k-means clustering", WWW 2010, algorithm 1, the
    per-row updates of a batch taken together).
    """
    rates: F64 = np.divide(mass, weight_sums, out=np.zeros_like(mass), where=weight_sums > 0.0)
    return rates


def square_root(mass: F64, weight_sums: F64, total: F64) -> F64:
    """Return sqrt(b_j / b), which does not fade (Schwartzman, ICLR 2023, section 2)."""
    rates: F64 = np.sqrt(mass / total)
    return rates


RATES: Final[dict[str, Rate]] = {"sculley": sculley, "sqrt": square_root}


@dataclass(frozen=True, slots=True)
class Steps:
    """A model between two steps.

    Parameters
    ----------
    centers
        Shape (n_clusters, n_features).
    weight_sums
        Weight that each center has taken in; fades under a half-life.
    counts
        Rows that each center has taken in, shape (n_clusters,).
    n_steps
        Steps so far.
    since_reassignment
        Rows since clusters of little weight were last reassigned.
    average
        Exponentially weighted average of the inertia per weight; NaN at first.
    least
        The smallest average so far.
    n_worse
        Steps since then.
    """

    centers: F64
    weight_sums: F64
    counts: I64
    n_steps: int = 0
    since_reassignment: int = 0
    average: float = float("nan")
    least: float = float("inf")
    n_worse: int = 0

    @classmethod
    def start(cls, centers: F64) -> Steps:
        """Return the model before its first step."""
        return cls(centers, np.zeros(len(centers)), np.zeros(len(centers), np.int64))

    def to_state(self, *, converged: bool = False, center_shift: float = float("inf")) -> FitState:
        """Return the state that a checkpoint stores."""
        numbers = (self.since_reassignment, self.least, self.n_worse)
        extra = {"weight_sums": self.weight_sums, "numbers": np.array(numbers, np.float64)}
        return FitState(
            self.centers, self.counts, self.n_steps, self.average, center_shift, converged,
            extra=extra,
        )  # fmt: skip

    @classmethod
    def from_state(cls, state: FitState) -> Steps:
        """Read a state."""
        since, least, n_worse = state.extra["numbers"].tolist()
        return cls(
            centers=state.centers,
            weight_sums=np.asarray(state.extra["weight_sums"]),
            counts=state.counts,
            n_steps=state.n_iter,
            since_reassignment=int(since),
            average=state.inertia,
            least=least,
            n_worse=int(n_worse),
        )


def updated(model: Steps, part: Any, rate: str, fade: float = 1.0) -> Steps:
    """Return the model after it has taken in a batch.

    Parameters
    ----------
    model
        Before the step.
    part
        PartialSums of the batch.
    rate
        A name of `RATES`.
    fade
        What remains of the weights so far, in (0, 1].
    """
    mass = part.mass()
    weight_sums = model.weight_sums * fade + mass
    has_rows = mass > 0.0
    means = part.sums.value()[has_rows] / mass[has_rows, None]
    rates = RATES[rate](mass, weight_sums, mass.sum())[has_rows, None]
    centers = model.centers.copy()
    centers[has_rows] += rates * (means - centers[has_rows])
    return replace(
        model,
        centers=centers,
        weight_sums=weight_sums,
        counts=model.counts + part.counts,
        n_steps=model.n_steps + 1,
    )


def averaged(model: Steps, inertia: float, batch_rows: int, n_rows: int) -> Steps:
    """Return the model with its average inertia; the first step's belongs to the start."""
    if model.n_steps == 1:
        return model
    share = min(2.0 * batch_rows / (n_rows + 1), 1.0)
    is_first = np.isnan(model.average)
    average = inertia if is_first else model.average * (1.0 - share) + inertia * share
    is_better = average < model.least
    return replace(
        model,
        average=float(average),
        least=float(average) if is_better else model.least,
        n_worse=0 if is_better else model.n_worse + 1,
    )


def reassign(
    model: Steps, ratio: float, n_rows: int, seed: int, take: Callable[[I64], Rows]
) -> Steps:
    """Return the model with clusters of too little weight moved to rows of the batch.

    Looked at every 10 * n_clusters rows, and whenever a cluster has no weight;
    never more of them than half of the batch has rows: as in scikit-learn.

    Parameters
    ----------
    model
        After the step.
    ratio
        Of the heaviest cluster's weight: what is too little.
    n_rows
        Rows of the batch.
    seed
        The draws are keyed by it and by the step.
    take
        Returns the rows at some positions of the batch.
    """
    since = model.since_reassignment + n_rows
    has_none = (model.weight_sums == 0.0).any()
    is_due = has_none or since >= 10 * len(model.centers)
    model = replace(model, since_reassignment=0 if is_due else since)
    if not is_due or not ratio > 0.0:
        return model
    light = np.flatnonzero(model.weight_sums < ratio * model.weight_sums.max())
    if len(light) > n_rows // 2:
        order = np.argsort(model.weight_sums, kind="stable")[: n_rows // 2]
        light = np.intersect1d(light, order)
    if not len(light):
        return model
    draws = generator(seed, REASSIGNMENT, model.n_steps)
    chosen = draws.choice(n_rows, len(light), replace=False)
    return _moved(model, light, take(chosen).astype(np.float64))


def _moved(model: Steps, clusters: I64, rows: F64) -> Steps:
    """Return the model with some clusters moved to rows.

    Their weight becomes the least of the others, so that they are not
    reassigned again at once.
    """
    centers, weight_sums = model.centers.copy(), model.weight_sums.copy()
    centers[clusters] = rows
    others = np.delete(weight_sums, clusters)
    weight_sums[clusters] = others.min() if len(others) else 0.0
    return replace(model, centers=centers, weight_sums=weight_sums)
