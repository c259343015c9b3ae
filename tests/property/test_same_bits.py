"""DESIGN's first promise: one result from every executor, chunking, limit and interruption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster

import streamkm
from streamkm import KMeans
from streamkm.cluster.init import Seeding, make_starts
from streamkm.cluster.lloyd import LloydParameters, closed, lloyd
from streamkm.cluster.passes import Passes
from streamkm.cluster.state import FitState
from streamkm.data.layout import plan_groups
from streamkm.kernels.moments import MomentsAccumulator, first_shift
from streamkm.runtime import make_executor
from streamkm.runtime.dask_cluster import DistributedExecutor
from streamkm.runtime.serial import SerialExecutor
from streamkm.sources.array import open_source as open_npy
from streamkm.tasks.fit import FitContext
from streamkm.tasks.fit import lloyd as lloyd_task
from tests.helpers import heavy_tailed

N_ROWS = 60_000
SETTINGS: dict[str, Any] = {"n_clusters": 6, "random_state": 4, "max_iter": 6, "tol": 0.0}


@dataclass(frozen=True)
class Bits:
    """Everything that must agree."""

    centers: bytes
    counts: bytes
    labels: bytes
    n_iter: int
    inertia: float


def make_data(kind: str) -> np.ndarray:
    if kind == "uint8":
        return np.random.default_rng(1).integers(0, 256, (N_ROWS, 24), np.uint8)
    return heavy_tailed(N_ROWS, 24)


def fit_bits(data: Any, executor: Any = "serial", n_init: int = 4, **more: Any) -> Bits:
    model = KMeans(**SETTINGS, n_init=n_init, executor=executor, **more).fit(data)
    model.predict(data, out="labels.npy", overwrite=True)
    return Bits(
        model.cluster_centers_.tobytes(),
        model.cluster_sizes_.tobytes(),
        np.load("labels.npy").tobytes(),
        model.n_iter_,
        model.inertia_,
    )


@pytest.fixture(scope="module", params=["uint8", "lognormal float32"])
def stores(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    rows = make_data(request.param)
    np.save(folder / "rows.npy", rows)
    paths = []
    for chunk_rows in (N_ROWS, 10_007, 1024):
        path = folder / f"{chunk_rows}.zarr"
        streamkm.convert(rows, path, chunk_rows=chunk_rows)
        paths.append(str(path))
    return paths


@pytest.fixture
def expected(stores):
    return fit_bits(stores[0])


@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_threads_of_any_number_equal_serial(n_workers, stores, expected):
    assert fit_bits(stores[1], make_executor("threads", n_workers)) == expected


def test_processes_equal_serial(stores, expected):
    assert fit_bits(stores[1], "processes") == expected


def test_chunks_and_arrays_do_not_matter(stores, expected):
    for path in stores[1:]:
        assert fit_bits(path, "threads") == expected
    assert fit_bits(stores[0].replace(f"{N_ROWS}.zarr", "rows.npy"), "threads") == expected


@pytest.mark.parametrize("limit", ["512MiB", "2GiB"])
def test_the_memory_limit_does_not_matter(limit, stores, expected):
    for path in stores:
        assert fit_bits(path, "threads", memory_limit=limit) == expected


@pytest.mark.filterwarnings(
    "default::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize(("n_workers", "n_threads"), [(1, 1), (2, 1), (1, 3)])
def test_local_clusters_equal_serial(n_workers, n_threads, stores, expected):
    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=n_threads, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        assert fit_bits(stores[2], DistributedExecutor(client=client)) == expected
        assert fit_bits(stores[2], None) == expected  # the active client is found


def test_restarts_that_share_passes_equal_restarts_alone(stores):
    passes = Passes(streamkm.open_dataset(stores[1]), None, SerialExecutor(), "1GiB", 10_000)
    passes.look(12)
    parameters = LloydParameters(6, 0.0, "farthest", 4)

    def run(restarts):
        starts = make_starts("random", Seeding(passes, 6, 4, restarts))
        states = tuple(FitState.start(c, r) for c, r in zip(starts, restarts, strict=True))
        for after in lloyd(passes, states, parameters):
            states = after
        return [
            (c.state.centers.tobytes(), c.inertia, c.state.n_iter) for c in closed(passes, states)
        ]

    together = run(range(4))
    assert together == [run([r])[0] for r in range(4)]
    best = KMeans(**SETTINGS, n_init=4, init="random", executor="serial").fit(stores[1])
    assert best.inertia_ == min(inertia for _, inertia, _ in together)


@pytest.mark.parametrize("init", ["k-means||", "gaussian"])
def test_starts_that_pass_over_the_data_agree_too(init, stores):
    found = {fit_bits(path, ex, 2, init=init) for path in stores for ex in ("serial", "threads")}
    assert len(found) == 1


@pytest.mark.filterwarnings(
    "default::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_twenty_passes_back_to_back_on_a_cluster_equal_serial(tmp_path):
    """With reused keys a scheduler returns the previous pass's result in most of them."""
    rows = heavy_tailed(20_000, 4)
    np.save("rows.npy", rows)
    moments = MomentsAccumulator(first_shift(rows[:256]))
    moments.add(rows, None, 0)
    summary = moments.result().summary()
    grids, frame = summary.grids(rows.dtype, is_weighted=False), summary.frame()
    source = open_npy(str(tmp_path / "rows.npy"))
    groups = plan_groups(20_000, 16, 1000)

    def one_pass(executor, i):
        centers = rows[i : i + 3].astype(np.float64)
        context = FitContext(source, None, (centers,), frame, grids)
        return executor.map_merge(lloyd_task, groups, context).parts[0].sums.limbs.tobytes()

    expected = [one_pass(SerialExecutor(), i) for i in range(20)]
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        with Client(cluster) as client:
            executor = DistributedExecutor(client=client)
            assert [one_pass(executor, i) for i in range(20)] == expected
    assert len(set(expected)) == 20
