"""The peers' fits: on float32 rows in memory, from the same start, on all cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from streamkm.bench.task import Fit, Fitted, Task


@contextmanager
def scikit_learn(task: Task) -> Iterator[Fit]:
    """scikit-learn's KMeans, by the algorithm that the task names."""
    from sklearn.cluster import KMeans

    rows, start = task.float32_rows(), task.centers()

    def fit(max_iter: int) -> Fitted:
        model = KMeans(
            len(start), init=start, n_init=1, tol=0, max_iter=max_iter, algorithm=task.way
        ).fit(rows)
        return Fitted(model.n_iter_, model.cluster_centers_)

    yield fit


@contextmanager
def faiss(task: Task) -> Iterator[Fit]:
    """Faiss's Kmeans. It never stops before the iterations that it is given."""
    from faiss import Kmeans

    rows = task.float32_rows()
    start = np.ascontiguousarray(task.centers(), np.float32)

    def fit(max_iter: int) -> Fitted:
        model = Kmeans(
            rows.shape[1], len(start), niter=max_iter, min_points_per_centroid=1,
            max_points_per_centroid=len(rows),
        )  # fmt: skip
        model.train(rows, init_centroids=start)
        return Fitted(max_iter, model.centroids)

    yield fit


@contextmanager
def superkmeans(task: Task) -> Iterator[Fit]:
    """SuperKMeans over all rows, flat; it takes no start."""
    from superkmeans import SuperKMeans

    rows, n_clusters = task.float32_rows(), len(task.centers())

    def fit(max_iter: int) -> Fitted:
        model = SuperKMeans(
            n_clusters, rows.shape[1], hierarchical=False, iters=max_iter, tol=0.0,
            sampling_fraction=1.0, max_points_per_cluster=len(rows), early_termination=False,
        )  # fmt: skip
        centers = model.train(rows)
        return Fitted(len(model.iteration_stats), centers)

    yield fit
