"""KMeans: exact Lloyd over data of any size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from streamkm.cluster.base import Clusterer
from streamkm.cluster.checks import METRICS, check_choice, check_number, check_whole
from streamkm.cluster.empty import EMPTY_CLUSTER
from streamkm.cluster.exchange import Exchange
from streamkm.cluster.given import GivenStart
from streamkm.cluster.init import Seeding, make_starts, values_per_center
from streamkm.cluster.lloyd import Closed, LloydParameters, best_of, closed, lloyd
from streamkm.cluster.passes import Passes
from streamkm.cluster.scaling import Columns, Normalize, Scale
from streamkm.cluster.state import FitState
from streamkm.runtime.base import Executor
from streamkm.typing import F64, I64, RowSource


class KMeans(GivenStart, Exchange, Clusterer):
    """Exact k-means (Lloyd) over data that need not fit in memory.

    Parameters
    ----------
    n_clusters
        Number of clusters, at least 1.
    init
        "k-means++" (greedy, on the stored sample), "k-means||" (five passes
        that draw 2 * n_clusters candidates each), "random" (data points),
        "gaussian" (normal draws with each feature's mean and standard
        deviation), an array of shape (n_clusters, n_features), a fitted model
        or the path of a saved one or of a .npy file, or a callable (X,
        n_clusters, random_state) -> array; all of them on the scale of `scale`.
    n_init
        Restarts. They share every pass over the data; the best is kept.
    max_iter
        The most iterations of each restart.
    tol
        Stop when the total squared move of the centers is at most `tol` times
        the mean variance of the features; 0 stops when the centers repeat bit
        for bit.
    random_state
        Seed of all randomness; by default a fresh one, kept as `seed_`.
    empty_cluster
        What becomes of a cluster that lost all its rows: "farthest" moves it
        to the row farthest from its center, "random" to a random row, "drop"
        leaves it out, "error" raises EmptyClusterError.
    algorithm
        How a pass finds labels; no bit of the result depends on it. "lloyd"
        measures every row to every center; "hamerly" keeps two bounds a row, and
        skips rows that cannot have changed; "yinyang" keeps more, for many
        centers; "auto" chooses by the number of clusters, and first looks at wide
        rows in a subspace near the centers, and holds those that may change where not
        all fit in memory. What is known of rows is kept where it fits under the limit, on
        threads and by a cluster's workers.
    max_time_s
        Stop after the first pass that ends later than this many seconds; None
        for no limit.
    metric
        "euclidean", or "cosine": rows count at unit length and centers lie on the
        sphere (spherical k-means). Rows of zeros have no direction: they are
        counted in `n_zero_rows_`, and their labels mean nothing.
    scale
        "standard" (each feature's mean to 0, its standard deviation to 1),
        "minmax" (its range to 0 .. 1), a number that all values are divided by, or
        "none". The model keeps what it found, for all that it does with new rows.
    normalize
        "l2" scales rows to unit length, after `scale`. Centers are their means;
        metric="cosine" puts these on the sphere as well.
    columns
        Features to use, such as [0, 3, 7] or "0:3,7" (which is 0, 1, 2, 7); None for
        all.
    executor
        "serial", "threads", "processes", "distributed", an executor, or None
        for what Dask would use here (the active Client, else threads).
    memory_limit
        Bytes, or a size such as "1 GiB", of what the fit may add to the
        process; None for half of what is free.
    run_dir
        Folder for a checkpoint after every pass. A fit with the same data and
        parameters goes on from it, with the same bits, under any executor.
    checkpoint_every_s
        Seconds after which a longer pass writes there what it has so far.

    Attributes
    ----------
    cluster_centers_
        Shape (n_clusters, n_features), float64: scaled, of `columns` alone.
    centers_in_data_units_
        The centers without `scale`, same shape; None at unit length.
    inertia_
        Weighted sum of squared distances to the nearest centers; for cosine
        that is twice the sum of 1 - cosine.
    n_iter_
        Iterations of the best restart.
    converged_
        Whether the best restart stopped by `tol`, not at `max_iter` or for the time.
    labels_
        Shape (n_samples,), int32; only after fitting rows in memory.
    cluster_sizes_
        Rows of each cluster, shape (n_clusters,), int64.
    history_
        One record a pass: stage, seconds, bytes read and decoded, inertia.
    center_moves_
        Euclidean distance of each center from where it started, shape
        (n_clusters,), float64; None unless `init` gave the centers, or where
        clusters were dropped.
    seed_
        The seed that was used: `random_state`, or the one that was drawn.
    n_features_in_, feature_names_in_
        Features seen in `fit`: how many, and their names where the rows had some.

    Notes
    -----
    O(n_samples * n_features * n_clusters) time an iteration. The bits of the
    result depend on the data, the parameters and the seed alone: not on the
    executor, the number of workers, the chunks of the store, the memory limit,
    or on how often the fit was interrupted. (On one type of CPU and one set of
    library versions.)

    References
    ----------
    Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28(2),
    1982, section IV. Dhillon & Modha, "Concept decompositions for large sparse
    text data using clustering", Machine Learning 42, 2001, section 3 (cosine).
    Hamerly, "Making k-means even faster", SDM 2010, algorithm 1. Ding et al.,
    "Yinyang k-means: a drop-in replacement of the classic k-means with
    consistent speedup", ICML 2015, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm import KMeans
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [10.0, 2.0], [10.0, 4.0]])
    >>> model = KMeans(n_clusters=2, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_[:, 0].tolist())
    [1.0, 10.0]
    """

    algorithm_name = "kmeans"
    can_renumber = True
    center_moves_: F64 | None = None
    converged_: bool

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Literal["k-means++", "k-means||", "random", "gaussian"]
        | ArrayLike
        | Path
        | BaseEstimator
        | Callable[..., Any] = "k-means++",
        n_init: int = 1,
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: Any = None,
        empty_cluster: Literal["farthest", "random", "drop", "error"] = "farthest",
        algorithm: Literal["auto", "lloyd", "hamerly", "yinyang"] = "auto",
        max_time_s: float | None = None,
        metric: Literal["euclidean", "cosine"] = "euclidean",
        scale: Scale = "none",
        normalize: Normalize = None,
        columns: Columns = None,
        executor: str | Executor | None = None,
        memory_limit: int | str | None = None,
        run_dir: str | Path | None = None,
        checkpoint_every_s: float = 300.0,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.empty_cluster = empty_cluster
        self.algorithm = algorithm
        self.max_time_s = max_time_s
        self.metric = metric
        self.scale = scale
        self.normalize = normalize
        self.columns = columns
        self.executor = executor
        self.memory_limit = memory_limit
        self.run_dir = run_dir
        self.checkpoint_every_s = checkpoint_every_s

    def check_parameters(self) -> None:
        """Raise SourceError where a parameter is out of its range."""
        check_number(self, "checkpoint_every_s", is_positive=True)
        check_whole(self, "n_clusters", "n_init", "max_iter")
        check_number(self, "tol")
        check_choice(self, "empty_cluster", EMPTY_CLUSTER)
        check_choice(self, "metric", METRICS)
        check_choice(self, "algorithm", ("auto", "lloyd", "hamerly", "yinyang"))
        check_number(self, "max_time_s", optional=True, is_positive=True)
        self.read_start()

    @property
    def _restarts(self) -> range:
        """One restart where the start is given: others would be the same."""
        return range(1 if isinstance(self._start, np.ndarray) else self.n_init)

    def model_values(self, rows: RowSource) -> int:
        """Return the numbers in the centers of all restarts, or of all candidates."""
        factor = values_per_center(self._start)
        return factor * self.n_clusters * rows.shape[1] * len(self._restarts)

    def held_bytes(self, rows: RowSource) -> int:
        """Return what all restarts hold beside the tasks: large where centers are."""
        return len(self._restarts) * super().held_bytes(rows)

    def look(self, passes: Passes) -> None:
        """Learn the moments, and a sample where the start is not given."""
        passes.may_narrow = passes.may_hold
        passes.look(0 if isinstance(self._start, np.ndarray) else 2 * self.n_clusters)

    def start(self, passes: Passes, seed: int) -> tuple[FitState, ...]:
        """Return the starts of all restarts."""
        restarts = self._restarts
        starts = make_starts(self._start, Seeding(passes, self.n_clusters, seed, restarts))
        return tuple(FitState.start(c, r) for c, r in zip(starts, restarts, strict=True))

    def iterate(
        self, passes: Passes, states: tuple[FitState, ...], seed: int
    ) -> Iterator[tuple[FitState, ...]]:
        """Yield the states of all restarts after every pass."""
        parameters = LloydParameters(
            self.max_iter, float(self.tol), self.empty_cluster, seed, self.algorithm
        )
        begin = time.monotonic()
        for after in lloyd(passes, states, parameters):
            yield after
            if self.max_time_s is not None and time.monotonic() - begin >= self.max_time_s:
                return

    def finish(self, passes: Passes, states: tuple[FitState, ...]) -> Closed:
        """Return the restart with the smallest final inertia."""
        best = best_of(closed(passes, states))
        start, centers = self._start, best.state.centers
        self.center_moves_ = None
        self.converged_ = best.state.converged
        if isinstance(start, np.ndarray) and start.shape == centers.shape:
            self.center_moves_ = np.sqrt(((centers - start) ** 2).sum(axis=1))
        return best

    def renumber(self, model: Closed, order: I64) -> Closed:
        """Return a finished model with cluster `order[i]` as cluster `i`."""
        if self.center_moves_ is not None:
            self.center_moves_ = self.center_moves_[order]
        return super().renumber(model, order)
