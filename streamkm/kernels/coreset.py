"""Coresets: a few weighted rows that cost what all rows cost, for any centers.

`REDUCERS` is the complete list of ways to choose them. Each takes weighted rows
and returns at most `size` of them with new weights, whose total is that of the
old (in expectation for those that sample).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from streamkm.kernels.assign import assign
from streamkm.kernels.centers import prepare
from streamkm.kernels.compiled import ONE, compiled_making
from streamkm.kernels.frame import Frame
from streamkm.kernels.seeding import distances, plus_plus
from streamkm.kernels.split_tree import grow_leaves
from streamkm.kernels.tile import load_tile, readable, see_tile, seen_rows
from streamkm.kernels.view import AS_THEY_ARE, View, ViewArrays
from streamkm.typing import F32, F64, I64, Rows

ROUGH_ROWS: Final = 64  # rows a cluster, that the rough solution of "sensitivity" looks at
ROUGH_COST: Final = 4.0  # of the rough solution, in units of the best one's

Reducer = Callable[[Rows, F64, int, int, np.random.Generator, View], tuple[I64, F64]]


def reduce_rows(
    rows: Rows,
    weights: F64,
    size: int,
    method: str,
    n_clusters: int,
    draws: np.random.Generator,
    view: View = AS_THEY_ARE,
) -> tuple[I64, F64]:
    """Return which rows a coreset of at most `size` holds, and their weights.

    Parameters
    ----------
    rows, weights
        Shape (n, n_features) and (n,); rows of weight zero do not count.
    size
        Rows wanted; as many or fewer are kept as they are.
    method
        A name of `REDUCERS`.
    n_clusters
        For how many centers it should be good.
    draws
        Where the random numbers come from.
    view
        How rows are seen: what they cost is a matter of scale.
    """
    kept = np.flatnonzero(weights > 0.0)
    if len(kept) < len(rows):
        rows, weights = rows[kept], weights[kept]
    if len(rows) <= size:
        return kept, weights
    chosen, masses = REDUCERS[method](rows, weights, size, n_clusters, draws, view)
    return kept[chosen], masses


def tree(
    rows: Rows, weights: F64, size: int, n_clusters: int, draws: np.random.Generator, view: View
) -> tuple[I64, F64]:
    """Split the rows into `size` leaves, by squared distance; one row stands for each.

    The leaves are those of StreamKM++: a leaf is drawn by its cost, a new point
    in it by its squared distance, and the leaf's rows go to the nearer of the
    two. The row that then stands for a leaf is drawn from all of its rows by
    weight, not the point that made it, which lies far out: the cost of any
    centers is then unbiased, as in stratified sampling. O(n * n_features *
    log(size)) time where the tree is balanced.

    References
    ----------
    Ackermann, Märtens, Raupach, Swierkot, Lammersen & Sohler, "StreamKM++: a
    clustering algorithm for data streams", ACM J. Exp. Algorithmics 17, 2012,
    section 3.
    """
    uniforms = draws.random((size, 2))
    native, table = readable(rows)
    order = np.arange(len(rows))
    starts = np.zeros(size + 1, np.int64)
    n_leaves = grow_leaves(native, table, view.arrays, weights, uniforms, order, starts)
    edges = np.sort(starts[:n_leaves])
    masses = np.add.reduceat(weights[order], edges)
    steps = np.cumsum(weights[order])
    before = np.concatenate([[0.0], steps])[edges]
    aims = before + draws.random(n_leaves) * masses
    found = np.searchsorted(steps, aims, side="right")
    last = np.append(edges[1:], len(rows)) - 1
    return order[np.clip(found, edges, last)], masses


def sensitivity(
    rows: Rows, weights: F64, size: int, n_clusters: int, draws: np.random.Generator, view: View
) -> tuple[I64, F64]:
    """Sample rows by a bound on how much of any solution's cost they can be.

    References
    ----------
    Bachem, Lucic & Krause, "Practical coreset constructions for machine
    learning", 2017, algorithm 2, with a k-means++ solution on a sample as the
    rough one. Their alpha, 16 (ln k + 2), is what is proved of k-means++; it is
    far above what greedy k-means++ costs, and drowns the term that draws rows of
    small clusters: on four sets with one, the worst error of 20 seeds was 16 to
    58 % with theirs, 5 to 13 % with 4.
    """
    n_rough = min(ROUGH_ROWS * n_clusters, len(rows))
    looked = np.sort(draws.permutation(len(rows))[:n_rough])
    k = min(n_clusters, n_rough)
    sample = seen_rows(rows[looked], view)
    rough = sample[plus_plus(sample, weights[looked], k, draws)].astype(np.float64)
    shift = rough.mean(axis=0)
    reach = float(np.abs(rough - shift).max())
    frame = replace(Frame.about(shift, reach), view=view)
    labels, sq_dist = assign(rows, prepare(rough, frame))
    total = weights.sum()
    mean_cost = (weights * sq_dist).sum() / total
    masses = np.bincount(labels, weights, k)
    costs = np.bincount(labels, weights * sq_dist, k)
    bound = 4.0 * total / masses[labels]
    if mean_cost > 0.0:
        spread = sq_dist + 2.0 * costs[labels] / masses[labels]
        bound = bound + ROUGH_COST * spread / mean_cost
    return _sampled(weights, weights * bound, size, draws)


def lightweight(
    rows: Rows, weights: F64, size: int, n_clusters: int, draws: np.random.Generator, view: View
) -> tuple[I64, F64]:
    """Sample rows, half by weight and half by squared distance to the mean.

    References
    ----------
    Bachem, Lucic & Krause, "Scalable k-means clustering via lightweight
    coresets", KDD 2018, algorithm 1.
    """
    mean = np.zeros(view.width(rows.shape[1]))
    native, table = readable(rows)
    _mean(native, table, view.arrays, weights, mean)
    sq_dist = distances(rows, mean[None], view)[0]
    share = weights / weights.sum()
    cost = (weights * sq_dist).sum()
    if cost > 0.0:
        share = 0.5 * share + 0.5 * weights * sq_dist / cost
    return _sampled(weights, share, size, draws)


REDUCERS: Final[dict[str, Reducer]] = {
    "tree": tree,
    "sensitivity": sensitivity,
    "lightweight": lightweight,
}


def _sampled(weights: F64, rates: F64, size: int, draws: np.random.Generator) -> tuple[I64, F64]:
    """Draw `size` different rows with chances in proportion to rates; weigh by the inverse.

    Rows whose chance would pass one are taken for certain, with their own
    weight. The others are drawn systematically, at even steps along the running
    sum of the rates, which varies less than independent draws (Särndal,
    Swensson & Wretman, "Model Assisted Survey Sampling", 1992, section 3.6).
    """
    descending = np.sort(rates)[::-1]
    left = np.cumsum(rates[np.argsort(rates, kind="stable")])[::-1]  # of all but the c largest
    step = left / np.maximum(size - np.arange(len(rates)), 1)
    n_certain = int(np.argmax(descending[:size] < step[:size]))
    tau = step[n_certain]
    certain = rates >= tau
    steps = np.cumsum(np.where(certain, 0.0, rates))
    aims = (np.arange(size - np.count_nonzero(certain)) + draws.random()) * tau
    drawn = np.searchsorted(steps, aims[aims < steps[-1]], side="right")
    chosen = np.union1d(np.flatnonzero(certain), drawn)
    masses = np.where(certain[chosen], weights[chosen], weights[chosen] * tau / rates[chosen])
    return chosen, masses


@compiled_making
def _mean(
    rows: Rows, table: F32 | None, view: ViewArrays, weights: F64, mean: F64
) -> None:  # pragma: no cover - compiled
    tile, is_plain = np.empty((1, len(mean))), view[4]
    total = 0.0
    for i in range(len(rows)):
        if is_plain:
            load_tile(rows, i, 1, table, tile)
        else:
            see_tile(rows, i, ONE, table, view, tile)
        total += weights[i]
        for j in range(len(mean)):
            mean[j] += weights[i] * tile[0, j]
    for j in range(len(mean)):
        mean[j] /= total
