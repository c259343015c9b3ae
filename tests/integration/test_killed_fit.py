"""A fit killed at random moments and resumed ends with the bits of one that was not."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster

import streamkm
from streamkm import KMeans
from streamkm.runtime.dask_cluster import DistributedExecutor
from tests.helpers import heavy_tailed

KILLS = 5
SETTINGS = {
    "n_clusters": 8,
    "n_init": 4,
    "random_state": 5,
    "tol": 0,
    "max_iter": 60,
}

SCRIPT = f"""
import sys
import streamkm
from streamkm.runtime import make_executor

executor = make_executor("threads", 2)
executor.listener = lambda event: print(type(event).__name__, flush=True)
streamkm.KMeans(**{SETTINGS!r}, init=sys.argv[1], executor=executor, run_dir="run").fit("x.zarr")
"""


@pytest.mark.parametrize(
    ("kind", "init", "n_seeding"), [("uint8", "k-means||", 6), ("lognormal float32", "random", 0)]
)
@pytest.mark.filterwarnings(
    "default::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_killed_five_times_and_resumed_elsewhere(kind, init, n_seeding, tmp_path, rng):
    rows = heavy_tailed(120_000, 16)
    if kind == "uint8":
        rows = rng.integers(0, 256, rows.shape, np.uint8)
    streamkm.convert(rows, "x.zarr", chunk_rows=5000)
    whole = KMeans(**SETTINGS, init=init, executor="serial").fit("x.zarr")
    moments = random.Random(7)
    killed = 0
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, init], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            n_passes = moments.randint(1, 3) + (n_seeding if not killed else 0)
            for _ in range(n_passes):  # a few further, then at any moment
                while process.stdout.readline() not in ("PassDone\n", ""):
                    pass
            try:
                process.wait(moments.uniform(0.0, 0.03))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += 1
    assert killed == KILLS
    assert len(list(Path("run").glob("checkpoint*.npz"))) > 0
    with LocalCluster(
        n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0"
    ) as cluster:
        with Client(cluster) as client:
            model = streamkm.resume("run", executor=DistributedExecutor(client=client))
    assert model.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
    assert model.cluster_sizes_.tolist() == whole.cluster_sizes_.tolist()
    assert (model.inertia_, model.n_iter_) == (whole.inertia_, whole.n_iter_)
    assert [r["pass"] for r in model.history_] == [r["pass"] for r in whole.history_]
