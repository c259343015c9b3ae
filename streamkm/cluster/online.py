"""`partial_fit` of StreamKM: rows go into a coreset, which is clustered when one asks."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from typing import Any, Final, Self

import numpy as np

from streamkm.cluster.arguments import weights_of
from streamkm.cluster.coreset import Coreset
from streamkm.cluster.coreset_pass import SIZE_PER_CLUSTER
from streamkm.cluster.coreset_stream import CoresetStream
from streamkm.cluster.exchange import Exchange
from streamkm.cluster.kmeans import KMeans
from streamkm.cluster.matching import match
from streamkm.cluster.names import known_names
from streamkm.cluster.state import FitState
from streamkm.data.layout import Block, block_rows_for
from streamkm.errors import SourceError
from streamkm.kernels.coreset_tree import CoresetPlan
from streamkm.kernels.frame import Frame
from streamkm.kernels.view import AS_THEY_ARE, View
from streamkm.runtime import make_executor
from streamkm.runtime.events import PassStarted
from streamkm.runtime.memory import MAX_BLOCK_BYTES
from streamkm.tasks.base import read_weights, refuse_bad_values
from streamkm.typing import F64, Listener, Rows, RowSource

SOLVED: Final = frozenset(
    (
        "cluster_centers_", "cluster_sizes_", "inertia_", "n_iter_", "frame_",
        "coreset_rows_", "coreset_weights_", "n_seen_",
    )
)  # fmt: skip


class Online(Exchange):
    """The endless half of `StreamKM`."""

    coreset: str
    coreset_size: int | None
    n_init: int
    max_iter: int
    tol: float
    half_life: float | None
    time_unit: str

    stored = ("coreset_rows", "coreset_weights", "n_seen")
    coreset_rows_: Rows
    coreset_weights_: F64
    n_seen_: int
    _source: str = "coreset"
    _stream: CoresetStream | None = None
    _ids: F64 | None = None  # centers whose ids the next ones take over

    @classmethod
    def from_centers(cls, centers: Any, **parameters: Any) -> Self:
        """Return a fitted model with given centers, as `Exchange.from_centers`.

        For `partial_fit`, the centers stand for the rows of their clusters.
        """
        model = super().from_centers(centers, **parameters)
        view = model.frame_.view
        if view.columns is not None or (view.is_unit and view.divisor is not None):
            raise SourceError(
                "StreamKM.from_centers: its centers stand for rows, and with columns, or scale and "
                "unit length, no rows follow from them; KMeans.from_centers takes them"
            )
        model.coreset_rows_ = view.unscaled(model.cluster_centers_)
        model.coreset_weights_ = model.cluster_sizes_.astype(np.float64)
        model.n_seen_ = int(model.cluster_sizes_.sum())
        return model

    @property
    def coreset_(self) -> Coreset:
        """The `Coreset`: rows, weights, `save`, and `+` with others."""
        rows, weights, n_rows = self.coreset_rows_, self.coreset_weights_, self.n_seen_
        plan = self.plan(self.seed_, self.frame_.view)
        known = self.sample_shape_, self._source, known_names(self)
        return Coreset(rows, weights, n_rows, plan, *known)

    @property
    def n_values(self) -> int:
        """How many numbers label rows: the centers alone."""
        return int(self.cluster_centers_.size)

    def plan(self, seed: int, view: View = AS_THEY_ARE) -> CoresetPlan:
        """Return how rows, seen through a view, become a coreset."""
        size = self.coreset_size or SIZE_PER_CLUSTER * self.n_clusters
        return CoresetPlan(size, self.coreset, self.n_clusters, seed, view)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Take in the next rows of a stream, in bounded memory.

        The coreset is that of one pass over all rows so far, however they were
        portioned; after `fit`, or from a saved model, the stream goes on from
        the coreset. It is clustered when a result is asked for, and its clusters
        then keep the ids of those before. Bad rows are refused, and with them
        the whole call: the model stays as it was.

        Parameters
        ----------
        X
            Rows, as for `fit`.
        y
            Ignored.
        sample_weight
            Weights, shape (n_samples,), not negative.

        Raises
        ------
        BadRowsError
            If rows hold NaN or infinity.
        SourceError
            If the model is new, and `scale` needs the moments of all rows.
        """
        self.check_parameters()
        is_first = not self.__sklearn_is_fitted__()
        rows = self._rows(X, reset=is_first)
        self.scaling.refuse_beyond(rows.shape[1])
        weights = weights_of(rows, sample_weight)
        seed = self._seed() if is_first else self.seed_
        first_view = self.scaling.view(rows.shape[1]) if is_first else None
        stream = self._next_stream(seed, first_view)
        for block in plan_blocks(rows):
            part = rows.read(block.start, block.stop)
            refuse_bad_values(part, block.start)
            mass = np.ones(len(part))
            if weights is not None:
                mass = read_weights(weights, block.start, block.stop)
            stream.add(part, mass, is_new_batch=block.start == 0)
        if is_first:
            self.seed_, self.fingerprint_, self.history_ = seed, "", []
            self.sample_shape_ = () if self.columns is not None else rows.info.sample_shape
        self._stream = stream
        self._ids = self.__dict__.get("cluster_centers_", self._ids)
        for name in (*SOLVED, "labels_"):
            self.__dict__.pop(name, None)
        return self

    def fit_stream(self, batches: Iterable[Any]) -> Self:
        """Take in every batch of an iterable: arrays, or anything that `partial_fit` takes."""
        for batch in batches:
            self.partial_fit(batch)
        return self

    def _next_stream(self, seed: int, first_view: View | None) -> CoresetStream:
        """Return a stream to add to: a copy, a new one, or one that begins with what was fitted."""
        if self._stream is not None:
            return copy(self._stream)
        by_batch = self.time_unit == "batches"
        plan = self.plan(seed, self.frame_.view if first_view is None else first_view)
        stream = CoresetStream(plan, self.half_life, by_batch=by_batch)
        if first_view is None:
            stream.begin(self.coreset_rows_, self.coreset_weights_, self.n_seen_)
        return stream

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
        self.frame_ = frame_of(state.extra, stream.plan.view, self.metric)
        self.coreset_rows_, self.coreset_weights_ = made.rows, made.weights
        self.n_seen_ = made.n_rows
        return self.__dict__[name]


def plan_blocks(rows: RowSource) -> Iterator[Block]:
    """Yield what to read at once: whole chunks, of at most 32 MiB."""
    (n_rows, n_features), unit = rows.shape, rows.info.natural_rows
    row_bytes = n_features * rows.dtype.itemsize
    step = block_rows_for(n_rows, row_bytes, unit, MAX_BLOCK_BYTES)
    for start in range(0, n_rows, step):
        yield Block(start, min(start + step, n_rows))


def frame_of(extra: Mapping[str, Any], view: View, metric: str) -> Frame:
    """Return the frame that `solved` wrote, of rows that are seen through a view."""
    return Frame(extra["frame_shift"], float(extra["frame_scale"][0]), view, metric == "cosine")


def solved(made: Coreset, model: Any, seed: int, listener: Listener | None) -> FitState:
    """Cluster a coreset in memory: k-means++ and Lloyd, by weight.

    Raises
    ------
    SourceError
        If fewer rows than clusters were read.
    """
    rows, weights = made.rows, made.weights
    if len(rows) < model.n_clusters <= made.n_rows:  # as few rows are different
        copies = np.arange(model.n_clusters) % len(rows)
        rows, weights = rows[copies], (weights / np.bincount(copies))[copies]
    runner = make_executor("threads")  # here: it is in memory
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
        **model.scaling_parameters(),
    )
    inner._known_view = made.plan.view
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is to say is said of all rows
        inner.fit(rows, sample_weight=weights)
    mass = np.bincount(inner.labels_, weights, len(inner.cluster_centers_))
    shares = mass / mass.sum() * made.n_rows
    extra = {
        "coreset_rows": made.rows,
        "coreset_weights": made.weights,
        "n_iter": np.array([inner.n_iter_]),
        "frame_shift": inner.frame_.shift,
        "frame_scale": np.array([inner.frame_.scale]),
    }
    counts = np.maximum(np.rint(shares), mass > 0.0).astype(np.int64)
    return FitState(inner.cluster_centers_, counts, inertia=inner.inertia_, extra=extra)


def _of_coreset(event: Any) -> Any:
    """Say of a pass that it is one over the coreset."""
    if isinstance(event, PassStarted):
        return replace(event, title=f"on the coreset: {event.title}")
    return event
