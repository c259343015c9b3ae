"""StreamKM: one pass, and the same bits from every executor, chunking and interruption."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import streamkm
from streamkm import StreamKM, make_coreset
from streamkm.cluster import coreset_pass as coresets
from streamkm.data.store import stored_bytes
from streamkm.kernels.coreset import REDUCERS
from streamkm.runtime import make_executor
from streamkm.runtime.events import PassStarted
from streamkm.runtime.serial import SerialExecutor
from tests.helpers import bits, cost, heavy_tailed

SMALL = {"n_clusters": 4, "coreset_size": 40, "random_state": 3, "n_init": 2}


def model_bits(model):
    return (
        *bits(model.coreset_), model.cluster_centers_.tobytes(), model.inertia_, model.n_iter_,
        model.cluster_sizes_.tobytes(),
    )  # fmt: skip


@pytest.mark.parametrize("method", REDUCERS)
def test_the_bits_do_not_depend_on_executor_chunks_or_memory(method, executor):
    import dask.array as da

    X = heavy_tailed(3001, 5)
    np.save("x.npy", X)
    wanted = {**SMALL, "coreset": method}
    expected = model_bits(StreamKM(**wanted, executor="serial").fit(X))
    stores = [streamkm.convert(X, f"{rows}.zarr", chunk_rows=rows) for rows in (100, 777, 3001)]
    uneven = da.from_array(X, chunks=((1, 500, 1000, 1500), (5,)))
    for data in (*stores, "x.npy", X, uneven):
        for limit in (None, "1GiB") if data is stores[1] else (None,):
            model = StreamKM(**wanted, executor=executor, memory_limit=limit).fit(data)
            assert model_bits(model) == expected
    made = make_coreset(stores[0], 4, coreset=method, coreset_size=40, random_state=3,
                        executor=executor)  # fmt: skip
    assert bits(made) == expected[:2]


@pytest.mark.parametrize("n_workers", [1, 4])
def test_any_number_of_workers_gives_the_same_bits(n_workers):
    X = heavy_tailed(60_000, 8)
    store = streamkm.convert(X, "x.zarr", chunk_rows=1000)
    model = StreamKM(**SMALL, executor=make_executor("threads", n_workers), memory_limit="520MiB")
    assert model_bits(model.fit(store)) == model_bits(StreamKM(**SMALL, executor="serial").fit(X))


@pytest.mark.parametrize("refine_passes", [0, 2])
def test_interrupted_in_the_middle_of_the_pass_it_goes_on_to_the_same_bits(
    refine_passes, monkeypatch
):
    class Killed(BaseException):
        pass

    monkeypatch.setattr(coresets, "PART_GROUPS", 2)
    monkeypatch.setattr(coresets, "WORKER_GROUPS", 0)
    monkeypatch.setattr(coresets, "LONG_S", 0.0)
    store = streamkm.convert(heavy_tailed(4000, 5), "x.zarr", chunk_rows=50)
    wanted = {**SMALL, "refine_passes": refine_passes}
    whole = StreamKM(**wanted).fit(store)
    assert len(whole.history_) > 8
    for stop_at in (1, 3, len(whole.history_) - 1):
        executor, seen = SerialExecutor(), itertools.count(1)

        def listen(event, seen=seen, stop_at=stop_at):
            if isinstance(event, PassStarted) and next(seen) > stop_at:
                raise Killed

        executor.listener = listen
        run = f"run-{stop_at}"
        with pytest.raises(Killed):
            StreamKM(**wanted, run_dir=run, executor=executor).fit(store)
        again = StreamKM(**wanted, run_dir=run, executor="threads", memory_limit="1GiB").fit(store)
        assert model_bits(again) == model_bits(whole)
        assert sum(r["n_rows"] for r in again.history_ if r["stage"] == "coreset") == 4000


def test_one_pass_reads_every_row_once():
    store = streamkm.convert("blobs:60000x24?centers=10", "x.zarr", chunk_rows=1000)
    size = stored_bytes(store.path, ["X"])
    for runner, factor in (("serial", 1.001), ("threads", 1.3), ("processes", 1.3)):
        model = StreamKM(5, random_state=0, executor=runner, memory_limit="1GiB").fit("x.zarr")
        (record,) = model.history_
        assert record["n_rows"] == 60_000
        assert 0.99 * size < record["bytes_read"] < factor * size


def test_refining_reads_the_rows_again_and_ends_no_worse(rng):
    X = rng.normal(size=(20_000, 4)).astype(np.float32)
    store = streamkm.convert(X, "x.zarr")
    plain = StreamKM(8, random_state=0).fit(store)
    assert plain.inertia_ == pytest.approx(cost(X, plain.cluster_centers_), rel=0.1)
    model = StreamKM(8, random_state=0, refine_passes=2).fit(store)
    stages = [record["stage"] for record in model.history_]
    assert stages == ["coreset", "assign", "assign", "close"]
    assert all(record["n_rows"] == len(X) for record in model.history_)
    assert model.inertia_ == pytest.approx(cost(X, model.cluster_centers_), rel=1e-9)
    assert model.inertia_ <= -plain.score(X)
    assert model.cluster_sizes_.sum() == len(X)
    assert bits(model.coreset_) == bits(plain.coreset_)


def test_fewer_distinct_rows_than_clusters_still_fit():
    X = np.repeat(np.eye(3), 2000, axis=0)
    with pytest.warns(UserWarning, match="distinct clusters"):
        model = StreamKM(5, random_state=0).fit(X)
    assert model.inertia_ == 0.0
    assert model.cluster_sizes_.sum() == len(X)
