"""Following a stream that drifts: old weight fades, and idle clusters are born again."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from streamkm.cluster.steps import Steps
from streamkm.kernels.lloyd import PartialSums
from streamkm.kernels.seeding import distances, draw
from streamkm.keyed import REBIRTH, generator
from streamkm.typing import F64, Rows

SEARCH_ROWS: Final = 1 << 12  # of a batch, evenly, that local search looks at
GAIN: Final = 0.9  # of the cost, that a swap must leave at most
LEAST_ROWS: Final = 16  # rows whose mean is within a standard deviation, four times over


def fade_of(half_life: float | None, time_unit: str, n_rows: int) -> float:
    """Return what remains of a weight after a batch of `n_rows` rows, in (0, 1]."""
    if half_life is None:
        return 1.0
    passed = 1 if time_unit == "batches" else n_rows
    return float(2.0 ** (-passed / half_life))


def forget_jumps(model: Steps, part: PartialSums, spread: F64) -> Steps:
    """Return the model with no weight left where a center stands outside its rows.

    That is so where more than half of its rows' squared distance is the distance
    between the center and their mean; of rows around their center it is one part
    in their number. Such a center forgets at once, and the batch decides.

    Parameters
    ----------
    model, part
        Before the batch; the batch's sums.
    spread
        The batch's squared distances, summed by cluster.
    """
    mass = part.mass()
    many = np.flatnonzero((part.counts >= LEAST_ROWS) & (mass > 0.0))
    means = part.sums.value()[many] / mass[many, None]
    offset = ((means - model.centers[many]) ** 2).sum(axis=1)
    jumped = many[offset > 0.5 * spread[many] / mass[many]]
    weights = model.weight_sums.copy()
    weights[jumped] = 0.0
    return replace(model, weight_sums=weights)


def swapped(model: Steps, rows: Rows, weights: F64 | None, seed: int) -> Steps:
    """Return the model after local search on a batch: idle centers go where they are missed.

    As long as it lowers the batch's cost by a tenth, the center that is missed
    least (a dead one costs nothing) is born again at a row drawn by its squared
    distance. It begins without weight, so that its first rows decide where it
    is. A tenth is more than the split of one good cluster among several gains.

    References
    ----------
    Lattanzi & Sohler, "A better k-means++ algorithm via local search", ICML
    2019, algorithm 2.
    """
    if len(rows) > SEARCH_ROWS:
        chosen = np.arange(SEARCH_ROWS) * len(rows) // SEARCH_ROWS
        rows, weights = rows[chosen], None if weights is None else weights[chosen]
    mass = np.ones(len(rows)) if weights is None else weights
    n_clusters = len(model.centers)
    draws = generator(seed, REBIRTH, model.n_steps)
    centers, weight_sums = model.centers.copy(), model.weight_sums.copy()
    table = distances(rows, centers)
    for _ in range(n_clusters if n_clusters > 1 else 0):
        nearest = table.argmin(axis=0)
        first, second = np.partition(table, 1, axis=0)[:2]
        cost = float((mass * first).sum())
        if not cost > 0.0:
            break
        trials = draw(mass * first, 2 + int(np.log(n_clusters)), draws)
        there = distances(rows, rows[trials])
        with_it = np.minimum(first, there)
        missed = mass * (np.minimum(second, there) - with_it)
        costs = np.stack([np.bincount(nearest, row, n_clusters) for row in missed])
        costs += (mass * with_it).sum(axis=1)[:, None]
        trial, idle = np.unravel_index(int(costs.argmin()), costs.shape)
        if costs[trial, idle] > GAIN * cost:
            break
        centers[idle], weight_sums[idle] = rows[trials[trial]], 0.0
        table[idle] = there[trial]
    return replace(model, centers=centers, weight_sums=weight_sums)
