"""Data frames, Arrow tables, labelled arrays and iterators: the same rows, the same bits."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr

import streamkm
from streamkm import KMeans, MiniBatchKMeans, StreamKM
from streamkm.errors import BadRowsError, SourceError, StoreExistsError
from streamkm.runtime import make_executor
from streamkm.sources.frames import unwrapped


@pytest.fixture
def rows(rng):
    return np.concatenate([rng.normal(size=(200, 3)) + 5 * i for i in range(4)])


@pytest.fixture
def frame(rows):
    return pd.DataFrame(rows, columns=["a", "b", "c"])


class Foreign:
    """A table of another library, such as polars, that speaks Arrow's C interface."""

    def __init__(self, table):
        self.table, self.schema = table, table.schema

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def every_kind(rows, frame):
    table = pa.table(frame)
    return {
        "frame": frame,
        "table": table,
        "foreign": Foreign(table),
        "batch": table.to_batches()[0],
        "chunked": pa.concat_tables([table[:300], table[300:]]),
        "list column": pa.table(
            {"e": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 3)}
        ),
        "labelled": xr.DataArray(rows, dims=("row", "feature")),
        "labelled dask": xr.DataArray(rows, dims=("row", "feature")).chunk(
            {"row": 130, "feature": 2}
        ),
        "dask frame": dd.from_pandas(frame, npartitions=3),
        "dask": da.from_array(rows, chunks=(150, 2)),
    }


def test_each_fits_and_is_labelled_like_its_array(rows, frame):
    expected = KMeans(4, random_state=0).fit(rows)
    for name, X in every_kind(rows, frame).items():
        model = KMeans(4, random_state=0).fit(X)
        assert model.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes(), name
        assert hasattr(model, "labels_") == ("dask" not in name), name
        labels = expected.predict(X) if name != "frame" else model.predict(X)
        assert hasattr(labels, "compute") == ("dask" in name), name
        np.testing.assert_array_equal(np.asarray(labels), expected.labels_)
        assert model.score(X) == pytest.approx(-expected.inertia_)
    assert model.transform(pa.table(frame)).shape == (800, 4)


def test_each_becomes_the_same_store(rows, frame):
    expected = streamkm.convert(rows, "x.zarr", chunk_rows=90).spec.fingerprint
    for name, X in every_kind(rows, frame).items():
        made = streamkm.convert(X, "y.zarr", chunk_rows=90, overwrite=True)
        assert made.spec.fingerprint == expected, name


@pytest.mark.parametrize(
    ("executor", "shuffle"),
    [("serial", False), ("threads", False), ("threads", True), ("processes", True)],
)
def test_dask_is_converted_on_every_executor(executor, shuffle, rows):
    bad = rows.copy()
    bad[[5, 700], 1] = np.nan, np.inf
    runner = make_executor(executor, 2)
    how = {"chunk_rows": 64, "shuffle": shuffle, "overwrite": True}
    expected = streamkm.convert(rows, "x.zarr", **how).spec.fingerprint
    array = da.from_array(rows, chunks=((100, 450, 250), 3))
    assert streamkm.convert(array, "y.zarr", executor=runner, **how).spec.fingerprint == expected
    if executor == "threads":
        array = da.from_array(bad, chunks=(150, 3))
        with pytest.raises(BadRowsError, match=r"rows (5|700)"):
            streamkm.convert(array, "y.zarr", executor=runner, **how)
        with pytest.warns(UserWarning, match="2 rows .* 5, 700"):
            made = streamkm.convert(array, "y.zarr", executor=runner, on_bad_rows="drop", **how)
        kept = np.delete(rows, [5, 700], axis=0)
        np.testing.assert_array_equal(np.sort(made.read(0, 798), axis=0), np.sort(kept, axis=0))
    runner.close()


def blocks_of(rows, frame):
    return {
        "generator": (rows[i : i + 70] for i in range(0, 800, 70)),
        "frames": (frame[i : i + 70] for i in range(0, 800, 70)),
        "reader": pa.table(frame).to_reader(50),
        "one": iter([rows]),
    }


def test_an_iterator_of_blocks_becomes_a_store(rows, frame):
    expected = streamkm.convert(rows, "x.zarr").spec.fingerprint
    for name, blocks in blocks_of(rows, frame).items():
        made = streamkm.convert(blocks, "y.zarr", overwrite=True)
        assert made.spec.fingerprint == expected, name
    images = streamkm.convert((np.zeros((5, 4, 6), np.uint8) for _ in range(3)), "i.zarr")
    assert (images.shape, images.spec.sample_shape) == ((15, 24), (4, 6))
    assert sorted(p.name for p in Path().iterdir()) == ["i.zarr", "x.zarr", "y.zarr"]


def test_an_iterator_is_not_used_up_for_nothing(rows):
    streamkm.convert(rows, "x.zarr")
    blocks = iter([rows])
    with pytest.raises(StoreExistsError):
        streamkm.convert(blocks, "x.zarr")
    assert next(blocks) is rows
    streamkm.convert(iter([rows]), "x.zarr", append=True)
    assert streamkm.open_dataset("x.zarr").shape == (1600, 3)


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ([], "yields no rows"),
        ([np.zeros((2, 3)), np.zeros((2, 2))], r"block 1 .*\(2,\) float64, the first of \(3,\)"),
        ([np.zeros((2, 3)), np.zeros((2, 3), "f4")], "block 1 .*float32, the first .*float64"),
        (["a", "b"], "block 0 of the iterator has shape"),
        ([np.zeros(3)], r"shape \(3,\); each must be an array of rows"),
        ([pd.DataFrame({"a": [1.0], "s": ["x"]})], "s .str"),
    ],
)
def test_blocks_of_another_kind_are_refused_and_leave_nothing(blocks, says):
    with pytest.raises(SourceError, match=says):
        streamkm.convert(iter(blocks), "x.zarr")
    assert not list(Path().iterdir())


def test_an_iterator_that_fails_leaves_nothing(rows):
    def blocks():
        yield rows
        raise RuntimeError("the instrument is off")

    with pytest.raises(RuntimeError, match="off"):
        streamkm.convert(blocks(), "x.zarr")
    assert not list(Path().iterdir())


@pytest.mark.parametrize("model", [KMeans(2), MiniBatchKMeans(2), StreamKM(2)])
def test_a_fit_on_an_iterator_says_what_to_call(model, rows):
    says = r"convert\(iterator, STORE\) first, or give the blocks to partial_fit or fit_stream"
    with pytest.raises(SourceError, match=says):
        model.fit(block for block in [rows])


def test_columns_that_are_not_numbers_are_named(frame):
    texts = frame.assign(day=pd.Timestamp("2020-01-01"), name="x")
    kinds = {
        "frame": texts,
        "table": pa.table(texts),
        "dask": dd.from_pandas(texts, npartitions=2),
    }
    for X in kinds.values():
        for call in (KMeans(2).fit, lambda X: streamkm.convert(X, "x.zarr")):
            with pytest.raises(SourceError, match=r"not numbers: day \(.*\), name \("):
                call(X)
        made = streamkm.convert(X, "x.zarr", columns=["c", "a"], overwrite=True)
        np.testing.assert_array_equal(made.read(0, 800), frame[["c", "a"]])
        with pytest.raises(SourceError, match="no column d; it holds a, b, c"):
            streamkm.convert(X, "y.zarr", columns="a,d")
    with pytest.raises(SourceError, match="columns are asked of ndarray"):
        streamkm.convert(frame.to_numpy(), "y.zarr", columns="a")
    with pytest.raises(SourceError, match=r"ds\[NAME\]"):
        KMeans(2).fit(xr.Dataset({"v": ("row", [1.0, 2.0])}))


def test_types_of_pandas_own_may_lack_values():
    frame = pd.DataFrame(
        {
            "a": pd.array([1, 2, None], dtype="Int64"),
            "b": pd.array([1, 2, 3], dtype="int8[pyarrow]"),
        }
    )
    np.testing.assert_array_equal(unwrapped(frame), [[1, 1], [2, 2], [np.nan, 3]])
    assert unwrapped(frame[["b"]]).dtype == np.int8
    ours = dd.from_pandas(frame, npartitions=1)
    np.testing.assert_array_equal(unwrapped(ours).compute(), [[1, 1], [2, 2], [np.nan, 3]])


def test_values_that_lie_side_by_side_are_not_copied(rows):
    values = pa.array(rows.ravel())
    found = unwrapped(pa.table({"e": pa.FixedSizeListArray.from_arrays(values, 3)}))
    assert found.__array_interface__["data"][0] == values.buffers()[1].address
    frame = pd.DataFrame(rows)
    assert np.shares_memory(unwrapped(frame), frame.to_numpy())
