"""A sample of the rows, and the centers, on the two principal axes of the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from streamkm.cluster.arguments import weights_of
from streamkm.cluster.base import Clusterer
from streamkm.cluster.fitdata import FitData
from streamkm.cluster.names import refuse_other_rows
from streamkm.cluster.passes import SUM_BYTES, Passes
from streamkm.cluster.rows import as_rows, shipped
from streamkm.errors import SourceError
from streamkm.kernels.covariance import ProductGrid
from streamkm.kernels.view import AS_THEY_ARE, View
from streamkm.metrics.reading import model_of
from streamkm.runtime import make_executor
from streamkm.runtime.base import Executor
from streamkm.tasks.covariance import CovarianceContext, covariance
from streamkm.typing import F64, I32, Rows

MAX_FEATURES: Final = 2048  # whose covariance is 64 MiB, and as much again while it is summed
MAX_SAMPLE_ROWS: Final = 2048  # whose products take its place above that


@dataclass(frozen=True, slots=True)
class Projection:
    """Rows and centers on the two principal axes.

    Parameters
    ----------
    points
        A sample of the rows, shape (n, 2).
    labels
        Their clusters, shape (n,).
    rows
        The same rows as they are in the data, shape (n, n_features).
    n_clusters
        Labels run from 0 to `n_clusters` - 1.
    centers
        Shape (n_clusters, 2); None where the centers are not in the space of
        the rows, as after spectral clustering.
    explained
        Share of the variance that each axis holds, shape (2,).
    axes
        Unit vectors, shape (2, n_features); the second is zero where there is
        one feature.
    mean, spread
        Mean of all rows, where both axes are zero, and their standard deviations,
        shape (n_features,).
    n_rows, n_used
        Rows of the data, and those that the axes were computed from.
    """

    points: F64
    labels: I32
    rows: Rows
    n_clusters: int
    centers: F64 | None
    explained: F64
    axes: F64
    mean: F64
    spread: F64
    n_rows: int
    n_used: int

    @property
    def is_exact(self) -> bool:
        """Whether the axes are those of all rows."""
        return self.n_used == self.n_rows


def project(
    model: Clusterer | str | Path,
    X: Any,
    n_rows: int = 2000,
    *,
    executor: str | Executor | None = None,
    memory_limit: int | str | None = None,
) -> Projection:
    """Project a sample of the rows, and the centers, on the data's two principal axes.

    Parameters
    ----------
    model
        Fitted, or the path of a saved one.
    X
        Rows, as for `KMeans.fit`.
    n_rows
        Rows of the sample; fewer where the data's own sample holds fewer.
    executor, memory_limit
        As for `KMeans`; by default those of the model.

    Returns
    -------
    projection
        The axes are the first two eigenvectors of the covariance of all rows,
        taken in one pass, for up to 2048 features; above that, of the
        covariance of up to 2048 rows of the sample (`is_exact` says which).
        An axis points to where its largest entry is positive.

    Raises
    ------
    SourceError
        If the rows have another number of features than the model's.
    BadRowsError
        If rows hold NaN or infinity.

    Notes
    -----
    O(n_samples * n_features^2) time, O(n_features^2) memory a task. The sums
    are the same bits on every executor.

    References
    ----------
    Jolliffe & Cadima, "Principal component analysis: a review and recent
    developments", Phil. Trans. R. Soc. A 374, 2016, section 2.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> X = np.array([[0.0, 0.0, 1.0], [4.0, 0.0, 1.0], [0.0, 2.0, 1.0], [4.0, 2.0, 1.0]])
    >>> model = streamkm.KMeans(2, random_state=0).fit(X)
    >>> streamkm.project(model, X).explained.round(6).tolist()
    [0.8, 0.2]
    """
    if n_rows < 1:
        raise SourceError(f"n_rows must be at least 1, got {n_rows}")
    model, rows = model_of(model), as_rows(X)
    n_features = rows.shape[1]
    refuse_other_rows(model, rows)
    width = view_of(model).width(n_features)
    is_exact = width <= MAX_FEATURES
    values = width**2 * 32 // SUM_BYTES if is_exact else 0
    weights = weights_of(rows, None)
    runner = make_executor(model.executor if executor is None else executor)
    limit = model.memory_limit if memory_limit is None else memory_limit
    try:
        with shipped(rows, weights, runner) as (source, mass):
            passes = Passes(source, mass, runner, limit, values, view=view_of(model))
            data = passes.look(n_rows)
            matrix = _covariance(passes, data) if is_exact else None
    finally:
        if runner not in (executor, model.executor):
            runner.close()
    n_used = rows.shape[0]
    if matrix is None:
        axes, explained, n_used = _sample_axes(data)
    else:
        axes, explained = _axes(matrix)
    shown = np.unique(np.linspace(0, len(data.sample) - 1, n_rows).round().astype(int))
    sample, mean = data.sample[shown], data.summary.mean
    assert data.raw_sample is not None
    raw = np.ascontiguousarray(data.raw_sample[shown])
    centers = model.cluster_centers_
    return Projection(
        points=(sample - mean) @ axes.T,
        labels=model.labeler_.assign(raw)[0],
        rows=raw,
        n_clusters=model.labeler_.n_clusters,
        centers=(centers - mean) @ axes.T if not model.embeds else None,
        explained=explained,
        axes=axes,
        mean=mean,
        spread=np.sqrt(data.summary.m2 / data.summary.weight),
        n_rows=rows.shape[0],
        n_used=n_used,
    )


def view_of(model: Clusterer) -> View:
    """Return how the model sees rows; one that embeds them, as they are."""
    return AS_THEY_ARE if model.embeds else model.frame_.view


def _covariance(passes: Passes, data: FitData) -> F64:
    """Return the covariance of all rows, in one pass."""
    summary = data.summary
    reach = np.maximum(summary.maximum - summary.mean, summary.mean - summary.minimum)
    reach *= np.sqrt(summary.max_weight)
    grid = ProductGrid.of(summary.mean, reach, summary.count, data.view)
    context = CovarianceContext(passes.source, passes.weights, grid)
    with threadpool_limits(1, user_api="blas"):  # the tasks share out the cores
        (sums,) = passes.run(covariance, context, stage="covariance", title="principal axes")
    passes.note()
    return grid.covariance(sums, summary.weight)


def _axes(matrix: F64) -> tuple[F64, F64]:
    """Return the first two eigenvectors as rows, and the shares of the variance."""
    from scipy.linalg import eigh

    n = len(matrix)
    values, vectors = eigh(matrix, subset_by_index=[max(n - 2, 0), n - 1])
    axes, found = np.zeros((2, n)), np.zeros(2)
    axes[: len(values)] = vectors.T[::-1]
    found[: len(values)] = values[::-1]
    total = float(np.trace(matrix))
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    axes *= np.where(largest < 0.0, -1.0, 1.0)
    return axes, np.maximum(found, 0.0) / total if total > 0.0 else found


def _sample_axes(data: FitData) -> tuple[F64, F64, int]:
    """Return the axes of a sample of wide rows, by the products of its rows."""
    shown = np.linspace(0, len(data.sample) - 1, min(MAX_SAMPLE_ROWS, len(data.sample)))
    picked = shown.round().astype(int)
    rows = data.sample[picked] - data.summary.mean
    if data.sample_weight is not None:
        rows *= np.sqrt(data.sample_weight[picked])[:, None]
    across, explained = _axes(rows @ rows.T)
    axes = across @ rows
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    axes = np.divide(axes, lengths, out=np.zeros_like(axes), where=lengths > 0.0)
    return axes, explained, len(rows)
