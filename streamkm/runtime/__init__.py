"""Where and in what order tasks run. `EXECUTORS` is the complete list.

Only the `dask_*` modules here import dask or distributed.
"""

from __future__ import annotations

import importlib
from typing import Final

from streamkm.errors import ClusterError
from streamkm.runtime.base import Executor

EXECUTORS: Final = {
    "serial": "streamkm.runtime.serial:SerialExecutor",
    "threads": "streamkm.runtime.dask_executor:ThreadsExecutor",
    "processes": "streamkm.runtime.dask_executor:ProcessesExecutor",
    "distributed": "streamkm.runtime.dask_cluster:DistributedExecutor",
}


def make_executor(executor: str | Executor | None = None, n_workers: int | None = None) -> Executor:
    """Return an executor by name.

    Parameters
    ----------
    executor
        A name of `EXECUTORS`, an executor (returned as it is), or None for
        what Dask would use here: the active Client, else what its
        configuration says, else threads. Never starts a cluster.
    n_workers
        Tasks at once; None for one a core. Has no meaning for `distributed`.

    Raises
    ------
    ClusterError
        If the name is unknown.
    """
    if executor is not None and not isinstance(executor, str):
        return executor
    if executor is None:
        from streamkm.runtime.dask_executor import active_scheduler

        executor = active_scheduler()
    if executor not in EXECUTORS:
        raise ClusterError(f"executor {executor!r} is unknown; known are {', '.join(EXECUTORS)}")
    module, _, name = EXECUTORS[executor].partition(":")
    made: Executor = getattr(importlib.import_module(module), name)(n_workers)
    return made
