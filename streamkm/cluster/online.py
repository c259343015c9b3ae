"""`partial_fit` of StreamKM: rows go into a coreset, which is clustered when one asks."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Self

import numpy as np

from streamkm.cluster.arguments import weights_of
from streamkm.cluster.coreset import SIZE_PER_CLUSTER, Coreset
from streamkm.cluster.coreset_stream import CoresetStream
from streamkm.cluster.fitted import Fitted
from streamkm.cluster.kmeans import KMeans
from streamkm.cluster.matching import match
from streamkm.cluster.state import FitState
from streamkm.errors import SourceError
from streamkm.kernels.coreset_tree import CoresetPlan
from streamkm.kernels.tile import Frame
from streamkm.runtime.events import PassStarted
from streamkm.runtime.serial import SerialExecutor
from streamkm.tasks.base import refuse_bad_values
from streamkm.typing import F64, Listener

SOLVED: Final = frozenset(
    ("cluster_centers_", "cluster_sizes_", "inertia_", "n_iter_", "frame_", "coreset_")
)


class Online(Fitted):
    """The endless half of `StreamKM`."""

    coreset: str
    coreset_size: int | None
    n_init: int
    max_iter: int
    tol: float
    half_life: float | None
    time_unit: str

    coreset_: Coreset
    _stream: CoresetStream | None = None
    _ids: F64 | None = None  # centers whose ids the next ones take over

    def plan(self, seed: int) -> CoresetPlan:
        """Return how rows become a coreset."""
        size = self.coreset_size or SIZE_PER_CLUSTER * self.n_clusters
        return CoresetPlan(size, self.coreset, self.n_clusters, seed, self.metric == "cosine")

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Take in the next rows of a stream, in bounded memory.

        The coreset is that of one pass over all rows so far, however they were
        portioned. It is clustered when a result is asked for, and its clusters
        then keep the ids of those before.

        Parameters
        ----------
        X
            Rows, as for `fit`.
        y
            Ignored.
        sample_weight
            Weights, shape (n_samples,), not negative.
        """
        self.check_parameters()
        is_first = not self.__sklearn_is_fitted__()
        rows = self._rows(X, reset=is_first)
        weights = weights_of(rows, sample_weight)
        stream = self._begun(is_first=is_first, sample_shape=rows.info.sample_shape)
        n_rows, step = rows.shape[0], stream.plan.leaf_rows
        for start in range(0, n_rows, step):
            part = rows.read(start, min(start + step, n_rows))
            refuse_bad_values(part, start)
            mass = np.ones(len(part))
            if weights is not None:
                mass = np.asarray(weights.read(start, start + len(part)), np.float64)
            stream.add(part, mass, is_new_batch=start == 0)
        self._ids = self.__dict__.get("cluster_centers_", self._ids)
        for name in (*SOLVED, "labels_"):
            self.__dict__.pop(name, None)
        return self

    def fit_stream(self, batches: Iterable[Any]) -> Self:
        """Take in every batch of an iterable: arrays, or anything that `partial_fit` takes."""
        for batch in batches:
            self.partial_fit(batch)
        return self

    def _begun(self, *, is_first: bool, sample_shape: tuple[int, ...]) -> CoresetStream:
        """Return the stream: a new one, or one that begins with what was fitted."""
        if self._stream is None:
            if is_first:
                self.seed_ = self._seed()
                self.sample_shape_, self.fingerprint_, self.history_ = sample_shape, "", []
            by_batch = self.time_unit == "batches"
            self._stream = CoresetStream(self.plan(self.seed_), self.half_life, by_batch=by_batch)
            if not is_first:
                before = self.coreset_
                self._stream.begin(before.rows, before.weights, before.n_rows)
        return self._stream

    def __sklearn_is_fitted__(self) -> bool:
        return self._stream is not None or "cluster_centers_" in self.__dict__

    def __getattr__(self, name: str) -> Any:
        if name not in SOLVED or self.__dict__.get("_stream") is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        stream = self.__dict__["_stream"]
        rows, weights = stream.result()
        made = Coreset(rows, weights, stream.n_rows, stream.plan, self.sample_shape_)
        state = solved(made, self, self.seed_, None)
        order = np.arange(len(state.centers))
        if self._ids is not None:
            order = match(state.centers, self._ids)
        self.cluster_centers_ = state.centers[order]
        self.cluster_sizes_ = state.counts[order]
        self.inertia_, self.n_iter_ = state.inertia, int(state.extra["n_iter"][0])
        self.frame_, self.coreset_ = frame_of(state.extra), made
        return self.__dict__[name]


def unsolved(n_features: int, arrays: Mapping[str, Any], done: int) -> FitState:
    """Return the state of a pass that has taken in `done` parts."""
    nothing = np.empty((0, n_features)), np.zeros(0, np.int64)
    return FitState(*nothing, extra={**arrays, "done": np.array([done])})


def frame_of(extra: Mapping[str, Any]) -> Frame:
    """Return the frame that `solved` wrote."""
    scale = float(extra["frame_scale"][0])
    return Frame(extra["frame_shift"], scale, bool(extra["is_unit"][0]))


def solved(made: Coreset, model: Any, seed: int, listener: Listener | None) -> FitState:
    """Cluster a coreset in memory: k-means++ and Lloyd, by weight.

    Raises
    ------
    SourceError
        If nothing in it has weight, or it has fewer rows than clusters.
    """
    if not len(made.rows):
        raise SourceError("all sample weights are zero")
    runner = SerialExecutor()
    if listener is not None:
        runner.listener = lambda event: listener(_of_coreset(event))
    inner = KMeans(
        model.n_clusters,
        n_init=model.n_init,
        max_iter=model.max_iter,
        tol=model.tol,
        metric=model.metric,
        random_state=seed,
        executor=runner,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is to say is said of all rows
        inner.fit(made.rows, sample_weight=made.weights)
    mass = np.bincount(inner.labels_, made.weights, len(inner.cluster_centers_))
    shares = mass / mass.sum() * made.n_rows
    extra = {
        "rows": made.rows,
        "weights": made.weights,
        "n_iter": np.array([inner.n_iter_]),
        "frame_shift": inner.frame_.shift,
        "is_unit": np.array([inner.frame_.is_unit]),
        "frame_scale": np.array([inner.frame_.scale]),
    }
    counts = np.maximum(np.rint(shares), mass > 0.0).astype(np.int64)
    return FitState(inner.cluster_centers_, counts, inertia=inner.inertia_, extra=extra)


def _of_coreset(event: Any) -> Any:
    """Say of a pass that it is one over the coreset."""
    if isinstance(event, PassStarted):
        return replace(event, title=f"on the coreset: {event.title}")
    return event
