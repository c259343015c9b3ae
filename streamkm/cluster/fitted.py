"""What a fitted model does: predict, transform, score, save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from streamkm.cluster.arguments import needs_out, to_json, weights_of
from streamkm.cluster.model import save_model
from streamkm.cluster.names import keep_names, refuse_other_rows
from streamkm.cluster.rows import as_given, as_rows, is_in_memory, named_columns, shipped
from streamkm.cluster.scaling import Columns, Normalize, Scale, Scaling
from streamkm.cluster.use import inertia_over, map_lazily, write_distances, write_labels
from streamkm.kernels.frame import Frame
from streamkm.kernels.members import MemberMoments
from streamkm.kernels.nearest import Nearest
from streamkm.runtime import make_executor
from streamkm.runtime.base import Executor
from streamkm.sources.frames import is_frame
from streamkm.typing import F64, I32, I64, Json, Labeler, RowSource

# Where and under what a fit runs: never part of what it computes, never saved.
CIRCUMSTANCES = (
    "executor", "memory_limit", "run_dir", "checkpoint_every_s", "embedding", "algorithm",
)  # fmt: skip
SCALING = ("scale", "normalize", "columns")


class Fitted(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """The verbs of a fitted model, over data of any size."""

    algorithm_name: ClassVar[str]
    stored: ClassVar[tuple[str, ...]] = ()  # what a model file holds besides, less the underscore
    embeds: ClassVar[bool] = False  # whether centers lie in an embedding, not among rows
    metric: str = "euclidean"
    scale: Scale = "none"
    normalize: Normalize = None
    columns: Columns = None
    model_path: str | None = None  # where a command will save it; a run remembers it
    n_clusters: int
    random_state: Any
    executor: str | Executor | None
    memory_limit: int | str | None
    run_dir: str | Path | None
    checkpoint_every_s: float
    _locator: str | None = None
    _start_names: tuple[str, ...] = ()  # columns of the model that the start came from

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
    feature_names_in_: NDArray[Any]  # where the rows had names
    n_zero_rows_: int
    members_: MemberMoments | None = None  # of the store that the model was fitted to
    seed_: int

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
        if hasattr(rows, "evenly") and out is None:
            return map_lazily(self, rows, is_label=True)
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
        if hasattr(rows, "evenly") and out is None:
            return map_lazily(self, rows, is_label=False)
        if out is not None:
            with self._running() as executor:
                return write_distances(self, rows, out, executor, self.memory_limit, overwrite)
        needs_out(rows)
        values = np.empty((rows.shape[0], len(self.cluster_centers_)))
        return write_distances(self, rows, values, make_executor("threads"), None, False)

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit to rows in memory and return their labels."""
        if not is_in_memory(X):
            needs_out(self._rows(X, reset=True))
        return self.fit(X, y, sample_weight).labels_

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return minus the weighted sum of squared distances to the nearest centers."""
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        weights = weights_of(rows, sample_weight)
        with self._running() as executor, shipped(rows, weights, executor) as (source, mass):
            return -inertia_over(self, source, mass, executor, self.memory_limit)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save the fitted model as a small Zarr group, without pickle.

        Raises
        ------
        StoreExistsError
            If the path is taken and `overwrite` is False.
        """
        check_is_fitted(self)
        save_model(self, path, overwrite=overwrite)

    @property
    def centers_in_data_units_(self) -> F64 | None:
        """The centers without `scale`, shape (n_clusters, n_used); None at unit length."""
        view, centers = self.frame_.view, self.cluster_centers_
        return None if view.is_unit or self.embeds else view.unscaled(centers)

    @property
    def scaling(self) -> Scaling:
        """What the parameters of SCALING ask for; raises SourceError where they are wrong."""
        return Scaling.of(self)

    @property
    def inertia_of(self) -> str | None:
        """What `inertia_` was taken over, where that is not all rows as they are."""
        return None

    def json_parameters(self) -> Json:
        """Return the parameters that decide the result, as JSON; of SCALING, what is asked for.

        Runs and models without it are as they were before there was any.
        """
        left_out = (*CIRCUMSTANCES, *SCALING)
        values = {k: v for k, v in self.get_params(deep=False).items() if k not in left_out}
        return {name: to_json(value) for name, value in values.items()} | self.scaling.to_json()

    def scaling_parameters(self) -> Json:
        """Return the parameters that say how rows are seen."""
        return {name: getattr(self, name) for name in SCALING}

    def fitted_values(self, kind: Any) -> Json:
        """Return those attributes of `stored` that are of a kind."""
        values = {name: getattr(self, f"{name}_") for name in self.stored}
        return {name: value for name, value in values.items() if isinstance(value, kind)}

    @property
    def n_values(self) -> int:
        """How many numbers label rows: the centers, and what is stored besides."""
        arrays = self.fitted_values(np.ndarray).values()
        return int(self.cluster_centers_.size + sum(values.size for values in arrays))

    def _labels(self, rows: RowSource) -> I32:
        needs_out(rows)
        values = np.empty(rows.shape[0], np.int32)
        labels: I32 = write_labels(self, rows, values, make_executor("threads"), None, False)
        return labels

    def _rows(self, X: Any, *, reset: bool) -> RowSource:
        given = as_given(X)
        if is_in_memory(given) and (given is X or not is_frame(X)):
            with named_columns(X):
                # What is not finite is told by the passes, which need no look of their own for it.
                array = validate_data(
                    self, given, reset=reset, dtype="numeric", order="C", accept_sparse=False,
                    ensure_all_finite=False,
                )  # fmt: skip
            return as_rows(np.asarray(array))
        rows = as_rows(X)
        if reset:
            self.n_features_in_ = rows.shape[1]
            keep_names(self, rows)
        else:
            refuse_other_rows(self, rows)
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
    def labeler_(self) -> Labeler:
        """The model as the workers see it."""
        return Nearest(self.cluster_centers_, self.frame_)

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)
