"""Workers and schedulers are killed in the middle of passes: the same bits, or one clear line."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster

import streamkm
from streamkm import KMeans
from streamkm.cluster.model import load_model
from streamkm.errors import ClusterError
from streamkm.runtime.dask_cluster import DistributedExecutor
from streamkm.runtime.events import PassStarted
from streamkm.typing import SourceInfo

SETTINGS = {"n_clusters": 64, "n_init": 2, "random_state": 5, "tol": 0, "max_iter": 14,
            "init": "random"}  # fmt: skip
FIT = ["fit", "kmeans", "x.zarr", "model.zarr", "-k", "32", "--n-init", "2", "--random-state", "5",
       "--tol", "0", "--max-iter", "200", "--init", "random"]  # fmt: skip
N_KILLS = 10
PATIENCE_S = 30
WAIT_S = 0.08  # a pass takes longer

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings(
        "default::ResourceWarning",
        "ignore::pytest.PytestUnraisableExceptionWarning",
        "ignore::pytest.PytestUnhandledThreadExceptionWarning",
    ),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "x.zarr"
    rows = np.random.default_rng(0).normal(size=(400_000, 16)).astype("f4")
    streamkm.convert(rows, path, chunk_rows=5000)
    return str(path)


@pytest.fixture(params=[(2, 1)])
def cluster(request):
    n_workers, n_threads = request.param
    quiet = logging.getLogger("distributed")
    before = quiet.level
    quiet.setLevel(logging.CRITICAL)
    with LocalCluster(
        n_workers=n_workers, threads_per_worker=n_threads, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster
    quiet.setLevel(before)


class Killer:
    """Kills workers soon after a pass has begun: in which passes, and how many at once."""

    def __init__(self, cluster, passes, n_at_once):
        self.cluster, self.passes, self.n_at_once = cluster, set(passes), n_at_once
        self.moments = random.Random(3)
        self.n_started, self.n_killed = 0, 0
        self.timers = []

    def __call__(self, event):
        if not isinstance(event, PassStarted):
            return
        self.n_started += 1
        if self.n_started in self.passes:
            pids = self.pids_when_all_are_back()
            self.moments.shuffle(pids)
            wait_s = self.moments.uniform(0.0, WAIT_S)
            self.timers.append(threading.Timer(wait_s, self.kill, [pids[: self.n_at_once]]))
            self.timers[-1].start()

    def pids_when_all_are_back(self):
        """Return the workers' processes, two at least.

        A nanny may give up on its worker: the cluster then gets another, as it
        would from whoever runs it.
        """
        begin, n_more = time.monotonic(), 0
        while time.monotonic() < begin + 240:
            known = self.cluster.scheduler_info["workers"]
            nannies = [n for n in self.cluster.workers.values() if n.worker_address in known]
            pids = [n.pid for n in nannies if n.pid is not None and psutil.pid_exists(n.pid)]
            if len(pids) >= 2:
                return pids
            if time.monotonic() > begin + PATIENCE_S * (n_more + 1):
                n_more += 1
                self.cluster.scale(len(self.cluster.workers) + 1)
            time.sleep(0.05)
        raise TimeoutError

    def kill(self, pids):
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            self.n_killed += 1


def same(model, whole):
    assert model.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
    assert model.cluster_sizes_.tobytes() == whole.cluster_sizes_.tobytes()
    assert (model.inertia_, model.n_iter_) == (whole.inertia_, whole.n_iter_)


@pytest.mark.parametrize(
    ("passes", "n_at_once"),
    [(range(3, 3 + N_KILLS), 1), ([4], 2)],
    ids=["one worker in each of ten passes", "all workers at once"],
)
def test_lost_workers_cost_time_and_no_bits(passes, n_at_once, store, cluster):
    whole = KMeans(**SETTINGS, executor="serial").fit(store)
    with Client(cluster) as client:
        executor = DistributedExecutor(client=client)
        killer = executor.listener = Killer(cluster, passes, n_at_once)
        model = KMeans(**SETTINGS, executor=executor).fit(store)
        for timer in killer.timers:
            timer.join()
    assert killer.n_killed == len(passes) * n_at_once
    same(model, whole)


def test_workers_may_come_and_go(store, cluster):
    whole = KMeans(**SETTINGS, executor="serial").fit(store)
    sizes = iter([2, 3, 1, 2, 3, 3, 1, 1, 2])
    with Client(cluster) as client:
        executor = DistributedExecutor(client=client)

        def listen(event):
            if isinstance(event, PassStarted):
                cluster.scale(next(sizes, 2))

        executor.listener = listen
        model = KMeans(**SETTINGS, executor=executor).fit(store)
    assert next(sizes, None) is None
    same(model, whole)


def test_a_scheduler_that_is_gone_is_one_line_that_names_how_to_go_on(store, tmp_path, run):
    Path("x.zarr").symlink_to(store)
    with scheduler(tmp_path / "scheduler.json") as (address, process):
        command = [*FIT, "--run", "my run", "--scheduler", address]
        with subprocess.Popen(
            [sys.executable, "-m", "streamkm", *command], stderr=subprocess.PIPE, text=True
        ) as fit:
            wait_for(Path("my run/checkpoint-previous.npz"), fit)
            process.kill()
            _, err = fit.communicate(timeout=120)
    assert fit.returncode == 1
    *_, last = err.splitlines()
    assert last.startswith("streamkm: the cluster lost its workers or its scheduler"), err
    assert last.endswith("; go on from its last pass with: streamkm resume 'my run'")
    assert "Traceback" not in err
    assert run("resume", "my run", "--executor", "threads")[0] == 0
    assert run(*FIT[:3], "whole.zarr", *FIT[4:])[0] == 0
    same(load_model("model.zarr"), load_model("whole.zarr"))


def test_a_wait_that_was_given_up_is_not_told(run):
    """A client that closes itself once the scheduler is gone logs it, now and then."""
    run("info", "nothing.zarr")
    log, told = logging.getLogger("distributed.client"), []
    handler = logging.Handler()
    handler.emit = told.append
    log.addHandler(handler)
    for kind in (asyncio.CancelledError, OSError):
        try:
            raise kind
        except kind as error:
            log.exception(error)
    log.removeHandler(handler)
    assert [record.exc_info[0] for record in told] == [OSError]


@contextmanager
def scheduler(file):
    """A scheduler and one worker, processes of their own: the address, and the scheduler."""
    begin = [sys.executable, "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                [
                    *begin,
                    "distributed.cli.dask_scheduler",
                    "--host",
                    "127.0.0.1",
                    "--port",
                    "0",
                    "--dashboard-address",
                    "127.0.0.1:0",
                    "--scheduler-file",
                    str(file),
                ],
                **quiet,
            )
        )
        stack.callback(process.kill)
        wait_for(file, process)
        worker = stack.enter_context(
            subprocess.Popen(
                [
                    *begin,
                    "distributed.cli.dask_worker",
                    "--scheduler-file",
                    str(file),
                    "--nthreads",
                    "2",
                    "--no-nanny",
                    "--no-dashboard",
                ],
                **quiet,
            )
        )
        stack.callback(worker.kill)
        yield json.loads(file.read_text())["address"], process


def wait_for(file, process):
    end = time.monotonic() + 120
    while not file.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    assert file.exists()


class Deadly:
    """Rows that end the process that reads a certain one of them, and rows that take their time."""

    shape, dtype = (2000, 2), np.dtype(np.float64)
    info = SourceInfo(name="deadly", sample_shape=(), natural_rows=100)
    labels = None

    def __init__(self):
        self.home = os.getpid()

    def read(self, start, stop):
        if os.getpid() != self.home and stop - start > 1:  # a single row is read beforehand
            time.sleep(0.5 if start <= 1234 < stop else PATIENCE_S)
            os.kill(os.getpid(), signal.SIGKILL)
        return np.arange(2.0 * start, 2.0 * stop).reshape(-1, 2)


@pytest.mark.parametrize("cluster", [(1, 2)], indirect=True)
def test_rows_that_end_every_worker_are_named(cluster):
    with Client(cluster) as client:
        model = KMeans(2, random_state=0, executor=DistributedExecutor(client=client))
        with pytest.raises(ClusterError, match=r"^rows .*: 4 workers that had them") as caught:
            model.fit(Deadly())
    suspects = re.findall(r"(\d+) to (\d+)", str(caught.value))
    assert suspects == [("0", "1000"), ("1000", "2000")]  # both were on every worker that died
