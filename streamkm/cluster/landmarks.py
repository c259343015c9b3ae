"""Landmarks: where they lie, and what the eigenvectors of the graph are at them.

`METHODS` is the complete list of the ways to see the graph of all rows through
a few landmarks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from streamkm.cluster.init import Seeding, draw_rows, refine, sample_rows
from streamkm.cluster.passes import Passes
from streamkm.kernels.affinity import Landmarks
from streamkm.kernels.embedding import Embedding
from streamkm.kernels.exact_sum import ExactSum, float_grid
from streamkm.keyed import LANDMARKS, generator
from streamkm.tasks import spectral as tasks
from streamkm.typing import F64

LLOYD_ITERATIONS: Final = 10
LEAST_DEGREE: Final = 1e-6  # share of the total weight
LEAST_EIGENVALUE: Final = 1e-10  # share of the largest; below it there is rounding


def place_landmarks(
    passes: Passes, n_landmarks: int, n_neighbors: int, bandwidth: float | None, seed: int
) -> Landmarks:
    """Place landmarks by a few Lloyd updates on the stored sample.

    Parameters
    ----------
    passes
        The data; its sample is all that is looked at.
    n_landmarks
        How many; fewer where the sample has fewer distinct rows.
    n_neighbors
        How many landmarks each row is tied to, at most all.
    bandwidth
        Of the kernel; None for the mean distance of the sample's rows to the
        landmarks that they are tied to.
    seed
        The landmarks start at rows that are drawn under it.
    """
    data = passes.data
    rows, weights = sample_rows(Seeding(passes, n_landmarks, seed, ()))
    mass = np.ones(len(rows)) if weights is None else weights
    n_landmarks = min(n_landmarks, int(np.count_nonzero(mass)))
    chosen = draw_rows(len(rows), weights, n_landmarks, generator(seed, LANDMARKS))
    points = refine(rows[chosen].astype(np.float64), rows, mass, data, LLOYD_ITERATIONS)
    points = np.unique(points, axis=0)
    n_neighbors = min(n_neighbors, len(points))
    placed = Landmarks(points, data.sample_frame, bandwidth or 1.0, n_neighbors)
    if bandwidth is None:
        distances = np.sqrt(placed.neighbors(rows)[1]).mean(axis=1)
        mean = float((distances * mass).sum() / mass.sum())
        placed = replace(placed, bandwidth=mean or 1.0)  # zero: every row is a landmark
    return replace(placed, frame=data.frame)


def through_neighbors(passes: Passes, placed: Landmarks, n_components: int) -> Embedding:
    """Take the graph Z D^-1 Z^T, where Z ties rows to their nearest landmarks: one pass.

    Rows of Z sum to one, so those of the graph do too, and its eigenvectors are
    Z D^-1/2 V S^-1/2, with V and S those of D^-1/2 (Z^T Z) D^-1/2.

    References
    ----------
    Chen & Cai, "Large scale spectral clustering with landmark-based
    representation", AAAI 2011, sections 3.2 and 3.3.
    """
    products = _products(passes, placed, None, 0.0)
    degrees = products.sum(axis=1)
    inverse = np.zeros_like(degrees)
    is_tied = degrees > LEAST_EIGENVALUE * degrees.max()
    inverse[is_tied] = 1.0 / np.sqrt(degrees[is_tied])
    values, vectors = _eigen(products * inverse[:, None] * inverse)
    values, vectors = _leading(values, vectors, n_components)
    return Embedding(placed, inverse[:, None] * vectors / np.sqrt(values))


def through_nystrom(passes: Passes, placed: Landmarks, n_components: int) -> Embedding:
    """Take the graph C A^+ C^T of Gaussian affinities to all landmarks: two passes.

    The first sums the affinities, from which every row's degree follows; the
    second sums the products of the normalized rows. Both are orthogonalized
    at the landmarks, which need not be rows.

    References
    ----------
    Fowlkes, Belongie, Chung & Malik, "Spectral grouping using the Nyström
    method", IEEE TPAMI 26(2), 2004, sections 3.2 (degrees) and 3.3 (one-shot
    orthogonalization). Zhang, Tsang & Kwok, "Improved Nyström low-rank
    approximation and error analysis", ICML 2008 (k-means landmarks).
    """
    placed = replace(placed, n_neighbors=len(placed.points))
    seen = replace(placed, frame=passes.data.sample_frame)  # as the landmarks are
    among, vectors = _eigen(seen.affinities(placed.points, is_relative=False)[1])
    among, vectors = _leading(among, vectors, len(among))
    root = vectors / np.sqrt(among)  # root root^T is A^+
    summary = passes.data.summary
    exponents = float_grid(np.full(len(placed.points), summary.max_weight))
    context = tasks.AffinityContext(passes.source, passes.weights, placed, exponents)
    total = _run(passes, tasks.affinities, context, "summing affinities").value()[0]
    with threadpool_limits(1, user_api="blas"):
        pull = root @ (root.T @ total)
    products = _products(passes, placed, pull, LEAST_DEGREE * summary.weight)
    with threadpool_limits(1, user_api="blas"):
        values, vectors = _leading(*_eigen(root.T @ products @ root), n_components)
        return Embedding(placed, root @ (vectors / np.sqrt(values)))


Method = Callable[[Passes, Landmarks, int], Embedding]
METHODS: Final[dict[str, Method]] = {"landmarks": through_neighbors, "nystrom": through_nystrom}


def _products(passes: Passes, placed: Landmarks, pull: F64 | None, floor: float) -> F64:
    """Sum the products over all rows; the grid is known, as no affinity is above one."""
    bound = passes.data.summary.max_weight / (1.0 if pull is None else floor)
    exponents = float_grid(np.full(len(placed.points), bound))
    context = tasks.AffinityContext(passes.source, passes.weights, placed, exponents, pull, floor)
    upper = np.triu(_run(passes, tasks.products, context, "summing products").value())
    return upper + np.triu(upper, 1).T


def _run(passes: Passes, task: Any, context: Any, title: str) -> ExactSum:
    (found,) = passes.run(task, context, stage="affinities", title=title)
    passes.note()
    total: ExactSum = found
    return total


def _eigen(matrix: F64) -> tuple[F64, F64]:
    """Return eigenvalues, largest first, and eigenvectors whose largest entry is positive.

    On one thread: how BLAS shares work out decides its last bits.
    """
    with threadpool_limits(1, user_api="blas"):
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    return values, vectors * np.sign(vectors[largest, np.arange(len(values))])


def _leading(values: F64, vectors: F64, n_components: int) -> tuple[F64, F64]:
    """Return the largest eigenvalues, at most `n_components`, and their vectors."""
    kept = values[:n_components] > LEAST_EIGENVALUE * values[0]
    return values[:n_components][kept], vectors[:, :n_components][:, kept]
