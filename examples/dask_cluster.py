"""
On a Dask cluster: this machine, SLURM, Kubernetes
==================================================

With an active ``Client``, streamkm uses it. Nothing else changes from a laptop
to a cluster, and the result has the same bits; so in this script only the line
that makes the cluster differs::

    python examples/dask_cluster.py
    python examples/dask_cluster.py --cluster slurm --store /shared/x.zarr
    python examples/dask_cluster.py --cluster kubernetes --store s3://bucket/x.zarr

The workers must see the store and have streamkm installed (for Kubernetes: in
the image of the workers and of the scheduler).
"""

# %%
# The line that differs. ``dask-jobqueue`` and ``dask-kubernetes`` are installed
# where they are wanted; they know queues for PBS, LSF and others too.

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import _common
from dask.distributed import Client, LocalCluster
from matplotlib.figure import Figure

import streamkm


def make_cluster(kind: str) -> Any:
    """Return a cluster of workers that take a few blocks each."""
    if kind == "slurm":
        from dask_jobqueue import SLURMCluster

        cluster = SLURMCluster(cores=8, processes=8, memory="32 GiB", walltime="01:00:00")
        cluster.scale(jobs=4)
        return cluster
    if kind == "kubernetes":
        from dask_kubernetes.operator import KubeCluster

        return KubeCluster(name="streamkm", image="your-image-with-streamkm", n_workers=8)
    return LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit="2 GiB", dashboard_address=":0"
    )


# %%
# The job: fit, under the address of the dashboard, where each pass is a bar
# named ``streamkm-assign``. The ``if`` keeps the workers from running the script
# again when they import it.

if __name__ == "__main__":
    parser = _common.make_parser(__doc__)
    parser.add_argument("--cluster", choices=("local", "slurm", "kubernetes"), default="local")
    parser.add_argument("--store", help="a store that all workers see; by default a new one")
    parser.add_argument("--rows", type=int, default=500_000)
    arguments = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    store = arguments.store
    if store is None:
        store = str(Path(folder.name) / "digits.zarr")
        streamkm.convert(f"digits:{arguments.rows}?seed=0", store)
    parameters = {"n_clusters": 12, "n_init": 3, "max_iter": 20, "random_state": 0}

    with make_cluster(arguments.cluster) as cluster, Client(cluster) as client:
        print(f"{len(client.scheduler_info()['workers'])} workers")
        on_cluster = streamkm.KMeans(**parameters).fit(store)

    # Without a client the same call runs on this process's threads.
    here = streamkm.KMeans(**parameters).fit(store)
    assert on_cluster.cluster_centers_.tobytes() == here.cluster_centers_.tobytes()
    assert on_cluster.inertia_ == here.inertia_
    print(f"the same bits on the cluster and on threads: inertia {here.inertia_:.6f}")

    # What the passes cost, on either.
    figure = Figure(figsize=(8, 3), layout="constrained", dpi=100)
    axes = figure.subplots()
    for model, color, words in (
        (on_cluster, _common.ORANGE, arguments.cluster),
        (here, _common.BLUE, "threads"),
    ):
        seconds = [record["seconds"] for record in model.history_]
        axes.plot(range(1, len(seconds) + 1), seconds, "o-", color=color, markersize=4, label=words)
    axes.set_xlabel("pass")
    axes.set_ylabel("seconds")
    axes.set_ylim(0)
    axes.legend(frameon=False)
    _common.plain(axes)
    _common.save(figure, arguments.out, "dask-cluster.png")
    folder.cleanup()
