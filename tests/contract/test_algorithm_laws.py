"""Every row of ALGORITHMS: one result from every executor, and after a SIGKILL."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm.cluster import ALGORITHMS
from streamkm.runtime import make_executor
from streamkm.runtime.dask_cluster import DistributedExecutor
from tests.helpers import heavy_tailed

ROWS = {row.name: row for row in ALGORITHMS}
WANTED = {"n_clusters": 6, "n_init": 2, "random_state": 4, "tol": 0.0, "max_iter": 8}
MORE = {
    "minibatch": {"batch_size": 500, "shuffle_buffer": 2000, "max_no_improvement": None},
    "streamkm": {"coreset_size": 300, "refine_passes": 2},
    "spectral": {"n_landmarks": 40},
}


def settings(name):
    known = ROWS[name].load()().get_params()
    wanted = WANTED | MORE.get(name, {})
    return {key: value for key, value in wanted.items() if key in known}


def bits(model, store):
    model.predict(store, out="labels.npy", overwrite=True)
    return (
        model.cluster_centers_.tobytes(),
        model.cluster_sizes_.tobytes(),
        np.load("labels.npy").tobytes(),
        model.inertia_,
        model.n_iter_,
    )


@pytest.fixture(params=ROWS)
def name(request):
    return request.param


@pytest.mark.filterwarnings(
    "default::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:a step of batch_size",
    "ignore:Sending large graph",
)
def test_one_result_from_every_executor_chunking_and_limit(name, client, tmp_path):
    X = heavy_tailed(8000, 6)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    found = {}
    for label, executor, chunk_rows, limit in (
        ("serial", "serial", 8000, None),
        ("threads", make_executor("threads", 3), 611, "1GiB"),
        ("processes", "processes", 1000, None),
        ("cluster", DistributedExecutor(client=client), 2000, None),
    ):
        store = str(tmp_path / f"{chunk_rows}.zarr")
        streamkm.convert(X, store, chunk_rows=chunk_rows)
        model = ROWS[name].load()(**settings(name), executor=executor, memory_limit=limit)
        found[label] = bits(model.fit(store, sample_weight=weights), store)
    assert len(set(found.values())) == 1, {label: value[3:] for label, value in found.items()}


SCRIPT = """
import sys
from streamkm.cluster import find_algorithm
from streamkm.runtime import make_executor

executor = make_executor("threads", 2)
executor.listener = lambda event: print(type(event).__name__, flush=True)
cls = find_algorithm(sys.argv[1]).load()
cls(**eval(sys.argv[2]), executor=executor, run_dir="run").fit("x.zarr")
"""


def test_killed_and_resumed_elsewhere_it_ends_with_the_same_bits(name, tmp_path):
    streamkm.convert(heavy_tailed(60_000, 12), "x.zarr", chunk_rows=3000)
    made = ROWS[name].load()(**settings(name), executor="serial")
    whole = bits(made.fit("x.zarr"), "x.zarr")
    n_started = len(made.history_)
    for n_passes in (1, max(n_started // 2, 2)):
        command = [sys.executable, "-c", SCRIPT, name, repr(settings(name))]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            seen = 0
            while seen < n_passes:
                line = process.stdout.readline()
                assert line, "it ended before it was killed"
                seen += line == "PassStarted\n"
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    assert Path("run/run.json").exists()
    assert bits(streamkm.resume("run", executor="processes"), "x.zarr") == whole
