"""dask-ml's fits; the one place outside `runtime` that needs Dask, as it takes its arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from streamkm.bench.ours import executor_of
from streamkm.bench.task import Fit, Fitted, Task


@contextmanager
def dask_ml(task: Task) -> Iterator[Fit]:
    """dask-ml's KMeans, on the cluster that streamkm runs on or on Dask's threads."""
    from dask_ml.cluster import KMeans

    start = task.centers()
    with ExitStack() as stack:
        if task.crew.is_cluster:
            stack.enter_context(executor_of(task.crew))
        rows = _array(task)

        def fit(max_iter: int) -> Fitted:
            model = KMeans(len(start), init=start, tol=0, max_iter=max_iter).fit(rows)
            return Fitted(model.n_iter_, model.cluster_centers_)

        yield fit


def _array(task: Task) -> Any:
    """Return a store's rows as a lazy dask array, and any others from memory."""
    import dask.array as da

    from streamkm.data.dataset import kind_of

    if task.array is None and task.source is not None and kind_of(task.source) == "dataset":
        return da.from_zarr(task.source, component="X").astype("float32")
    rows = task.float32_rows()
    n_chunks = 2 * (os.cpu_count() or 1)
    return da.from_array(rows, chunks=(-(-len(rows) // n_chunks), rows.shape[1]))
