"""Everything that `fit` takes gives the same model; what is streamed comes back streamed."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from distributed import Client, LocalCluster
from sklearn.base import clone

import streamkm
from streamkm import KMeans
from streamkm.errors import BadRowsError, ClusterError, SourceError
from streamkm.runtime import make_executor
from streamkm.runtime.dask_cluster import DistributedExecutor


@pytest.fixture
def rows(rng):
    return np.concatenate([rng.normal(size=(700, 5)) + 3 * i for i in range(4)]).astype(np.float32)


def fit(X, **more):
    return KMeans(4, random_state=0, tol=0, **more).fit(X)


def test_every_kind_of_input_gives_the_same_bits(rows):
    expected = fit(rows)
    np.save("x.npy", rows)
    array = zarr.create_array("x.zarr", shape=rows.shape, dtype="f4", chunks=(333, 2))
    array[:] = rows
    with h5py.File("x.h5", "w") as file:
        file.create_dataset("X", data=rows, chunks=(100, 3), compression="gzip")
    store = streamkm.convert(rows, "store.zarr", chunk_rows=150)
    with h5py.File("x.h5") as file:
        inputs = {
            "list": rows.tolist(),
            "fortran": np.asfortranarray(rows),
            "frame": pd.DataFrame(rows),
            "npy": "x.npy",
            "foreign zarr": "x.zarr",
            "zarr array": array,
            "hdf5 path": "x.h5:X",
            "hdf5 dataset": file["X"],
            "store": store,
            "store path": "store.zarr",
            "dask": da.from_array(rows, chunks=(400, 5)),
            "dask in columns": da.from_array(rows, chunks=(1000, 2)),
        }
        for name, value in inputs.items():
            found = fit(value)
            assert found.inertia_ == pytest.approx(expected.inertia_, rel=1e-12), name
            np.testing.assert_allclose(
                found.cluster_centers_, expected.cluster_centers_, rtol=1e-12
            )
            if name not in ("list", "frame"):  # a list is float64: another dtype, other grids
                assert found.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes(), name


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_arrays_in_memory_travel_to_every_executor(executor, rows):
    expected = fit(rows, executor="serial")
    assert (
        fit(rows, executor=executor).cluster_centers_.tobytes()
        == expected.cluster_centers_.tobytes()
    )


def test_predict_on_a_dask_array_is_lazy(rows):
    model = fit(rows)
    array = da.from_array(rows, chunks=(500, 5))
    labels = model.predict(array)
    assert isinstance(labels, da.Array)
    assert labels.chunks == (array.chunks[0],)
    np.testing.assert_array_equal(labels.compute(), model.labels_)
    distances = model.transform(array)
    assert distances.shape == (2800, 4)
    np.testing.assert_array_equal(distances.compute(), model.transform(rows))


def test_a_dask_array_of_unknown_length_says_what_to_call(rows):
    array = da.from_array(rows, chunks=(500, 5))
    with pytest.raises(SourceError, match="compute_chunk_sizes"):
        fit(array[array[:, 0] > 0])


def test_weights_of_a_store_are_used(rows, rng):
    weights = rng.integers(0, 3, len(rows)).astype(np.float64)
    streamkm.convert(rows, "x.zarr", chunk_rows=300)
    group = zarr.open_group("x.zarr", mode="r+")
    group.create_array("sample_weight", shape=weights.shape, dtype="f8", chunks=(300,))[:] = weights
    a = fit(streamkm.open_dataset("x.zarr"))
    b = fit(rows, executor="serial")
    c = KMeans(4, random_state=0, tol=0).fit(rows, sample_weight=weights)
    assert (
        a.cluster_centers_.tobytes() == c.cluster_centers_.tobytes() != b.cluster_centers_.tobytes()
    )


@pytest.mark.filterwarnings(
    "default::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_cluster_takes_arrays_and_refuses_what_its_workers_cannot_see(rows):
    store = streamkm.convert(rows, "x.zarr", chunk_rows=300)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        with Client(cluster) as client:
            executor = DistributedExecutor(client=client)
            expected = fit(rows, executor="serial").cluster_centers_.tobytes()
            assert fit(rows, executor=executor).cluster_centers_.tobytes() == expected
            array = da.from_array(rows, chunks=(400, 5)).persist()
            assert fit(array, executor=executor).cluster_centers_.tobytes() == expected
            model = fit(store, executor=executor)
            model.predict(store, out="labels.zarr")
            labels = zarr.open_array("labels.zarr", mode="r")[:]
            np.testing.assert_array_equal(labels, model.predict(rows))

            class Unseen:
                shape, dtype, info, labels = store.shape, store.dtype, store.info, None

                def read(self, start, stop):
                    from pathlib import Path

                    return np.frombuffer(Path("only-here.bin").read_bytes())

            with pytest.raises(ClusterError, match="workers cannot read the data"):
                executor.preflight(Unseen())


@pytest.mark.filterwarnings(
    "default::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_relative_path_means_the_same_to_workers_in_other_folders(client, rows):
    """A chunk of Zarr that a worker does not find would be zeros, not an error."""
    zarr.create_array("x.zarr", data=rows, chunks=(100, rows.shape[1]))
    folders = client.run(lambda: __import__("os").getcwd())
    assert str(Path.cwd()) not in folders.values()
    whole = KMeans(4, random_state=0, executor="serial").fit(rows)
    model = KMeans(4, random_state=0, executor=DistributedExecutor(client=client)).fit("x.zarr")
    assert model.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
    np.save("x.npy", rows)
    with pytest.raises(ClusterError, match="under the same path"):
        model.fit("x.npy")


def test_a_scheduler_without_workers_says_how_to_start_some(rows, monkeypatch):
    monkeypatch.setattr("streamkm.runtime.dask_cluster.CONNECT_S", 1)
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as cluster:
        with Client(cluster) as client:
            with pytest.raises(ClusterError, match=r"no workers; start some: dask worker tcp://"):
                fit(rows, executor=DistributedExecutor(client=client))


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_weights_in_memory_travel_to_every_executor(executor, rows, rng):
    weights = rng.uniform(0, 5, len(rows))
    a = KMeans(4, random_state=0, executor="serial").fit(rows, sample_weight=weights)
    b = KMeans(4, random_state=0, executor=executor).fit(rows, sample_weight=weights)
    assert a.cluster_centers_.tobytes() == b.cluster_centers_.tobytes()
    assert a.score(rows, sample_weight=weights) == b.score(rows, sample_weight=weights)


def test_a_dask_array_is_predicted_to_a_file(rows):
    model = fit(rows)
    array = da.from_array(rows, chunks=((700, 100, 1300, 700), (5,)))
    for out in ("l.zarr", "l.npy"):
        model.predict(array, out=out)
    np.testing.assert_array_equal(zarr.open_array("l.zarr", mode="r")[:], model.labels_)
    np.testing.assert_array_equal(np.load("l.npy"), model.labels_)


def test_lazy_prediction_refuses_nan(rows):
    model = fit(rows)
    bad = rows.copy()
    bad[5] = np.nan
    for lazy in (model.predict, model.transform):
        with pytest.raises(BadRowsError):
            lazy(da.from_array(bad, chunks=(500, 5))).compute()


def test_stored_weights_that_are_no_weights_are_refused(rows):
    streamkm.convert(rows, "x.zarr", chunk_rows=300)
    group = zarr.open_group("x.zarr", mode="r+")
    array = group.create_array("sample_weight", shape=(2800,), dtype="f8", chunks=(300,))
    for value in (-3.0, np.nan, np.inf):
        array[:] = 1.0
        array[1234] = value
        with pytest.raises(SourceError, match="row 1234"):
            fit("x.zarr")


def test_labels_of_other_rows_do_not_stay(rows):
    model = KMeans(4, random_state=0).fit(rows)
    store = streamkm.convert(rows, "x.zarr")
    assert not hasattr(model.fit(store), "labels_")
    with pytest.raises(SourceError, match="out=PATH"):
        model.fit_predict(store)
    with pytest.raises(SourceError, match="out=PATH"):
        model.transform("blobs:100000000000x5")


def test_a_run_without_a_seed_goes_on_with_the_one_it_drew(rows):
    streamkm.convert(rows, "x.zarr")
    a = KMeans(4, run_dir="run").fit("x.zarr")
    b = KMeans(4, run_dir="run").fit("x.zarr")
    assert a.cluster_centers_.tobytes() == b.cluster_centers_.tobytes()


def test_runs_on_files_and_on_weights_are_resumed(rows, rng):
    np.save("x.npy", rows)
    a = KMeans(4, random_state=0, run_dir="run").fit("x.npy")
    assert streamkm.resume("run").inertia_ == a.inertia_
    weights = rng.uniform(size=len(rows))
    a = KMeans(4, random_state=0, run_dir="weighted").fit(rows, sample_weight=weights)
    b = streamkm.resume("weighted", X=rows, sample_weight=weights)
    assert a.inertia_ == b.inertia_


def test_a_killed_worker_process_costs_its_pass_at_most(rows):
    made = make_executor("processes", 1)
    expected = fit(rows, executor=made).inertia_
    for process in made._pool._processes.values():
        process.kill()
    assert fit(rows, executor=made).inertia_ == expected
    made.close()


@pytest.mark.parametrize("value", [2.5, np.inf, 2.0**60])
def test_labels_that_are_no_classes_are_refused(value, rows, run):
    labels = np.zeros(len(rows))
    labels[7] = value
    streamkm.convert(rows, "x.zarr", target=labels)
    fit(rows).save("m.zarr")
    status, out, err = run("score", "m.zarr", "x.zarr")
    assert (status, out) == (1, "")
    assert "labels must be whole numbers" in err
    assert "at row 7" in err


def test_an_executor_is_shared_by_clones(rows):
    made = make_executor("processes", 1)
    model = KMeans(4, random_state=0, executor=made)
    assert clone(model).executor is made
    model.fit(rows)
    assert clone(model).fit(rows).inertia_ == model.inertia_
    made.close()


def test_bytes_read_are_those_of_the_chunk_files(rows):
    from pathlib import Path

    store = streamkm.convert(rows, "x.zarr", chunk_rows=200)
    stored = sum(f.stat().st_size for f in Path("x.zarr/X/c").rglob("*") if f.is_file())
    model = fit(store, n_init=4, init="random", executor="processes")
    passes = [r for r in model.history_ if r["stage"] == "assign"]
    metadata = 40_000  # each process reads zarr.json when it opens the store
    assert all(stored <= r["bytes_read"] < stored + metadata for r in passes)
    assert {r["bytes_decoded"] for r in passes} == {rows.nbytes}
    cached = fit(store, n_init=4, init="random", executor="threads")
    later = [r for r in cached.history_ if r["stage"] == "assign"][1:]
    assert {r["bytes_read"] for r in later} == {0}  # what fits is kept; hits count in neither
    assert {r["bytes_decoded"] for r in later} == {0}
