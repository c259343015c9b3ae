"""streamkm's own fits."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streamkm.bench.task import Crew, Fit, Fitted, Task
from streamkm.runtime.base import Executor


@contextmanager
def streamkm(task: Task) -> Iterator[Fit]:
    """KMeans on the rows as they are: the array that is given, or the source, streamed."""
    from streamkm.cluster.kmeans import KMeans

    rows: Any = task.source
    if task.array is not None:
        rows = task.float32_rows() if task.way == "float32" else task.rows()
    start = task.centers()
    # A pass is a pass over all rows; how many rows bounds save is seen to convergence.
    plain: dict[str, Any] = (
        {"algorithm": "lloyd"} if task.measure == "pass" and _can_choose(KMeans) else {}
    )
    with executor_of(task.crew) as executor:

        def fit(max_iter: int) -> Fitted:
            model = KMeans(
                len(start), init=start, tol=0, max_iter=max_iter, executor=executor,
                memory_limit=task.crew.memory_limit_bytes, **plain,
            ).fit(rows)  # fmt: skip
            read = sum(int(record["bytes_read"]) for record in model.history_)
            return Fitted(model.n_iter_, model.cluster_centers_, read)

        yield fit


def _can_choose(estimator: type) -> bool:
    return "algorithm" in inspect.signature(estimator).parameters


@contextmanager
def executor_of(crew: Crew) -> Iterator[Executor]:
    """Make the executor that was asked for; a cluster made here is the active Dask client too."""
    from streamkm.runtime import make_executor
    from streamkm.runtime.memory import GIB, available_bytes

    if crew.is_cluster:
        from streamkm.runtime import clusters

        if crew.workers is not None:
            share = crew.memory_limit_bytes or max(available_bytes() // 2, GIB)
            made = clusters.local_cluster(crew.workers, share)
        else:
            made = clusters.connected(crew.scheduler, crew.scheduler_file)
        with made as executor:
            yield executor
        return
    local = make_executor(crew.executor or "threads")
    try:
        yield local
    finally:
        local.close()
