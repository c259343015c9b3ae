"""What every algorithm shares: `fit`, its checkpoints, and what it leaves behind."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np

from streamkm.cluster.arguments import digest_of_weights, seed_of, to_json, weights_of
from streamkm.cluster.checks import check_rows, warn_of_few
from streamkm.cluster.cutting import held_beside
from streamkm.cluster.exchange import centers_like
from streamkm.cluster.fitted import Fitted
from streamkm.cluster.lloyd import Closed
from streamkm.cluster.matching import match
from streamkm.cluster.names import known_names, refuse_other_names
from streamkm.cluster.passes import Passes
from streamkm.cluster.progress import shown
from streamkm.cluster.rows import facts_of, locate, shipped
from streamkm.cluster.rundir import RunDir, taken
from streamkm.cluster.state import FitState
from streamkm.data.digest import fingerprint, stamp
from streamkm.errors import SourceError
from streamkm.kernels.frame import Frame
from streamkm.kernels.view import View
from streamkm.sources.array import MemorySource
from streamkm.typing import F64, I64, Json, RowSource


class Clusterer(Fitted, ABC):
    """Base of the estimators; an algorithm adds `start`, `iterate` and `finish`."""

    can_renumber: ClassVar[bool] = False  # whether its clusters are their centers, and no more
    _known_view: View | None = None  # how rows are seen, where another fit has settled it

    @abstractmethod
    def check_parameters(self) -> None:
        """Raise where a parameter is out of its range."""

    @abstractmethod
    def model_values(self, rows: RowSource) -> int:
        """Return how many numbers the centers of all models that share a pass hold."""

    def held_bytes(self, rows: RowSource) -> int:
        """Return what a fit holds besides its tasks: sums that wait, buffers of rows."""
        return held_beside(rows, self.n_clusters * rows.shape[1])

    def shared_bytes(self, rows: RowSource) -> int:
        """Return the part of it that models on the same passes hold once."""
        return 0

    @abstractmethod
    def start(self, passes: Passes, seed: int) -> tuple[FitState, ...]:
        """Return the states before the first pass."""

    @abstractmethod
    def iterate(
        self, passes: Passes, states: tuple[FitState, ...], seed: int
    ) -> Iterator[tuple[FitState, ...]]:
        """Yield the states after every pass."""

    @abstractmethod
    def finish(self, passes: Passes, states: tuple[FitState, ...]) -> Closed:
        """Return the best model with its final inertia and counts."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, like: Any = None) -> Self:
        """Find the clusters.

        Parameters
        ----------
        X
            Rows, shape (n_samples, n_features): a path or URL of a store or of
            any format that `convert` reads, a Dataset, a zarr.Array, an
            h5py.Dataset, a dask array chunked along its rows, a data frame of
            pandas or dask, an Arrow table, an xarray.DataArray, or anything
            that NumPy takes.
        y
            Ignored.
        sample_weight
            Weights, shape (n_samples,), not negative. By default those of the
            store, where it has an array `sample_weight`.
        like
            An older model, fitted or a saved one's path: clusters are numbered
            so that an id keeps its cluster, by the Hungarian method on the
            centers. With another number of clusters, matched ones keep their
            ids where these are in range; the rest take the free ids in order.

        Returns
        -------
        self
            Fitted.
        """
        rows = self.begin(X)
        old = None if like is None else centers_like(like, self, can_renumber=self.can_renumber)
        weights = weights_of(rows, sample_weight)
        with self.passes_over(rows, weights) as passes:
            self.fit_on(passes, rows, fingerprint(rows), digest_of_weights(weights), old)
        if isinstance(rows, MemorySource) and not hasattr(self, "labels_"):
            self.labels_ = self._labels(rows)
        return self

    @contextmanager
    def passes_over(self, rows: RowSource, weights: Any) -> Iterator[Passes]:
        """Plan the passes of a fit, on its executor, for the time of a block."""
        with self._running() as executor, shipped(rows, weights, executor) as (source, mass):
            executor.preflight(source if not isinstance(source, MemorySource) else None)
            passes = Passes(
                source, mass, executor, self.memory_limit, self.model_values(rows),
                held_bytes=self.held_bytes(rows), scaling=self.scaling, view=self._known_view,
            )  # fmt: skip
            with passes.many():
                yield passes

    def begin(self, X: Any) -> RowSource:
        """Return the rows of a fit; refuse parameters and rows that cannot be fitted."""
        self.check_parameters()
        if hasattr(self, "labels_"):
            del self.labels_  # of other rows
        self._locator = locate(X)
        rows = self._rows(X, reset=True)
        refuse_other_names("init", known_names(self), self._start_names)
        self.scaling.refuse_beyond(rows.shape[1])
        check_rows(self, rows.shape[0])
        return rows

    def fit_on(
        self, passes: Passes, rows: RowSource, data: str, weights: str, old: F64 | None = None
    ) -> None:
        """Fit, on passes that other models may share.

        Parameters
        ----------
        passes
            Over the rows.
        rows
            As `begin` returned them.
        data, weights
            Fingerprint of the rows, digest of the weights.
        old
            Centers whose ids are to be kept.
        """
        with taken(self.run_dir) as run:
            seed = self.seed_ = self._seed()
            self.fingerprint_ = data
            every_s, about = self.checkpoint_every_s, f"{data} {weights} {stamp(rows)}"
            if run is not None:
                run.check(self._identity(rows, seed, weights))
                passes.journal = run.look_journal(every_s, about)
            try:
                self.look(passes)
            except SourceError:  # rows that are mended may look the same from afar
                if passes.journal is not None:
                    passes.journal.forget()
                raise
            if run is not None:
                own = {"_like": None if old is None else to_json(old), "_about": facts_of(rows)}
                run.begin({**self._identity(rows, seed, weights), **own})
                passes.journal = run.journal(every_s, about)
            with shown(passes.executor, run):
                states = self._states(passes, seed, run)
                self.sample_shape_ = () if self.columns is not None else rows.info.sample_shape
                model = self.finish(passes, states)
            if old is not None:
                model = self.renumber(model, match(model.state.centers, old))
            self.keep(passes, model)
            if run is not None:
                result = {"n_iter": self.n_iter_, "inertia": self.inertia_}
                run.finish(passes.history, {**result, "restart": model.state.restart})

    def _states(self, passes: Passes, seed: int, run: RunDir | None) -> tuple[FitState, ...]:
        """Run the passes, from the start or from the run's checkpoint; return the last states."""
        found = None if run is None else run.load()
        if found is None:
            states = self.start(passes, seed)
            if run is not None:
                run.save(states, passes.history)
        else:
            states, passes.history = found
        for after in self.iterate(passes, states, seed):
            states = after
            if run is not None:
                run.save(states, passes.history)
        return states

    def renumber(self, model: Closed, order: I64) -> Closed:
        """Return a finished model with cluster `order[i]` as cluster `i`, before it is kept."""
        return model.reordered(order)

    def _seed(self) -> int:
        """Return the seed; a run that began without one goes on with the one it drew."""
        if self.random_state is None and self.run_dir is not None:
            drawn = RunDir(self.run_dir).seed("random_state")
            if drawn is not None:
                return int(drawn)
        return seed_of(self.random_state)

    def _identity(self, rows: RowSource, seed: int, weights: str) -> Json:
        """Return what must agree for a run to go on; keys with an underscore need not."""
        return {
            "algorithm": self.algorithm_name,
            "parameters": {**self.json_parameters(), "random_state": seed},
            "fingerprint": self.fingerprint_,
            "weights": weights,
            "_data": self._locator,
            "_model": self.model_path,
            "_checkpoint_every_s": self.checkpoint_every_s,
        }

    def look(self, passes: Passes) -> None:
        """Learn what the algorithm needs of the rows before its first pass."""
        passes.look(2 * self.n_clusters)

    def frame_of(self, passes: Passes, model: Closed) -> Frame:
        """Return where distances are measured from."""
        return passes.data.frame

    def n_zero(self, passes: Passes, model: Closed) -> int:
        """Return how many rows have no direction, under cosine distances."""
        return passes.data.n_zero

    def keep(self, passes: Passes, model: Closed) -> None:
        """Set the attributes of the fitted model."""
        self.cluster_centers_ = model.state.centers
        self.cluster_sizes_ = model.counts
        self.inertia_ = model.inertia
        self.n_iter_ = model.state.n_iter
        self.history_ = passes.history
        self.members_ = model.members
        if model.labels is not None and isinstance(passes.source, MemorySource):
            self.labels_ = model.labels
        self.frame_ = self.frame_of(passes, model)
        if self.metric == "cosine":
            self.n_zero_rows_ = n_zero = self.n_zero(passes, model)
            if n_zero:
                warnings.warn(
                    f"{n_zero} rows are all zeros: they have no direction, and their labels no "
                    "meaning",
                    stacklevel=4,
                )
        for name in self.stored:
            if name in model.state.extra:
                value = np.asarray(model.state.extra[name])
                setattr(self, f"{name}_", value if value.ndim else value.item())
        warn_of_few(self, int(np.count_nonzero(model.counts)))
