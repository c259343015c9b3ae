"""Rows that workers hold between two full passes: no bit changes, whatever of them is lost."""

from __future__ import annotations

import os
import signal
import uuid
from types import SimpleNamespace

import numpy as np
from distributed import Client, LocalCluster
from hypothesis import given
from hypothesis import strategies as st

import streamkm
from streamkm import KMeans
from streamkm.cluster.active import ActiveSet, _pace
from streamkm.data import here
from streamkm.data.layout import Group
from streamkm.kernels.accumulate import LloydAccumulator
from streamkm.kernels.centers import prepare
from streamkm.kernels.exact_sum import float_grid
from streamkm.kernels.grouping import order_neighbors
from streamkm.kernels.kept_rows import groups_for
from streamkm.kernels.lloyd import Grids, PartialSums
from streamkm.kernels.motion import moves
from streamkm.kernels.register_tile import WIDTH
from streamkm.runtime.dask_cluster import DistributedExecutor
from streamkm.runtime.events import PassStarted
from streamkm.sources.array import MemorySource
from streamkm.tasks.base import PassResult
from streamkm.tasks.fit import FitContext, lloyd
from streamkm.tasks.held import HeldContext, HeldShare, Holdings, SentActive, lloyd_held
from tests.helpers import quiet
from tests.property.test_bounds import frame_of


def same(one, other):
    return (
        one.sums.limbs.tobytes() == other.sums.limbs.tobytes()
        and one.counts.tolist() == other.counts.tolist()
        and np.array_equal(one.mass(), other.mass())
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    n_clusters=st.integers(2, 30),
    is_weighted=st.booleans(),
    share=st.sampled_from([0.2, 0.7, 1.0]),
    budget=st.sampled_from([1, 5_000, 1 << 30]),
    event=st.sampled_from(["none", "none", "lost", "again", "new"]),
)
def test_iterations_on_held_rows_give_the_sums_of_all(
    seed, n_clusters, is_weighted, share, budget, event
):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 5)) + 4.0 * rng.integers(0, 3, (400, 1))
    weights = rng.uniform(0.0, 3.0, 400) if is_weighted else None
    column = weights is not None and SimpleNamespace(read=lambda a, b: weights[a:b])
    frame, largest = frame_of(X), np.abs(X).max(axis=0)
    grids = Grids(float_grid(3.0 * largest), float_grid(np.array([3.0])) if is_weighted else None)
    centers = X[rng.choice(400, n_clusters, replace=False)]
    order, n_groups = order_neighbors(centers, WIDTH), groups_for("yinyang", n_clusters, 5)
    groups = [Group(0, 0, 150, 60), Group(1, 150, 400, 60)]
    token = uuid.uuid4().hex

    def context(kept):
        return FitContext(MemorySource(X), column or None, (centers,), frame, grids, kept=(kept,))

    def truth():
        plain = LloydAccumulator(prepare(centers, frame), grids)
        plain.add(X, weights)
        return plain.result()

    active = SentActive(token, order, n_groups, np.ones(n_clusters), share, budget)
    done = [lloyd(group, context(active)) for group in groups]
    (found,) = PassResult.merge_all(done).parts
    assert same(found.whole, truth())
    n_held = sum(away.n_rows for away in found.held)
    assert n_held <= share * 400
    assert n_held * X[:1].nbytes < budget
    if event == "new":  # a task of the pass is run again: what it holds now may be other rows
        lloyd(groups[0], context(active))
    shares = [HeldShare("", (away.key,), away.n_rows) for away in found.held]
    if rng.integers(2) and shares:
        shares = [HeldShare("", tuple(away.key for away in found.held), n_held)]
    reach = float(np.min(found.room, initial=frame.scale)) / frame.scale
    sums, since, first, before = found.whole, token, centers, centers
    for step in range(4):
        centers = before + 0.05 * reach * rng.normal(size=centers.shape)
        if not (found.room > _pace(moves(first, centers, frame))).all():
            break
        if event == "lost" and step == 1:
            here._forget_all()
        there = HeldContext(centers, frame, grids, token, f"{step}", since)
        parts = [lloyd_held(share, there) for share in shares]
        if not parts:
            assert same(found.whole, truth())
            continue
        (part,) = PassResult.merge_all(parts).parts
        if event == "new" or (event == "lost" and step == 1):
            assert part.n_lost > 0
            break
        assert part.n_lost == 0
        if part.sums.change is not None:
            sums = PartialSums.merge_all([sums, part.sums.change])
        assert same(sums, truth())
        if event == "again" and shares:
            assert lloyd_held(shares[0], there).parts[0].n_lost == shares[0].n_rows
            break
        since, before = f"{step}", centers


def test_a_worker_holds_no_more_than_it_may():
    holdings = Holdings(1000)
    (one, n_one), (_, n_other) = (holdings.reserve((i, 50), 30, 20) for i in (0, 50))
    assert (n_one, n_other) == (30, 20)
    again, n_again = holdings.reserve((0, 50), 50, 20)  # its task is run once more
    assert n_again == 30
    assert again != one
    holdings.close()
    assert holdings.reserve((100, 50), 1, 20)[1] == 0


def test_a_hold_is_given_up_where_there_are_fewer_centers():
    done = []
    passes = SimpleNamespace(data=SimpleNamespace(frame=None))
    holder = SimpleNamespace(restore=lambda: done.append("restored") or True)
    tally = SimpleNamespace(passes=passes, forget=lambda: done.append("forgotten"))
    active = ActiveSet(tally, holder)
    active._before = np.zeros((3, 2))
    assert active._plan(np.zeros((2, 2))) is None
    assert done == ["restored", "forgotten"]


def what_is_kept() -> tuple[list[str], int]:
    return [str(name) for kept in here._KEPT.values() for name in kept], os.getpid()


def clustered(rng):
    """Rows as a store, the settings of a fit, and what plain Lloyd makes of them."""
    middles = rng.uniform(-6, 6, (8, 6))
    X = (middles[rng.integers(8, size=20_000)] + 1.5 * rng.normal(size=(20_000, 6))).astype("f4")
    streamkm.convert(X, "x.zarr", chunk_rows=1000)
    settings = {"n_clusters": 8, "init": rng.uniform(-6, 6, (8, 6)), "tol": 0, "max_iter": 500}
    return settings, KMeans(**settings, algorithm="lloyd", executor="serial").fit(X)


@quiet
def test_workers_of_one_process_hold_rows_together(tight, rng):
    settings, expected = clustered(rng)
    tight(0.3)
    local = {"processes": False, "n_workers": 2, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(threads_per_worker=1, **local) as cluster, Client(cluster) as client:
        model = KMeans(**settings, executor=DistributedExecutor(client=client)).fit("x.zarr")
    assert model.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes()
    assert (model.inertia_, model.n_iter_) == (expected.inertia_, expected.n_iter_)
    passes = [r for r in model.history_ if r["stage"] == "assign"]
    assert sum(r["n_rows"] == 20_000 for r in passes) < 0.7 * model.n_iter_


@quiet
def test_a_cluster_reads_fewer_times_than_it_iterates_to_the_same_bits(tight, rng):
    settings, expected = clustered(rng)
    tight(0.2)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        executor = DistributedExecutor(client=client)
        model = KMeans(**settings, executor=executor).fit("x.zarr")
        assert {len(names) for names, _ in client.run(what_is_kept).values()} == {0}
        killed = []

        def kill_one(event):
            if isinstance(event, PassStarted) and "in memory" in event.title and not killed:
                kept = client.run(what_is_kept).values()
                assert all("held" in names for names, _ in kept)
                killed.append(os.kill(next(pid for _, pid in kept), signal.SIGKILL))

        executor.listener = kill_one
        again = KMeans(**settings, executor=executor).fit("x.zarr")
    assert killed
    for found in (model, again):
        assert found.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes()
        assert (found.inertia_, found.n_iter_) == (expected.inertia_, expected.n_iter_)
        passes = [r for r in found.history_ if r["stage"] == "assign"]
        assert [r["n_iter"] for r in passes] == [[i + 1] for i in range(found.n_iter_)]
        n_full = sum(r["n_rows"] == 20_000 for r in passes)
        assert n_full < 0.7 * found.n_iter_
        assert all(r["bytes_read"] == 0 for r in passes if r["n_rows"] < 20_000)
