"""Killed at twenty random moments and gone on with elsewhere: the bits of one that was not."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm import KMeans
from streamkm.cluster.model import load_model
from tests.helpers import heavy_tailed, tree

KILLS = 20
SETTINGS = {"n_clusters": 8, "n_init": 4, "random_state": 5, "tol": 0, "max_iter": 60}

# A process that says when it begins, on threads or on a cluster that outlives it.
SCRIPT = """
import sys
import streamkm
from distributed import Client
from streamkm.runtime import make_executor
from streamkm.runtime.dask_cluster import DistributedExecutor

def main(executor):
    print("begin", flush=True)
    {work}

if sys.argv[1] == "threads":
    main(make_executor("threads", 2))
else:
    with Client(sys.argv[1]) as client:
        main(DistributedExecutor(client=client))
"""
FIT = f"""streamkm.KMeans(**{SETTINGS!r}, init=sys.argv[2], executor=executor,
                    run_dir="run", checkpoint_every_s=0.01
                   ).fit("x.zarr").save("m.zarr", overwrite=True)"""
PREDICT = """model = streamkm.load_model("model.zarr").set_params(executor=executor)
    getattr(model, sys.argv[2])("x.zarr", out="out.zarr", overwrite=True)"""


def kill_at_random_moments(work, argument, final, seconds, cluster):
    """Start a process again and again and kill it, each time somewhere in its first `seconds`.

    One that ends before it is killed begins anew. Returns after the last kill. The cluster's
    workers go on with what they were at when their client was killed.
    """
    moments = random.Random(7)
    n_killed = n_ended = 0
    while n_killed < KILLS:
        assert n_ended < 3 * KILLS
        crew = moments.choice(["threads", "threads", cluster])
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(work=work), crew, argument],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begin\n"
            try:
                process.wait(moments.uniform(0.0, seconds))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                n_killed += 1
                continue
        assert process.returncode == 0
        n_ended += 1
        yield
        for path in ("run", final):
            shutil.rmtree(path, ignore_errors=True)


def timed(work, argument, final):
    """How long one takes that is not killed, from where it says that it begins."""
    command = [sys.executable, "-c", SCRIPT.format(work=work), "threads", argument]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        begin = time.perf_counter()
    assert process.returncode == 0
    for path in ("run", final):
        shutil.rmtree(path, ignore_errors=True)
    return time.perf_counter() - begin


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "init", "share"),
    [("lognormal float32", "random", 1.0), ("uint8", "k-means||", 0.7)],
    ids=["Lloyd with four restarts", "seeding by k-means||"],
)
def test_a_fit_goes_on_to_the_same_bits(kind, init, share, rng, client):
    rows = heavy_tailed(200_000, 16)
    if kind == "uint8":
        rows = rng.integers(0, 256, rows.shape, np.uint8)
    streamkm.convert(rows, "x.zarr", chunk_rows=5000)
    whole = KMeans(**SETTINGS, init=init, executor="serial").fit("x.zarr")
    seconds = min(timed(FIT, init, "m.zarr") for _ in range(2)) * share

    def same(model):
        assert model.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
        assert model.cluster_sizes_.tolist() == whole.cluster_sizes_.tolist()
        assert (model.inertia_, model.n_iter_) == (whole.inertia_, whole.n_iter_)
        assert [r["pass"] for r in model.history_] == [r["pass"] for r in whole.history_]

    cluster = client.scheduler.address
    for _ in kill_at_random_moments(FIT, init, "m.zarr", seconds, cluster):
        same(load_model("m.zarr"))
    same(KMeans(**SETTINGS, init=init, executor="processes", run_dir="run").fit("x.zarr"))


def same_files(a, b):
    """Compare two folders; say which files differ, not how."""
    ours, theirs = tree(Path(a)), tree(Path(b))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


@pytest.mark.timeout(600)
def test_distances_that_are_written_to_a_store_are_gone_on_with(client):
    rows = heavy_tailed(400_000, 8)
    store = streamkm.convert(rows, "x.zarr", chunk_rows=5000)
    model = KMeans(16, n_init=1, random_state=0, max_iter=2, init="random").fit(store)
    model.save("model.zarr")
    model.transform(store, out="whole.zarr")
    seconds = timed(PREDICT, "transform", "out.zarr")
    cluster = client.scheduler.address
    for _ in kill_at_random_moments(PREDICT, "transform", "out.zarr", seconds, cluster):
        same_files("out.zarr", "whole.zarr")
    left = bytes(80)
    if Path("out.zarr.partial.done").exists():
        left = Path("out.zarr.partial.done").read_bytes()
    chunks = Path("out.zarr.partial/values/c").glob("*/0")
    before = {file.parent.name: file.stat().st_mtime_ns for file in chunks}
    load_model("model.zarr").transform(store, out="out.zarr", overwrite=True)
    same_files("out.zarr", "whole.zarr")
    assert not list(Path().glob("out.zarr.*"))
    done = [str(index) for index in np.flatnonzero(np.frombuffer(left, np.uint8))]
    kept = [i for i in done if Path("out.zarr/c", i, "0").stat().st_mtime_ns == before[i]]
    assert len(kept) >= len(done) // 2  # a block of several chunks is written again whole
