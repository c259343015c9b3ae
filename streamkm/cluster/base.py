"""What every algorithm shares: scikit-learn's manners over data of any size."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from streamkm.cluster.lloyd import Closed
from streamkm.cluster.model import save_model
from streamkm.cluster.passes import Passes, check_weights
from streamkm.cluster.rows import as_rows, fingerprint, is_in_memory, shipped
from streamkm.cluster.rundir import RunDir
from streamkm.cluster.state import FitState
from streamkm.cluster.use import map_lazily, score_rows, write_labels, write_distances
from streamkm.data.dataset import Dataset
from streamkm.errors import SourceError
from streamkm.kernels.tile import Frame
from streamkm.runtime import make_executor
from streamkm.runtime.base import Executor
from streamkm.sources.array import MemorySource
from streamkm.sources.columns import MemoryColumn
from streamkm.typing import F64, I32, I64, ColumnSource, Json, RowSource

# Where and under what a fit runs: never part of what it computes, never saved.
CIRCUMSTANCES = ("executor", "memory_limit", "run_dir")


class Clusterer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the estimators; an algorithm adds `start`, `iterate` and `finish`."""

    algorithm: ClassVar[str]
    model_path: str | None = None  # where a command will save it; a run remembers it
    n_clusters: int
    random_state: Any
    executor: str | Executor | None
    memory_limit: int | str | None
    run_dir: str | Path | None

    cluster_centers_: F64
    cluster_sizes_: I64
    inertia_: float
    n_iter_: int
    labels_: I32
    history_: list[Json]
    frame_: Frame
    sample_shape_: tuple[int, ...]
    fingerprint_: str
    n_features_in_: int

    def check_parameters(self) -> None:
        """Raise where a parameter is out of its range."""
        raise NotImplementedError

    def model_values(self, n_features: int) -> int:
        """Return how many numbers the centers of all models that share a pass hold."""
        raise NotImplementedError

    def start(self, passes: Passes, seed: int) -> tuple[FitState, ...]:
        """Return the states before the first pass."""
        raise NotImplementedError

    def iterate(
        self, passes: Passes, states: tuple[FitState, ...], seed: int
    ) -> Iterator[tuple[FitState, ...]]:
        """Yield the states after every pass."""
        raise NotImplementedError

    def finish(self, passes: Passes, states: tuple[FitState, ...]) -> Closed:
        """Return the best model with its final inertia and counts."""
        raise NotImplementedError

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the clusters.

        Parameters
        ----------
        X
            Rows, shape (n_samples, n_features): a path or URL of a store or of
            any format that `convert` reads, a Dataset, a zarr.Array, an
            h5py.Dataset, a dask array chunked along its rows, or anything that
            NumPy takes.
        y
            Ignored.
        sample_weight
            Weights, shape (n_samples,), not negative. By default those of the
            store, where it has an array `sample_weight`.

        Returns
        -------
        self
            Fitted.
        """
        self.check_parameters()
        rows = self._rows(X, reset=True)
        if rows.shape[0] < self.n_clusters:
            raise SourceError(f"n_samples={rows.shape[0]} should be >= n_clusters={self.n_clusters}.")
        weights = _weights(rows, sample_weight)
        seed = _seed(self.random_state)
        with self._running() as executor, shipped(rows, executor) as source:
            executor.preflight(source if not isinstance(source, MemorySource) else None)
            values = self.model_values(rows.shape[1])
            passes = Passes(source, weights, executor, self.memory_limit, values)
            self._fit_passes(passes, rows, seed, _weights_name(sample_weight))
        if is_in_memory(X):
            self.labels_ = self._labels(rows)
        return self

    def _fit_passes(self, passes: Passes, rows: RowSource, seed: int, weights: str) -> None:
        self.fingerprint_ = fingerprint(rows)
        passes.look(2 * self.n_clusters)
        states, run = None, None
        if self.run_dir is not None:
            run = RunDir(self.run_dir)
            run.begin(
                {
                    "algorithm": self.algorithm,
                    "parameters": {**self.json_parameters(), "random_state": seed},
                    "fingerprint": self.fingerprint_,
                    "weights": weights,
                    "_data": str(Path(rows.path).absolute()) if isinstance(rows, Dataset) else None,
                    "_model": self.model_path,
                }
            )
            found = run.load()
            if found is not None:
                states, passes.history = found
        if states is None:
            states = self.start(passes, seed)
            if run is not None:
                run.save(states, passes.history)
        for states in self.iterate(passes, states, seed):
            if run is not None:
                run.save(states, passes.history)
        self._keep(passes, self.finish(passes, states), rows)

    def _keep(self, passes: Passes, model: Closed, rows: RowSource) -> None:
        self.cluster_centers_ = model.state.centers
        self.cluster_sizes_ = model.counts
        self.inertia_ = model.inertia
        self.n_iter_ = model.state.n_iter
        self.history_ = passes.history
        self.frame_ = passes.data.frame
        self.sample_shape_ = rows.info.sample_shape
        n_found = int(np.count_nonzero(model.counts))
        if n_found < self.n_clusters:
            warnings.warn(
                f"Number of distinct clusters ({n_found}) found smaller than n_clusters "
                f"({self.n_clusters}). Possibly due to duplicate points in X.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def predict(self, X: Any, out: str | Path | None = None, *, overwrite: bool = False) -> Any:
        """Label rows with their nearest clusters.

        Parameters
        ----------
        X
            Rows, as for `fit`.
        out
            Where to write the labels of data that is not in memory, block by
            block: a folder (Zarr), .npy, .csv or .parquet.
        overwrite
            Replace `out` if it exists.

        Returns
        -------
        labels
            int32, shape (n_samples,), for rows in memory; the path `out` where
            it was given; a lazy dask array for a dask array.

        Raises
        ------
        SourceError
            If the data is not in memory and `out` is missing.
        """
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        if hasattr(X, "__dask_graph__") and out is None:
            return map_lazily(self, X, is_label=True)
        if out is not None:
            with self._running() as executor:
                return write_labels(self, rows, out, executor, self.memory_limit, overwrite)
        return self._labels(rows)

    def transform(self, X: Any, out: str | Path | None = None, *, overwrite: bool = False) -> Any:
        """Return the distances of rows to all centers.

        Parameters
        ----------
        X, out, overwrite
            As for `predict`.

        Returns
        -------
        distances
            Euclidean, float64, shape (n_samples, n_clusters); or `out`; or a
            lazy dask array.
        """
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        if hasattr(X, "__dask_graph__") and out is None:
            return map_lazily(self, X, is_label=False)
        if out is not None:
            with self._running() as executor:
                return write_distances(self, rows, out, executor, self.memory_limit, overwrite)
        values = np.empty((rows.shape[0], len(self.cluster_centers_)))
        _needs_out(rows)
        return write_distances(self, rows, values, make_executor("threads"), None, False)

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit to rows in memory and return their labels."""
        return self.fit(X, y, sample_weight).labels_

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return minus the weighted sum of squared distances to the nearest centers."""
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        weights = _weights(rows, sample_weight)
        with self._running() as executor, shipped(rows, executor) as source:
            return -score_rows(self, source, weights, None, executor, self.memory_limit).inertia

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save the fitted model as a small Zarr group, without pickle.

        Raises
        ------
        StoreExistsError
            If the path is taken and `overwrite` is False.
        """
        check_is_fitted(self)
        save_model(self, path, overwrite=overwrite)

    def json_parameters(self) -> Json:
        """Return the parameters that decide the result, as JSON."""
        values = {k: v for k, v in self.get_params(deep=False).items() if k not in CIRCUMSTANCES}
        return {name: _to_json(value) for name, value in values.items()}

    def _labels(self, rows: RowSource) -> I32:
        _needs_out(rows)
        values = np.empty(rows.shape[0], np.int32)
        labels: I32 = write_labels(self, rows, values, make_executor("threads"), None, False)
        return labels

    def _rows(self, X: Any, *, reset: bool) -> RowSource:
        if is_in_memory(X):
            array = validate_data(
                self, X, reset=reset, dtype="numeric", order="C", accept_sparse=False
            )
            return as_rows(np.asarray(array))
        rows = as_rows(X)
        if reset:
            self.n_features_in_ = rows.shape[1]
        elif rows.shape[1] != self.n_features_in_:
            raise SourceError(
                f"X has {rows.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        return rows

    @contextmanager
    def _running(self) -> Iterator[Executor]:
        executor = make_executor(self.executor)
        try:
            yield executor
        finally:
            if executor is not self.executor:
                executor.close()

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)


def _needs_out(rows: RowSource) -> None:
    if not isinstance(rows, MemorySource):
        raise SourceError(
            "the rows are not in memory, so their labels may not fit there either; "
            "pass out=PATH (Zarr, .npy, .csv or .parquet)"
        )


def _weights(rows: RowSource, sample_weight: Any) -> ColumnSource | None:
    if sample_weight is not None:
        return MemoryColumn(check_weights(sample_weight, rows.shape[0]))
    return rows.sample_weight if isinstance(rows, Dataset) else None


def _weights_name(sample_weight: Any) -> str:
    if sample_weight is None:
        return ""
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(sample_weight).tobytes()).hexdigest()


def _seed(random_state: Any) -> int:
    """Return one seed: an integer as it is, a fresh one for None, a draw of a generator."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, (int, np.integer)):
        if random_state < 0:
            raise SourceError(f"random_state must not be negative, got {random_state}")
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31))


def _to_json(value: Any) -> Any:
    if isinstance(value, (np.integer, np.floating)):
        return value.item()
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if callable(value) or isinstance(value, (np.random.RandomState, np.random.Generator)):
        return f"<{getattr(value, '__name__', type(value).__name__)}>"
    return {"array": np.asarray(value, np.float64).tolist()}
