"""Dask clusters: one started for a call, or one that is running already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dask
from distributed import Client, LocalCluster

from streamkm.errors import ClusterError
from streamkm.runtime.dask_cluster import CONNECT_S, DistributedExecutor

PROFILED: Final = "100ms"


@contextmanager
def local_cluster(
    n_workers: int, limit_bytes: int, threads_per_worker: int = 1
) -> Iterator[DistributedExecutor]:
    """Start a local cluster for one call; it ends with the block.

    Dask's profile of the workers is taken less often than by default: that costs
    a twentieth of a pass. Workers are not paused at 80 % of their memory, which
    helps where results pile up: ours are planned, and a worker that compiles
    kernels for the first time would wait for ever for memory that it cannot free.
    One that reaches 95 % is started anew, as by default.
    """
    settings = {
        "distributed.worker.profile.interval": PROFILED,
        "distributed.worker.memory.pause": False,
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=threads_per_worker,
            memory_limit=limit_bytes // n_workers,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield DistributedExecutor(client=client, n_processes=n_workers)


@contextmanager
def connected(
    address: str | None = None, scheduler_file: str | None = None
) -> Iterator[DistributedExecutor]:
    """Connect to a running scheduler by address or scheduler file.

    Raises
    ------
    ClusterError
        If nothing answers.
    """
    try:
        client = Client(address=address, scheduler_file=scheduler_file, timeout=CONNECT_S)
    except (OSError, ValueError, TimeoutError) as error:
        where = address or scheduler_file
        raise ClusterError(f"no Dask scheduler answers at {where}; is it running?") from error
    with client:
        yield DistributedExecutor(client=client)


def dashboard_of(executor: DistributedExecutor) -> str:
    """Return the address of the cluster's dashboard."""
    return str(executor.client.dashboard_link)
