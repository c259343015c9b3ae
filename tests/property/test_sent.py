"""What workers keep from pass to pass changes no bit, whatever of it is lost."""

from __future__ import annotations

import os
import pickle
import signal
import uuid
from types import SimpleNamespace

import numpy as np
import pytest
from distributed import Client, LocalCluster
from hypothesis import given
from hypothesis import strategies as st

import streamkm
from streamkm import KMeans, MiniBatchKMeans
from streamkm.data import here
from streamkm.data.cache import WorkersCache
from streamkm.data.here import forget_here
from streamkm.errors import ClusterError
from streamkm.kernels.accumulate import LloydAccumulator
from streamkm.kernels.centers import prepare
from streamkm.kernels.exact_sum import float_grid
from streamkm.kernels.grouping import order_neighbors
from streamkm.kernels.kept_rows import groups_for
from streamkm.kernels.kept_sums import KeptSums
from streamkm.kernels.lloyd import Grids
from streamkm.kernels.motion import motion_of, moves
from streamkm.kernels.register_tile import WIDTH
from streamkm.runtime.dask_cluster import DistributedExecutor
from streamkm.runtime.events import PassDone
from streamkm.sources.array import MemorySource
from streamkm.tasks.sent import Knowledge, SentAccumulator, SentPass
from tests.helpers import heavy_tailed, quiet
from tests.property.test_bounds import frame_of, walk

EVENTS = ("done", "done", "lost", "twice", "failed", "elsewhere")


@given(
    seed=st.integers(0, 2**32 - 1),
    n_clusters=st.integers(2, 30),
    algorithm=st.sampled_from(["lloyd", "hamerly", "yinyang"]),
    is_weighted=st.booleans(),
    budget=st.sampled_from([0, 6_000, 1 << 30]),
)
def test_sums_are_those_of_all_rows_whatever_is_lost(
    seed, n_clusters, algorithm, is_weighted, budget
):
    rng = np.random.default_rng(seed)
    X = heavy_tailed(400, 5)[rng.permutation(400)]
    weights = rng.uniform(0.0, 3.0, 400) if is_weighted else None
    largest = np.abs(X).max(axis=0).astype(np.float64)
    grids = Grids(float_grid(3.0 * largest), float_grid(np.array([3.0])) if is_weighted else None)
    frame, edges = frame_of(X), [0, *sorted(rng.integers(1, 400, 3).tolist()), 400]
    fit = uuid.uuid4().hex
    n_groups, order, before = groups_for(algorithm, n_clusters, 5), None, None
    for number, centers in enumerate(walk(X, n_clusters, rng), 1):
        order = order_neighbors(centers, WIDTH) if order is None else order
        ready = prepare(centers, frame, order)
        motion = None
        if before is not None and n_groups:
            motion = motion_of(moves(before, centers, frame), ready, n_groups)
        passed = SentPass(fit, 0, f"{number}", f"{number - 1}", order, n_groups, motion, budget)

        def run(start, stop, part=1.0):
            group = SimpleNamespace(start=start, n_rows=stop - start)
            own = SentAccumulator(passed, centers, frame, grids, group)  # noqa: B023
            for a in range(start, start + int(part * (stop - start)), 50):
                rows = slice(a, min(a + 50, stop))
                own.add(a, X[rows], None if weights is None else weights[rows])
            return own

        found = []
        for start, stop in zip(edges, edges[1:], strict=False):
            if start == stop:
                continue
            event = EVENTS[rng.integers(len(EVENTS))]
            if event == "lost":
                here._forget_all()
            elif event == "twice":
                run(start, stop).result()
            elif event == "failed":
                run(start, stop, 0.5)
            elif event == "elsewhere":  # by a worker whose knowledge does not come back
                saved = dict(here._KEPT)
                here._KEPT.clear()
                found.append(run(start, stop).result())
                here._KEPT.clear()
                here._KEPT.update(saved)
                continue
            found.append(run(start, stop).result())
        plain = LloydAccumulator(prepare(centers, frame), grids)
        plain.add(X, weights)
        ours, truth = KeptSums.merge_all(found).whole, plain.result()
        assert ours.sums.limbs.tobytes() == truth.sums.limbs.tobytes()
        assert ours.counts.tolist() == truth.counts.tolist()
        assert not is_weighted or np.array_equal(ours.mass(), truth.mass())
        before = centers


def test_a_worker_keeps_no_more_than_it_may_and_of_one_fit_alone():
    sizes = []
    for token in ("one", "other"):
        knowledge = here.kept_here(token, 0, lambda: Knowledge(1000))
        assert list(here._KEPT) == [token]
        sizes.append(knowledge)
    assert (sizes[0].budget_bytes, sizes[1].budget_bytes) == (0, 1000)
    forget_here("one")  # long gone
    assert list(here._KEPT) == ["other"]
    forget_here("other")
    assert not here._KEPT


def test_blocks_are_kept_where_they_are_sent_and_nowhere_else():
    rows = np.arange(80.0).reshape(40, 2)
    mine = WorkersCache(MemorySource(rows), 2 * 10 * 16)
    mine.read(0, 10)
    assert not here._KEPT
    for _ in range(2):  # in every pass another copy, by way of the scheduler
        sent = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(mine))))
        for start in range(0, 40, 10):
            np.testing.assert_array_equal(sent.read(start, start + 10), rows[start : start + 10])
        (kept,) = (things["blocks"] for things in here._KEPT.values())
        assert list(kept._blocks) == [(0, 10), (10, 20)]  # the first that fit


def test_a_task_that_outlives_its_fit_keeps_nothing():
    source = WorkersCache(MemorySource(np.zeros((40, 2))), 1 << 20)
    sent = pickle.loads(pickle.dumps(source))
    sent.read(0, 10)
    assert here._KEPT
    forget_here(source.token)
    sent.read(10, 20)
    assert not here._KEPT


def what_is_kept() -> tuple[int, int]:
    things = [thing for kept in here._KEPT.values() for thing in kept.values()]
    return len(things), os.getpid()


@quiet
def test_a_cluster_reads_once_what_fits_and_forgets_it_after(rng):
    middles = rng.uniform(-9, 9, (12, 16))
    X = (middles[rng.integers(12, size=60_000)] + rng.normal(size=(60_000, 16))).astype("f4")
    streamkm.convert(X, "x.zarr", chunk_rows=1000)
    settings = {"n_clusters": 12, "n_init": 2, "random_state": 1, "max_iter": 12, "tol": 0}
    expected = KMeans(**settings, algorithm="lloyd", executor="serial").fit(X)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        executor = DistributedExecutor(client=client)
        model = KMeans(**settings, executor=executor).fit("x.zarr")
        assert {n for n, _ in client.run(what_is_kept).values()} == {0}

        pids, killed = [pid for _, pid in client.run(what_is_kept).values()], []

        def kill_one(event):
            if isinstance(event, PassDone) and not killed:
                assert {n for n, _ in client.run(what_is_kept).values()} == {3}
                killed.append(os.kill(pids[0], signal.SIGKILL))

        executor.listener = kill_one
        again = KMeans(**settings, executor=executor).fit("x.zarr")
        nested = MiniBatchKMeans(5, batches="nested", random_state=0, executor=executor)
        alone = MiniBatchKMeans(5, batches="nested", random_state=0, executor="serial")
        sums = [m.fit("x.zarr").cluster_centers_.tobytes() for m in (nested, alone)]
        assert sums[0] == sums[1]
    assert killed
    for found in (model, again):
        assert found.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes()
        assert (found.inertia_, found.n_iter_) == (expected.inertia_, expected.n_iter_)
    first, *later = [r for r in model.history_ if r["stage"] == "assign"]
    assert first["bytes_read"] > 0
    # A worker that has nothing left to do takes groups of the other one: few.
    assert sum(r["bytes_read"] for r in later) < first["bytes_read"]
    assert all(min(r["rows_moved"]) < 60_000 for r in later)


@quiet
def test_a_scheduler_that_is_gone_is_one_clear_error(rng):
    streamkm.convert(rng.normal(size=(20_000, 4)), "x.zarr", chunk_rows=500)
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        executor = DistributedExecutor(client=client)

        def close(event):
            if isinstance(event, PassDone):
                cluster.close()

        executor.listener = close
        with pytest.raises(ClusterError, match="scheduler"):
            KMeans(5, random_state=0, max_iter=9, tol=0, executor=executor).fit("x.zarr")
