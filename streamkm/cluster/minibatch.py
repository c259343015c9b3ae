"""MiniBatchKMeans: a stream of small steps instead of passes over all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from numpy.typing import ArrayLike

from streamkm.cluster.checks import METRICS, check_choice, check_number, check_whole
from streamkm.cluster.given import GivenStart
from streamkm.cluster.init import values_per_center
from streamkm.cluster.lloyd import Closed, closed
from streamkm.cluster.nested import first_prefix, nested
from streamkm.cluster.partial import PartialFit
from streamkm.cluster.passes import Passes
from streamkm.cluster.scaling import Columns, Normalize, Scale
from streamkm.cluster.state import FitState
from streamkm.cluster.steps import RATES, Steps
from streamkm.cluster.stream import Stream, buffer_bytes, buffer_rows_for
from streamkm.cluster.streaming import StreamParameters, best_start, stream_steps
from streamkm.runtime.base import Executor
from streamkm.typing import RowSource


class MiniBatchKMeans(PartialFit, GivenStart):
    """k-means by small steps along the stream of rows.

    Parameters
    ----------
    n_clusters
        Number of clusters, at least 1.
    init
        "k-means++", "k-means||", "random", "gaussian", an array, a model or a
        callable, as for `KMeans`; looks at `init_size` rows of the stored sample.
    max_iter
        The most times that the stream goes through the data.
    batch_size
        Rows of a step. A statistical choice: it never depends on who runs it.
    compute_labels
        Read the rows once more for the final inertia, sizes and, in memory,
        labels; without it these are estimates of the last steps.
    random_state
        Seed of all randomness; by default a fresh one, kept as `seed_`.
    tol
        Stop when the total squared move of the centers in a step is at most
        `tol` times the mean variance of the features; 0 for never.
    max_no_improvement
        Stop after so many steps without a better smoothed inertia; None for never.
    init_size
        Rows that a start is made from; None for 3 * batch_size, at least 3 * n_clusters.
    n_init
        Starts, each improved by a few iterations of k-means on its rows; the one
        with the least inertia on `init_size` other rows is used.
    reassignment_ratio
        Clusters with less than this share of the heaviest one's weight are
        moved to rows of the batch; 0 for never.
    learning_rate
        "sculley": a center is the mean of all rows that it ever took in; "sqrt":
        it moves by the root of its share of the batch, which does not fade.
    batches
        "stream": steps over batches of `batch_size` rows; "nested": Lloyd on a
        growing prefix of the stream, which begins with `batch_size` rows, at
        least 32 * n_clusters, and doubles, up to all rows.
    shuffle_buffer
        Rows held in memory and mixed, for data that `convert --shuffle` did not
        mix; None for 64 MiB. A larger one mixes better and reads less twice.
    half_life
        `partial_fit` halves the weight of what it saw so long ago, `fit`
        forgets nothing; None for never.
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
    n_iter_
        Times through the data, rounded up.
    n_steps_
        Steps taken.
    weight_sums_
        Weight that each center has taken in, shape (n_clusters,).
    history_
        One record a buffer of batches.
    inertia_, labels_, cluster_sizes_, seed_, n_features_in_
        As for `KMeans`.

    Notes
    -----
    O(batch_size * n_features * n_clusters) time a step. Sums of a batch do not
    depend on how it is shared out: the same bits on every executor.

    References
    ----------
    Sculley, "Web-scale k-means clustering", WWW 2010, algorithm 1.
    Schwartzman, "Mini-batch k-means terminates within O(d/epsilon) iterations",
    ICLR 2023, section 2. Newling & Fleuret, "Nested mini-batch k-means", NIPS
    2016, algorithm 3.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm import MiniBatchKMeans
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [10.0, 2.0], [10.0, 4.0]])
    >>> model = MiniBatchKMeans(n_clusters=2, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_[:, 0].round().tolist())
    [1.0, 10.0]
    """

    algorithm_name = "minibatch"

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Literal["k-means++", "k-means||", "random", "gaussian"]
        | ArrayLike
        | Callable[..., Any] = "k-means++",
        max_iter: int = 100,
        batch_size: int = 1024,
        compute_labels: bool = True,
        random_state: Any = None,
        tol: float = 0.0,
        max_no_improvement: int | None = 10,
        init_size: int | None = None,
        n_init: int = 3,
        reassignment_ratio: float = 0.01,
        learning_rate: Literal["sculley", "sqrt"] = "sculley",
        batches: Literal["stream", "nested"] = "stream",
        shuffle_buffer: int | None = None,
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
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.compute_labels = compute_labels
        self.random_state = random_state
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.init_size = init_size
        self.n_init = n_init
        self.reassignment_ratio = reassignment_ratio
        self.learning_rate = learning_rate
        self.batches = batches
        self.shuffle_buffer = shuffle_buffer
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
        check_whole(self, "n_clusters", "max_iter", "batch_size", "n_init")
        check_whole(self, "max_no_improvement", least=0, optional=True)
        check_whole(self, "init_size", "shuffle_buffer", optional=True)
        check_number(self, "tol", "reassignment_ratio")
        check_number(self, "half_life", optional=True, is_positive=True)
        check_choice(self, "metric", METRICS)
        check_choice(self, "learning_rate", RATES)
        check_choice(self, "batches", ("stream", "nested"))
        check_choice(self, "time_unit", ("rows", "batches"))
        self.read_start()

    def look(self, passes: Passes) -> None:
        """Learn moments, and a sample that is large enough for a start."""
        passes.look(max(2 * self.n_clusters, self._init_rows))

    @property
    def _init_rows(self) -> int:
        return self.init_size or 3 * max(self.batch_size, self.n_clusters)

    def model_values(self, rows: RowSource) -> int:
        """Return the numbers in the centers of all starts, or of all candidates."""
        return values_per_center(self._start) * self.n_clusters * rows.shape[1] * self.n_init

    def held_bytes(self, rows: RowSource) -> int:
        """Return the size of the buffer, of a batch beside it, and of sums that wait."""
        buffer = buffer_bytes(rows, self.shuffle_buffer, self.batch_size)
        return buffer + super().held_bytes(rows)

    def shared_bytes(self, rows: RowSource) -> int:
        """Return the size of the buffer."""
        batch_rows = min(self.batch_size, rows.shape[0])
        buffer = buffer_bytes(rows, self.shuffle_buffer, self.batch_size)
        return buffer - batch_rows * rows.shape[1] * rows.dtype.itemsize

    def start(self, passes: Passes, seed: int) -> tuple[FitState, ...]:
        """Return the best of the starts."""
        sizes = self.n_clusters, self.n_init
        centers = best_start(passes, self._start, seed, self._init_rows, sizes)
        if self.batches == "stream":
            return (Steps.start(centers).to_state(),)
        return (first_prefix(centers, self.batch_size, passes.source.shape[0]),)

    def iterate(
        self, passes: Passes, states: tuple[FitState, ...], seed: int
    ) -> Iterator[tuple[FitState, ...]]:
        """Yield the state after every buffer of batches, or every pass over the prefix."""
        stream, (begun,) = self._stream(passes), states
        if self.batches == "nested":
            after = nested(passes, stream, begun, self.max_iter, float(self.tol))
        else:
            after = stream_steps(passes, stream, begun, StreamParameters.of(self, seed))
        yield from ((state,) for state in after)

    def _stream(self, passes: Passes) -> Stream:
        buffer_rows = buffer_rows_for(passes.source, self.shuffle_buffer, self.batch_size)
        return Stream(passes, self.batch_size, buffer_rows, self.n_clusters)

    def finish(self, passes: Passes, states: tuple[FitState, ...]) -> Closed:
        """Return the model with its final inertia, or the estimate of the last steps."""
        (state,) = states
        if self.compute_labels:
            return closed(passes, states)[0]
        total = passes.data.summary.weight if self.batches == "stream" else 1.0
        return Closed(state, state.inertia * total, state.counts)

    def keep(self, passes: Passes, model: Closed) -> None:
        """Set the attributes of the fitted model."""
        super().keep(passes, model)
        if self.batches == "stream":
            self.n_iter_ = -(-self.n_steps_ // self._stream(passes).steps_per_epoch)
