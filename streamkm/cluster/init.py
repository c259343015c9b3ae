"""Starts: where the centers of every restart begin. `INITS` is the complete list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamkm.cluster.fitdata import FitData
from streamkm.cluster.passes import Passes
from streamkm.errors import SourceError
from streamkm.kernels.accumulate import LloydAccumulator
from streamkm.kernels.centers import prepare
from streamkm.kernels.seeding import plus_plus
from streamkm.keyed import OVERSAMPLING, RECLUSTER, SEEDING, generator, row_key
from streamkm.tasks.fit import lloyd, oversample
from streamkm.typing import F64, I64, Rows

OVERSAMPLING_FACTOR: Final = 2  # candidates a round, in units of n_clusters
ROUNDS: Final = 5
RECLUSTER_ITERATIONS: Final = 20
SEEDING_ROWS: Final = 1 << 14
SEEDING_ROWS_PER_CLUSTER: Final = 32


@dataclass(frozen=True, slots=True)
class Seeding:
    """What a start is made from.

    Parameters
    ----------
    passes
        The data, and the means to pass over it.
    n_clusters
        Centers wanted.
    seed
        All randomness is keyed by (seed, purpose, restart).
    restarts
        For which restarts; their passes are shared.
    most_rows
        The most rows of the sample that k-means++ looks at; None for plenty.
    """

    passes: Passes
    n_clusters: int
    seed: int
    restarts: Sequence[int]
    most_rows: int | None = None


def sample_rows(seeding: Seeding) -> tuple[Any, F64 | None]:
    """Return the part of the sample that k-means++ looks at: all, or evenly spaced rows."""
    data = seeding.passes.data
    plenty = max(SEEDING_ROWS, SEEDING_ROWS_PER_CLUSTER * seeding.n_clusters)
    most = seeding.most_rows or plenty
    n_rows = len(data.sample)
    if n_rows <= most:
        return data.sample, data.sample_weight
    chosen = np.arange(most) * n_rows // most
    weights = data.sample_weight
    return data.sample[chosen], None if weights is None else weights[chosen]


def plus_plus_start(seeding: Seeding) -> list[F64]:
    """Greedy k-means++ on the stored sample (Arthur & Vassilvitskii, SODA 2007)."""
    rows, weights = sample_rows(seeding)
    starts = []
    for restart in seeding.restarts:
        draws = generator(seeding.seed, SEEDING, restart)
        chosen = plus_plus(rows, weights, seeding.n_clusters, draws)
        starts.append(rows[chosen].astype(np.float64))
    return starts


def random_start(seeding: Seeding) -> list[F64]:
    """Data points of the stored sample, without replacement, by weight."""
    data = seeding.passes.data
    starts = []
    for restart in seeding.restarts:
        draws = generator(seeding.seed, SEEDING, restart)
        chosen = draw_rows(len(data.sample), data.sample_weight, seeding.n_clusters, draws)
        starts.append(data.sample[chosen].astype(np.float64))
    return starts


def draw_rows(n_rows: int, weights: F64 | None, size: int, draws: np.random.Generator) -> I64:
    """Draw row numbers without replacement, by weight."""
    keys = draws.standard_exponential(n_rows)
    if weights is not None:
        with np.errstate(divide="ignore"):
            keys = keys / weights
    return np.argsort(keys, kind="stable")[:size]


def gaussian_start(seeding: Seeding) -> list[F64]:
    """Normal draws with each feature's mean and standard deviation."""
    summary = seeding.passes.data.summary
    std = np.sqrt(summary.m2 / summary.weight)
    shape = (seeding.n_clusters, len(std))
    return [
        summary.mean + std * generator(seeding.seed, SEEDING, restart).standard_normal(shape)
        for restart in seeding.restarts
    ]


def parallel_start(seeding: Seeding) -> list[F64]:
    """k-means||: a few passes that draw many candidates each, then a weighted k-means++.

    Each round draws exactly 2 * n_clusters rows without replacement, by their
    squared distance to the candidates so far: one pass a round, where drawing
    every row by its own coin would first need a pass for the normalisation.

    References
    ----------
    Bahmani, Moseley, Vattani, Kumar & Vassilvitskii, "Scalable k-means++",
    VLDB 2012, algorithm 2.
    """
    passes, n_clusters = seeding.passes, seeding.n_clusters
    first = random_start(Seeding(passes, 1, seeding.seed, seeding.restarts))
    candidates = list(first)
    for step in range(ROUNDS):
        keys = tuple(row_key(seeding.seed, OVERSAMPLING, r, step) for r in seeding.restarts)
        drawn = passes.run_models(
            oversample,
            candidates,
            stage="seed",
            title=f"seeding, round {step + 1} of {ROUNDS}",
            capacity=OVERSAMPLING_FACTOR * n_clusters,
            keys=keys,
        )
        passes.note()
        candidates = [
            np.concatenate([old, passes.data.seen(new.rows).astype(np.float64)])
            for old, new in zip(candidates, drawn, strict=True)
        ]
    sums = passes.run_models(lloyd, candidates, stage="seed", title="weighing the candidates")
    passes.note()
    return [
        _recluster(rows, part.mass(), seeding, restart)
        for rows, part, restart in zip(candidates, sums, seeding.restarts, strict=True)
    ]


def _recluster(rows: F64, mass: F64, seeding: Seeding, restart: int) -> F64:
    """Cluster weighted candidates: k-means++ and a few Lloyd updates, in memory."""
    n_clusters = seeding.n_clusters
    if np.count_nonzero(mass) < n_clusters:
        mass = np.maximum(mass, np.finfo(np.float64).tiny)  # duplicates: fewer distinct rows than k
    draws = generator(seeding.seed, RECLUSTER, restart)
    if len(rows) < n_clusters:
        rows = np.concatenate([rows, np.repeat(rows[:1], n_clusters - len(rows), axis=0)])
        mass = np.concatenate([mass, np.full(n_clusters - len(mass), mass[0])])
    centers = rows[plus_plus(rows, mass, n_clusters, draws)]
    return refine(centers, rows, mass, seeding.passes.data, RECLUSTER_ITERATIONS)


def refine(centers: F64, rows: Rows, mass: F64, data: FitData, n_iterations: int) -> F64:
    """Return centers after some Lloyd updates on weighted rows that are in memory."""
    weighted = data.summary.grids(np.dtype(np.float64), is_weighted=True, most_weight=mass.max())
    for _ in range(n_iterations):
        sums = LloydAccumulator(prepare(centers, data.sample_frame), weighted)
        sums.add(rows, mass)
        moved = data.moved(sums.result(), centers)
        if np.array_equal(moved, centers):
            break
        centers = moved
    return centers


INITS: Final[dict[str, Callable[[Seeding], list[F64]]]] = {
    "k-means++": plus_plus_start,
    "k-means||": parallel_start,
    "random": random_start,
    "gaussian": gaussian_start,
}


def values_per_center(init: Any) -> int:
    """Return how many rows a start looks at together, in units of n_clusters."""
    is_parallel = isinstance(init, str) and init == "k-means||"
    return OVERSAMPLING_FACTOR * ROUNDS + 1 if is_parallel else 1


def make_starts(init: Any, seeding: Seeding) -> list[F64]:
    """Return one start for each restart.

    Parameters
    ----------
    init
        A name of `INITS`, an array of shape (n_clusters, n_used), or a
        callable (X, n_clusters, random_state) -> such an array, where X is the
        stored sample.

    Raises
    ------
    SourceError
        If the name is unknown, or the shape or the values are wrong.
    """
    if isinstance(init, str) and init not in INITS:
        raise SourceError(f"init must be one of {', '.join(INITS)}, an array or a callable")
    if isinstance(init, str):
        starts = INITS[init](seeding)
    elif callable(init):
        sample = seeding.passes.data.sample
        starts = [
            init(sample, seeding.n_clusters, random_state=_legacy(seeding.seed, restart))
            for restart in seeding.restarts
        ]
    else:
        starts = [init for _ in seeding.restarts]
    shape = (seeding.n_clusters, len(seeding.passes.data.summary.mean))
    return [seeding.passes.data.projected(_check(start, shape)) for start in starts]


def _legacy(seed: int, restart: int) -> np.random.RandomState:
    draws: I64 = generator(seed, SEEDING, restart).integers(0, 2**31, 1)
    return np.random.RandomState(int(draws[0]))


def _check(start: Any, shape: tuple[int, int]) -> F64:
    centers = np.array(start, np.float64, order="C")
    if centers.shape != shape:
        raise SourceError(
            f"The shape of the initial centers {centers.shape} does not match "
            f"(n_clusters, n_features) = {shape}"
        )
    if not np.isfinite(centers).all():
        raise SourceError("the initial centers hold NaN or infinity")
    return centers
