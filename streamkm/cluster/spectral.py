"""SpectralClustering: clusters of any shape, by k-means on an embedding of the rows' graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from streamkm.cluster import embedded
from streamkm.cluster.base import Clusterer
from streamkm.cluster.checks import check_choice, check_number, check_whole, refusal
from streamkm.cluster.cutting import held_beside
from streamkm.cluster.kmeans import KMeans
from streamkm.cluster.landmarks import METHODS, place_landmarks
from streamkm.cluster.lloyd import Closed
from streamkm.cluster.passes import Passes
from streamkm.cluster.scaling import Columns, Normalize, Scale
from streamkm.cluster.state import FitState
from streamkm.kernels.affinity import Landmarks
from streamkm.kernels.embedding import EmbeddedNearest, Embedding
from streamkm.kernels.frame import Frame
from streamkm.runtime.base import Executor
from streamkm.typing import F64, Labeler, RowSource

CLOSED: Final = "is_closed"
DIGEST: Final = "digest"


class SpectralClustering(Clusterer):
    """Spectral clustering over data that need not fit in memory.

    For clusters that are not round, such as rings, where k-means fails. Rows
    are compared with a few landmarks, not with each other: one pass (two for
    "nystrom") sums what the graph of all rows is at the landmarks, one writes
    the rows' embedding to disk, and k-means clusters that.

    Parameters
    ----------
    n_clusters
        Number of clusters, at least 1.
    method
        "landmarks" ties every row to its nearest landmarks; "nystrom" to all of
        them, in O(n_samples * n_landmarks^2) time.
    n_landmarks
        Points that stand for the data, placed by k-means on the stored sample.
        More follow finer shapes, fewer are less misled by noise between clusters.
    n_neighbors
        Nearest landmarks that a row is tied to, and the ones that the default
        bandwidth looks at.
    bandwidth
        Standard deviation of the Gaussian kernel, in units of the scaled data;
        None for the mean distance of the sample's rows to their nearest landmarks.
    n_init
        Restarts of k-means on the embedding. They share its passes.
    random_state
        Seed of all randomness; by default a fresh one, kept as `seed_`.
    embedding
        Where to keep the embedding, float32, shape (n_samples, n_components): a
        name that ends in .zarr or .npy, which workers on other machines must
        see; by default it lies in `run_dir`, else in the folder for temporary
        files, and is removed. Not part of a run: `resume` keeps none.
    scale
        "standard", "minmax", a number that values are divided by, or "none", as for
        `KMeans`.
    normalize
        "l2" scales rows to unit length, as for `KMeans`.
    columns
        Features to use, such as [0, 3, 7] or "0:3,7"; None for all.
    executor, memory_limit
        As for `KMeans`.
    run_dir
        Folder for a checkpoint after every stage and every pass of k-means. A
        fit with the same data and parameters goes on from it, with the same
        bits, under any executor.
    checkpoint_every_s
        As for `KMeans`, in passes over the rows.

    Attributes
    ----------
    cluster_centers_
        Centers in the embedding, shape (n_clusters, n_components), float64.
    landmarks_
        Shape (n_landmarks, n_features), float64: scaled, of `columns` alone.
    bandwidth_
        Of the kernel, in units of the scaled data.
    projection_
        What each landmark adds to an embedded row, shape (n_landmarks,
        n_components), with n_clusters components where the graph has as many.
    inertia_
        Weighted sum of squared distances to the nearest centers, in the
        embedding, where rows have unit length.
    n_iter_
        Iterations of the best restart of k-means.
    labels_, cluster_sizes_, history_, seed_, n_features_in_
        As for `KMeans`.

    Notes
    -----
    O(n_samples * n_landmarks * n_features) time a pass over the rows. A row is
    embedded as the first n_clusters eigenvectors at it, scaled to unit length;
    the first is kept, since where clusters are not connected it is any vector
    of the leading eigenspace. `predict` labels new rows through the same map.
    The same bits everywhere, as for KMeans.

    References
    ----------
    Chen & Cai, "Large scale spectral clustering with landmark-based
    representation", AAAI 2011. Fowlkes, Belongie, Chung & Malik, "Spectral
    grouping using the Nyström method", IEEE TPAMI 26(2), 2004. Rows of unit
    length: Ng, Jordan & Weiss, "On spectral clustering", NIPS 2001, step 4.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm import SpectralClustering
    >>> turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    >>> ring = np.column_stack([np.cos(turn), np.sin(turn)])
    >>> model = SpectralClustering(2, n_landmarks=50, random_state=0)
    >>> labels = model.fit_predict(np.concatenate([ring, 3 * ring]))
    >>> len(set(labels[:200])), len(set(labels[200:])), int(labels[0] != labels[200])
    (1, 1, 1)
    """

    algorithm_name = "spectral"
    embeds = True
    stored = ("landmarks", "bandwidth", "projection")
    landmarks_: F64
    bandwidth_: float
    projection_: F64

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        method: Literal["landmarks", "nystrom"] = "landmarks",
        n_landmarks: int = 500,
        n_neighbors: int = 5,
        bandwidth: float | None = None,
        n_init: int = 10,
        random_state: Any = None,
        embedding: str | Path | None = None,
        scale: Scale = "none",
        normalize: Normalize = None,
        columns: Columns = None,
        executor: str | Executor | None = None,
        memory_limit: int | str | None = None,
        run_dir: str | Path | None = None,
        checkpoint_every_s: float = 300.0,
    ) -> None:
        self.n_clusters = n_clusters
        self.method = method
        self.n_landmarks = n_landmarks
        self.n_neighbors = n_neighbors
        self.bandwidth = bandwidth
        self.n_init = n_init
        self.random_state = random_state
        self.embedding = embedding
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
        check_whole(self, "n_clusters", "n_landmarks", "n_neighbors", "n_init")
        check_choice(self, "method", METHODS)
        check_number(self, "bandwidth", optional=True, is_positive=True)
        if self.embedding is not None and Path(self.embedding).suffix not in embedded.ENDINGS:
            raise refusal(self, "embedding", f"a name that ends in {' or '.join(embedded.ENDINGS)}")

    def look(self, passes: Passes) -> None:
        """Learn the moments and a sample that holds landmarks enough."""
        passes.look(max(2 * self.n_clusters, self.n_landmarks))

    @property
    def inertia_of(self) -> str | None:
        """The embedding."""
        return "the embedding"

    def model_values(self, rows: RowSource) -> int:
        """Return the numbers in the products of all landmarks, and in the landmarks."""
        return self.n_landmarks * (self.n_landmarks + rows.shape[1])

    def held_bytes(self, rows: RowSource) -> int:
        """Return what products that wait take."""
        return held_beside(rows, self.n_landmarks**2)

    def start(self, passes: Passes, seed: int) -> tuple[FitState, ...]:
        """Return a state that holds the map to the embedding, and no centers yet."""
        embedded.refuse_taken(self.embedding)
        placed = place_landmarks(passes, self.n_landmarks, self.n_neighbors, self.bandwidth, seed)
        made = METHODS[self.method](passes, placed, self.n_clusters)
        values = (placed.points, np.array(placed.bandwidth), made.projection)
        extra = dict(zip(self.stored, values, strict=True))
        no_centers = np.empty((0, made.projection.shape[1]))
        return (FitState(no_centers, np.empty(0, np.int64), extra=extra),)

    def iterate(
        self, passes: Passes, states: tuple[FitState, ...], seed: int
    ) -> Iterator[tuple[FitState, ...]]:
        """Yield the states after the embedding, and after every pass of k-means over it."""
        extra = dict(states[0].extra)
        with embedded.place_for(self.embedding, self.run_dir) as path:
            if CLOSED in extra:
                return
            if DIGEST not in extra or not path.exists():
                embedded.refuse_taken(self.embedding)
                made = self._embedding(extra, passes.data.frame)
                embedded.write_embedding(passes, made, path, self.memory_limit)
            if DIGEST not in extra:
                extra = {**extra, DIGEST: embedded.digest_of(path)}
                states = _with_extra(states, extra)
                yield states
            inner = KMeans(self.n_clusters, n_init=self.n_init)
            is_resumed = len(states[0].centers) > 0
            over = embedded.passes_over(
                path, extra[DIGEST], passes, inner, self.memory_limit, is_resumed
            )
            if not is_resumed:
                states = inner.start(over, seed)
                yield _with_extra(states, extra)
            for after in inner.iterate(over, states, seed):
                states = after
                yield _with_extra(states, extra)
            best = inner.finish(over, states)
            extra = {**extra, CLOSED: np.array(True)}
            yield (replace(best.state, inertia=best.inertia, counts=best.counts, extra=extra),)

    def _embedding(self, values: Any, frame: Frame) -> Embedding:
        points, bandwidth, projection = (values[name] for name in self.stored)
        most = len(points)
        n_neighbors = most if self.method == "nystrom" else min(self.n_neighbors, most)
        return Embedding(Landmarks(points, frame, float(bandwidth), n_neighbors), projection)

    def finish(self, passes: Passes, states: tuple[FitState, ...]) -> Closed:
        """Return what the last pass over the embedding found."""
        (state,) = states
        return Closed(state, state.inertia, state.counts)

    @property
    def labeler_(self) -> Labeler:
        """The model as the workers see it."""
        values = {name: getattr(self, f"{name}_") for name in self.stored}
        return EmbeddedNearest(self._embedding(values, self.frame_), self.cluster_centers_)


def _with_extra(states: tuple[FitState, ...], extra: dict[str, Any]) -> tuple[FitState, ...]:
    """Put what the checkpoint must hold besides into the first state; once is enough."""
    return (replace(states[0], extra=extra), *states[1:])
