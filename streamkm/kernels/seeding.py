"""Weighted greedy k-means++ on rows that are in memory."""

from __future__ import annotations

import numpy as np

from streamkm.kernels.assign import distance_between
from streamkm.kernels.compiled import ONE, compiled_making
from streamkm.kernels.tile import load_tile, readable, see_tile
from streamkm.kernels.view import AS_THEY_ARE, View, ViewArrays
from streamkm.typing import F32, F64, I64, Rows


def plus_plus(
    rows: Rows, weights: F64 | None, n_clusters: int, generator: np.random.Generator
) -> I64:
    """Choose centers among the rows by greedy k-means++.

    Parameters
    ----------
    rows
        Candidates, shape (n_rows, n_features), finite, any real dtype.
    weights
        Weights of the rows, shape (n_rows,), or None for equal ones.
    n_clusters
        How many to choose; at most the number of rows with positive weight.
    generator
        Where the draws come from.

    Returns
    -------
    indices
        Chosen rows, shape (n_clusters,), in the order they were chosen. Once
        no row has a positive distance, further ones are drawn by weight.

    Notes
    -----
    O(n_rows * n_features * n_clusters * log n_clusters) time.

    References
    ----------
    Arthur & Vassilvitskii, "k-means++: the advantages of careful seeding",
    SODA 2007, section 2.2; the greedy choice among 2 + log(k) draws is that of
    their own implementation (section 5).
    """
    mass = np.ones(len(rows)) if weights is None else weights
    n_trials = 2 + int(np.log(n_clusters))
    chosen = np.empty(n_clusters, np.int64)
    chosen[0] = draw(mass, 1, generator)[0]
    closest = distances(rows, rows[chosen[:1]])[0]
    for k in range(1, n_clusters):
        potential = mass * closest
        if not potential.sum() > 0.0:
            left = mass.copy()
            left[chosen[:k]] = 0.0
            chosen[k] = draw(left, 1, generator)[0]
            continue
        trials = draw(potential, n_trials, generator)
        candidates = np.minimum(distances(rows, rows[trials]), closest)
        best = int(np.argmin((candidates * mass).sum(axis=1)))  # no BLAS: its bits follow threads
        chosen[k] = trials[best]
        closest = candidates[best]
    return chosen


def draw(mass: F64, size: int, generator: np.random.Generator) -> I64:
    """Draw row numbers with probability proportional to mass, never one of mass zero."""
    steps = np.cumsum(mass)
    found = np.searchsorted(steps, generator.random(size) * steps[-1], side="right")
    last = int(np.flatnonzero(mass)[-1]) if np.any(mass) else len(mass) - 1
    drawn: I64 = np.minimum(found, last).astype(np.int64)
    return drawn


def distances(rows: Rows, centers: Rows, view: View = AS_THEY_ARE) -> F64:
    """Squared Euclidean distances of rows, as a view shows them, to centers.

    Float64, shape (n_centers, n_rows).
    """
    out = np.empty((len(centers), len(rows)))
    native, table = readable(rows)
    _distances(native, table, view.arrays, np.ascontiguousarray(centers, np.float64), out)
    return out


@compiled_making
def _distances(
    rows: Rows, table: F32 | None, view: ViewArrays, centers: F64, out: F64
) -> None:  # pragma: no cover - compiled
    tile = np.empty((1, centers.shape[1]))
    is_plain = view[4]
    for i in range(len(rows)):
        if is_plain:
            load_tile(rows, i, 1, table, tile)
        else:
            see_tile(rows, i, ONE, table, view, tile)
        for k in range(len(centers)):
            out[k, i] = distance_between(tile[0], centers[k])
