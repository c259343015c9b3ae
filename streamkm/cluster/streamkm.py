"""StreamKM: one pass, bounded memory, any number of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamkm.cluster.base import Clusterer
from streamkm.cluster.checks import METRICS, check_choice, check_number, check_whole
from streamkm.cluster.coreset import Coreset
from streamkm.cluster.coreset_pass import coreset_values, grow
from streamkm.cluster.lloyd import Closed, LloydParameters, closed, lloyd
from streamkm.cluster.online import Online, frame_of, solved
from streamkm.cluster.passes import Passes
from streamkm.cluster.scaling import Columns, Normalize, Scale
from streamkm.cluster.state import FitState
from streamkm.kernels.coreset import REDUCERS
from streamkm.kernels.coreset_tree import CoresetTree
from streamkm.kernels.frame import Frame
from streamkm.kernels.view import View
from streamkm.runtime.base import Executor
from streamkm.typing import RowSource


class StreamKM(Online, Clusterer):
    """k-means on a coreset that one pass over the rows makes.

    Parameters
    ----------
    n_clusters
        Number of clusters, at least 1.
    coreset
        How rows are chosen: "tree" (StreamKM++: the surest), "sensitivity", or
        "lightweight" (the fastest; it may miss a small cluster near the mean
        of all rows: where 50 of 20 000 rows lay tight beside it, the cost of
        centers that leave them out was wrong by 100 % in the median of 12
        seeds, and by less than 0.1 % with the others).
    coreset_size
        Rows of the coreset; None for 200 * n_clusters.
    refine_passes
        Exact Lloyd passes over all rows afterwards, and one that closes.
    n_init
        Restarts of k-means++ and Lloyd on the coreset; the best is kept.
    max_iter, tol
        Of Lloyd on the coreset, as for `KMeans`.
    random_state
        Seed of all randomness; by default a fresh one, kept as `seed_`.
    half_life
        `partial_fit` halves the weight of what it saw so long ago, `fit`
        forgets nothing; None for never. The clusters are those of the faded
        rows: m half-lives after all of them have jumped, what was before still
        has 2**-m of the weight, and draws centers by its squared distance. In a
        test with jumps of twenty standard deviations the centers had followed
        after eight half-lives, not after two (`MiniBatchKMeans` had).
    time_unit
        Unit of `half_life`: "rows" or "batches".
    metric
        "euclidean" or "cosine", as for `KMeans`.
    scale
        "standard", "minmax", a number that values are divided by, or "none", as for
        `KMeans`.
    normalize
        "l2" scales rows to unit length, as for `KMeans`.
    columns
        Features to use, such as [0, 3, 7] or "0:3,7"; None for all.
    executor, memory_limit, run_dir, checkpoint_every_s
        As for `KMeans`.

    Attributes
    ----------
    cluster_centers_
        Shape (n_clusters, n_features), float64: scaled, of `columns` alone.
    centers_in_data_units_
        The centers without `scale`, same shape; None at unit length.
    coreset_
        The `Coreset`: rows, weights, `save`, and `+` with others.
    inertia_
        Weighted sum of squared distances to the nearest centers: of the
        coreset, which estimates that of the rows; of the rows after
        `refine_passes`.
    cluster_sizes_
        Rows of each cluster, int64; estimated in the same way.
    n_iter_
        Iterations on the coreset, and over the rows.
    labels_
        Shape (n_samples,), int32; only after fitting rows in memory.
    history_
        One record a pass over the rows.
    seed_
        The seed that was used.
    n_features_in_, feature_names_in_
        Features seen in `fit`: how many, and their names where the rows had some.

    Notes
    -----
    Every row is looked at once: O(n_samples * n_features * log(coreset_size))
    time, and memory that grows with the logarithm of n_samples. The coreset is
    made of fixed ranges of rows along a fixed tree, so that its bits do not
    depend on who works on which part.

    References
    ----------
    Ackermann, Märtens, Raupach, Swierkot, Lammersen & Sohler, "StreamKM++: a
    clustering algorithm for data streams", ACM J. Exp. Algorithmics 17, 2012.
    Bachem, Lucic & Krause, "Scalable k-means clustering via lightweight
    coresets", KDD 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm import StreamKM
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [10.0, 2.0], [10.0, 4.0]])
    >>> model = StreamKM(n_clusters=2, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_[:, 0].tolist())
    [1.0, 10.0]
    """

    algorithm_name = "streamkm"
    can_renumber = True

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        coreset: Literal["tree", "sensitivity", "lightweight"] = "tree",
        coreset_size: int | None = None,
        refine_passes: int = 0,
        n_init: int = 5,
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: Any = None,
        half_life: float | None = None,
        time_unit: Literal["rows", "batches"] = "rows",
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
        self.coreset = coreset
        self.coreset_size = coreset_size
        self.refine_passes = refine_passes
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.half_life = half_life
        self.time_unit = time_unit
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
        check_whole(self, "coreset_size", least=self.n_clusters, optional=True)
        check_whole(self, "refine_passes", least=0)
        check_number(self, "tol")
        check_choice(self, "metric", METRICS)
        check_number(self, "half_life", optional=True, is_positive=True)
        check_choice(self, "coreset", REDUCERS)
        check_choice(self, "time_unit", ("rows", "batches"))

    def model_values(self, rows: RowSource) -> int:
        """Return what a task holds: leaves and subtrees, or the sums of a Lloyd pass."""
        plan = self.plan(0, View(is_unit=self.scaling.is_unit))
        return max(coreset_values(rows, plan), self.n_clusters * rows.shape[1])

    def look(self, passes: Passes) -> None:
        """Look at all rows only where Lloyd passes follow, or the scale is theirs."""
        if self.refine_passes:
            super().look(passes)
        else:
            passes.find_view(2 * self.n_clusters)

    def start(self, passes: Passes, seed: int) -> tuple[FitState, ...]:
        """Return the state with nothing read."""
        return (FitState.unsolved(passes.source.shape[1], {}, 0),)

    def iterate(
        self, passes: Passes, states: tuple[FitState, ...], seed: int
    ) -> Iterator[tuple[FitState, ...]]:
        """Yield the state after every part of the pass, then the model, then as it is refined."""
        (state,) = states
        plan, info = self.plan(seed, passes.view), passes.source.info
        n_rows, n_features = passes.source.shape
        if not len(state.centers):
            begun = CoresetTree.from_arrays(plan, state.extra), int(state.extra["done"][0])
            tree = begun[0]
            for grown, done in grow(passes, plan, *begun, is_only=not self.refine_passes):
                tree = grown
                yield (FitState.unsolved(n_features, tree.to_arrays(), done),)
            made = Coreset(*tree.result(), n_rows, plan, info.sample_shape, info.name)
            state = solved(made, self, seed, passes.executor.listener)
            state = replace(state, extra={**state.extra, "n_zero": np.array([tree.n_zero])})
            yield (state,)
        extra = state.extra
        parameters = LloydParameters(self.refine_passes, 0.0, "farthest", seed)
        for (after,) in lloyd(passes, (state,), parameters) if self.refine_passes else ():
            yield (replace(after, extra=extra),)

    def finish(self, passes: Passes, states: tuple[FitState, ...]) -> Closed:
        """Return the model: as the coreset judges it, or after refining, as the rows do."""
        (state,) = states
        if self.refine_passes:
            return closed(passes, states)[0]
        return Closed(state, state.inertia, state.counts)

    def keep(self, passes: Passes, model: Closed) -> None:
        """Set the attributes of the fitted model."""
        super().keep(passes, model)
        self.n_iter_ = int(model.state.extra["n_iter"][0]) + model.state.n_iter
        self.n_seen_, self._source = passes.source.shape[0], passes.source.info.name
        self._stream = None

    @property
    def inertia_of(self) -> str | None:
        """The coreset, where the rows were not read again."""
        return None if self.refine_passes else "the coreset, an estimate"

    def n_zero(self, passes: Passes, model: Closed) -> int:
        """Return how many rows the coreset's pass found to be zero."""
        return int(model.state.extra["n_zero"][0])

    def frame_of(self, passes: Passes, model: Closed) -> Frame:
        """Return the frame of the coreset, where all rows were not looked at."""
        return frame_of(model.state.extra, passes.view, self.metric)
