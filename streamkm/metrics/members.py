"""Single members of clusters, to be looked at: the nearest, the farthest, or typical ones."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from streamkm.cluster.base import Clusterer
from streamkm.errors import SourceError
from streamkm.kernels.cluster_rows import ClusterRows
from streamkm.keyed import MEMBERS, row_key
from streamkm.metrics.reading import Running, reading
from streamkm.runtime.base import Executor
from streamkm.tasks import members as tasks
from streamkm.typing import F64, I32, I64, Json, Rows

KINDS: Final = ("nearest", "farthest", "typical")


@dataclass(frozen=True, slots=True, eq=False)
class FoundRows:
    """A few rows of every cluster, cluster by cluster, the first chosen first.

    Parameters
    ----------
    clusters
        Their clusters, ascending, shape (n_found,).
    numbers
        Their row numbers in the data, shape (n_found,).
    distances
        Their distances to their clusters' centers, as `transform` gives them:
        Euclidean, or 1 - cosine; shape (n_found,).
    rows
        The rows themselves, shape (n_found, n_features), in the data's own
        dtype; None where they were not asked for.
    """

    clusters: I32
    numbers: I64
    distances: F64
    rows: Rows | None

    def of(self, cluster: int) -> FoundRows:
        """Return those of one cluster."""
        first, last = np.searchsorted(self.clusters, [cluster, cluster + 1])
        part = slice(int(first), int(last))
        rows = None if self.rows is None else self.rows[part]
        return FoundRows(self.clusters[part], self.numbers[part], self.distances[part], rows)

    def to_json(self) -> list[Json]:
        """Return one object a row: cluster, rank (from 0), row, distance."""
        begins = np.searchsorted(self.clusters, self.clusters)
        ranks = (np.arange(len(self.clusters)) - begins).tolist()
        columns = (self.clusters.tolist(), ranks, self.numbers.tolist(), self.distances.tolist())
        names = ("cluster", "rank", "row", "distance")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def nearest_rows(
    model: Clusterer | str | Path,
    X: Any,
    m: int = 5,
    *,
    kind: Literal["nearest", "farthest", "typical"] = "nearest",
    with_rows: bool = False,
    random_state: int = 0,
    executor: str | Executor | None = None,
    memory_limit: int | str | None = None,
) -> FoundRows:
    """Find a few members of every cluster, in one pass.

    Parameters
    ----------
    model
        Fitted, or the path of a saved one.
    X
        Rows, as for `KMeans.fit`.
    m
        Rows of each cluster; fewer where it has fewer.
    kind
        "nearest" or "farthest": by their distance to their own cluster's center, ties to
        the lowest row number. "typical": a uniform draw of the cluster's
        members, by a hash of their row numbers; what a random look at it shows.
    with_rows
        Keep the rows themselves too: m * n_clusters of them, for pictures.
    random_state
        Seed of the draw.
    executor, memory_limit
        As for `KMeans`; by default those of the model.

    Returns
    -------
    found
        The first j of each cluster are those that m = j finds. The same on
        every executor, and for any chunks.

    Raises
    ------
    SourceError
        If `m` or `kind` is out of range, or the rows do not fit the model.
    MemoryLimitError
        If m * n_clusters rows do not fit.

    Notes
    -----
    O(n_samples * n_features * n_clusters) time; memory for a few times
    m * n_clusters rows a task.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm import KMeans, nearest_rows
    >>> X = np.array([[0.0], [1.0], [5.0], [100.0], [103.0]])
    >>> model = KMeans.from_centers([[1.0], [100.0]])
    >>> found = nearest_rows(model, X, 2)
    >>> found.numbers.tolist(), found.distances.tolist()
    ([1, 0, 3, 4], [0.0, 1.0, 0.0, 3.0])
    >>> nearest_rows(model, X, 1, kind="farthest", with_rows=True).rows.tolist()
    [[5.0], [103.0]]
    """
    _check_whole("m", m, 1)
    _check_whole("random_state", random_state, 0)
    if kind not in KINDS:
        raise SourceError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    running = Running(executor, memory_limit)
    with reading([model], X, (None, None), running, rows_kept=(int(m), with_rows)) as current:
        passes, labeler = current.passes, current.models[0].labeler_
        context = tasks.MembersContext(
            source=passes.source,
            model=labeler,
            capacity=min(int(m), passes.source.shape[0]),
            sign=-1.0 if kind == "farthest" else 1.0,
            key=row_key(int(random_state), MEMBERS) if kind == "typical" else None,
            with_rows=with_rows,
        )
        part: ClusterRows
        (part,) = passes.run(tasks.pick, context, stage="members", title=f"looking for {kind} rows")
        passes.note()
    is_cosine = labeler.at_points.frame.is_cosine
    distances = part.distances / 2.0 if is_cosine else np.sqrt(part.distances)
    return FoundRows(part.labels, part.indices, distances, part.rows if with_rows else None)


def _check_whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise SourceError(f"{name} must be an int in the range [{least}, inf), got {value!r}")
