"""Conversions: identity, labels, shuffles, bad rows, refusal, killed at any moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import streamkm
from streamkm.errors import (
    BadRowsError,
    IncompleteError,
    MemoryLimitError,
    SourceError,
    StorageError,
    StoreError,
    StoreExistsError,
)
from streamkm.kernels.summary import Summary
from tests.helpers import tree

KILLS = 10


@given(
    hnp.arrays(st.sampled_from(["u1", "i4", "f2", "f4", "f8"]),
               st.tuples(st.integers(1, 60), st.integers(1, 5)), elements=st.integers(0, 100)),
    st.integers(1, 70), st.sampled_from(["none", "lz4", "zstd"]),
)  # fmt: skip
def test_convert_then_read_is_the_identity(rows, chunk_rows, codec):
    store = streamkm.convert(rows, "x.zarr", chunk_rows=chunk_rows, codec=codec, overwrite=True)
    assert store.dtype == rows.dtype
    np.testing.assert_array_equal(store.read(0, len(rows)), rows)


@given(st.integers(1, 300), st.integers(0, 5), st.integers(1, 100))
def test_a_shuffle_is_a_permutation_that_keeps_rows_and_labels_together(n_rows, seed, chunk_rows):
    rows = np.arange(n_rows, dtype=np.float32)[:, None] * [1, -1]
    store = streamkm.convert(
        rows, "s.zarr", target=np.arange(n_rows), shuffle=True, seed=seed, chunk_rows=chunk_rows,
        overwrite=True, executor="serial",
    )  # fmt: skip
    found = store.read(0, n_rows)[:, 0]
    np.testing.assert_array_equal(np.sort(found), np.arange(n_rows))
    np.testing.assert_array_equal(store.labels.read(0, n_rows), found)


def test_a_shuffle_depends_on_rows_and_seed_alone(rng):
    rows = rng.normal(size=(3000, 4))
    a = streamkm.convert(rows, "a.zarr", shuffle=True, seed=1, chunk_rows=100, executor="serial")
    b = streamkm.convert(
        rows, "b.zarr", shuffle=True, seed=1, chunk_rows=999, memory_limit="600MiB"
    )
    c = streamkm.convert(rows, "c.zarr", shuffle=True, seed=2)
    np.testing.assert_array_equal(a.read(0, 3000), b.read(0, 3000))
    assert not np.array_equal(a.read(0, 3000), c.read(0, 3000))


def test_two_conversions_of_one_source_are_equal_byte_for_byte(executor):
    a = streamkm.convert("blobs:20000x5?seed=3", "a.zarr", executor=executor, chunk_rows=1500)
    b = streamkm.convert("blobs:20000x5?seed=3", "b.zarr", executor="threads", chunk_rows=1500)
    assert tree(Path("a.zarr")) == tree(Path("b.zarr"))
    assert a.spec.fingerprint == b.spec.fingerprint


def test_moments_and_sample_are_those_of_the_rows(rng):
    rows = rng.normal(5.0, 2.0, (40_000, 3)).astype(np.float32)
    store = streamkm.convert(rows, "x.zarr", chunk_rows=1234)
    summary = Summary.from_json(store.moments)
    wide = rows.astype(np.float64)
    np.testing.assert_allclose(summary.mean, wide.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(summary.m2 / 40_000, wide.var(axis=0), rtol=1e-12)
    indices, sample = store.sample()
    assert len(sample) == 32_768
    np.testing.assert_array_equal(sample, rows[indices])
    assert (np.diff(indices) > 0).all()
    # Uniform: each tenth of the rows has its share.
    shares = np.histogram(indices, 10, (0, 40_000))[0]
    assert abs(shares - 3276.8).max() < 200


def test_the_store_opens_without_streamkm(rng):
    rows = rng.normal(size=(100, 3))
    streamkm.convert(rows, "x.zarr", target=np.arange(100))
    np.testing.assert_array_equal(zarr.open_group("x.zarr", mode="r")["X"][:], rows)
    import dask.array as da

    np.testing.assert_array_equal(da.from_zarr("x.zarr", component="X").compute(), rows)


def test_bad_rows_are_refused_with_their_numbers(rng):
    rows = rng.normal(size=(1000, 3)).astype(np.float32)
    rows[[17, 400, 401]] = np.nan
    with pytest.raises(BadRowsError, match=r"3 rows hold NaN or infinity.*17, 400, 401"):
        streamkm.convert(rows, "x.zarr", chunk_rows=1000)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("shuffle", [False, True])
def test_bad_rows_are_dropped_with_their_labels(shuffle, rng):
    rows = rng.normal(size=(5000, 3)).astype(np.float32)
    bad = rng.choice(5000, 700, replace=False)
    rows[bad[:350], 1] = np.inf
    rows[bad[350:], 0] = np.nan
    with pytest.warns(UserWarning, match="700 rows with NaN or infinity are left out"):
        store = streamkm.convert(
            rows,
            "x.zarr",
            target=np.arange(5000),
            on_bad_rows="drop",
            chunk_rows=300,
            shuffle=shuffle,
        )
    labels = store.labels.read(0, 4300)
    assert (store.shape, store.spec.n_dropped) == ((4300, 3), 700)
    assert store.spec.dropped_rows == tuple(sorted(bad.tolist()))
    np.testing.assert_array_equal(store.read(0, 4300), rows[labels])
    np.testing.assert_array_equal(np.sort(labels), np.setdiff1d(np.arange(5000), bad))


def test_a_store_is_not_overwritten_unless_asked(rng):
    rows = rng.normal(size=(50, 3))
    streamkm.convert(rows, "x.zarr")
    with pytest.raises(StoreExistsError, match="overwrite"):
        streamkm.convert(rows + 1, "x.zarr")
    bad = rows.copy()
    bad[0] = np.nan
    with pytest.raises(BadRowsError):
        streamkm.convert(bad, "x.zarr", overwrite=True)
    np.testing.assert_array_equal(streamkm.open_dataset("x.zarr").read(0, 50), rows)
    streamkm.convert(rows + 1, "x.zarr", overwrite=True)
    np.testing.assert_array_equal(streamkm.open_dataset("x.zarr").read(0, 50), rows + 1)


def test_labels_of_another_length_are_refused(rng):
    with pytest.raises(SourceError, match="49 labels for 50 rows"):
        streamkm.convert(rng.normal(size=(50, 3)), "x.zarr", target=np.arange(49))
    assert not Path("x.zarr").exists()


def test_too_small_a_disk_is_refused_before_any_work(monkeypatch):
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 1 << 20))
    with pytest.raises(StorageError, match=r"1\.0 MiB free.*--tmp"):
        streamkm.convert("blobs:100000x16", "x.zarr", shuffle=True)
    assert list(Path().iterdir()) == []


def test_a_store_of_a_newer_version_is_refused(rng):
    streamkm.convert(rng.normal(size=(50, 3)), "x.zarr")
    file = Path("x.zarr/zarr.json")
    file.write_text(file.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(StoreError, match=r"format 2.*upgrade"):
        streamkm.open_dataset("x.zarr")


def test_an_unfinished_store_is_refused(rng):
    streamkm.convert(rng.normal(size=(50, 3)), "x.zarr")
    file = Path("x.zarr/zarr.json")
    text = file.read_text()
    fingerprint = streamkm.open_dataset("x.zarr").spec.fingerprint
    file.write_text(text.replace(fingerprint, ""))
    with pytest.raises(IncompleteError):
        streamkm.open_dataset("x.zarr")


def test_a_flipped_byte_is_found_by_its_checksum(rng):
    streamkm.convert(rng.normal(size=(500, 3)), "x.zarr", chunk_rows=100)
    file = Path("x.zarr/X/c/2/0")
    raw = bytearray(file.read_bytes())
    raw[40] ^= 1
    file.write_bytes(bytes(raw))
    store = streamkm.open_dataset("x.zarr")
    store.read(0, 200)
    with pytest.raises(StoreError, match="rows 200 to 300: damaged"):
        store.read(200, 300)


SCRIPT = """
import sys
import streamkm
from streamkm.runtime import make_executor

executor = make_executor("threads", 2)
executor.listener = lambda event: print(type(event).__name__, flush=True)
streamkm.convert("blobs:1200000x32?seed=1", "x.zarr", shuffle=SHUFFLE, seed=3, executor=executor,
                 memory_limit="1GiB", chunk_rows=8000)
"""


@pytest.mark.parametrize("shuffle", [False, True])
def test_killed_at_any_moment_it_ends_with_the_same_bytes(shuffle, tmp_path):
    """The process is killed some milliseconds after it began to work, ten times."""
    script = textwrap.dedent(SCRIPT).replace("SHUFFLE", str(shuffle))
    moments = random.Random(11)
    killed = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(moments.uniform(0.0, 0.12))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
        process.stdout.close()
        if (tmp_path / "x.zarr").exists():
            break
    assert killed == KILLS
    if not (tmp_path / "x.zarr").exists():
        subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True
        )
    streamkm.convert(
        "blobs:1200000x32?seed=1", "straight.zarr", shuffle=shuffle, seed=3, chunk_rows=8000
    )
    assert tree(tmp_path / "x.zarr") == tree(Path("straight.zarr"))
    assert not list(tmp_path.glob("*.partial"))


def test_lists_and_frames_are_converted():
    import pandas as pd

    rows = [[1.0, 2.0], [3.0, 4.0]]
    for values in (rows, pd.DataFrame(rows)):
        store = streamkm.convert(values, "x.zarr", overwrite=True)
        assert store.read(0, 2).tolist() == rows


def test_another_conversion_does_not_continue_a_killed_one(rng):
    staging = Path("x.zarr.partial")
    staging.mkdir()
    Path("x.zarr.partial.json").write_text("{}")
    rows = rng.normal(size=(50, 3))
    store = streamkm.convert(rows, "x.zarr")
    np.testing.assert_array_equal(store.read(0, 50), rows)


def test_chunks_that_are_there_are_not_read_again(rng):
    """What continues reads only what is missing, and ends with the same store."""

    class Counted:
        def __init__(self, fail_at):
            self.rows = np.arange(4000.0).reshape(1000, 4)
            self.inner = streamkm.open_source("blobs:10x4")
            self.fail_at, self.read_rows = fail_at, []
            self.shape, self.dtype, self.labels = (1000, 4), self.rows.dtype, None
            self.info = self.inner.info

        def read(self, start, stop):
            if start >= self.fail_at and stop - start > 4:
                raise KeyboardInterrupt
            if stop - start > 4:  # shorter reads only tell this source from others
                self.read_rows.append(start)
            return self.rows[start:stop]

    with pytest.raises(KeyboardInterrupt):
        streamkm.convert(Counted(500), "x.zarr", chunk_rows=100, executor="serial")
    again = Counted(10_000)
    streamkm.convert(again, "x.zarr", chunk_rows=100, executor="serial")
    assert set(again.read_rows) == {0, 500, 600, 700, 800, 900}  # 0: the first rows, for the shift


def interrupted(rows, after, monkeypatch):
    """A conversion of an array that is interrupted after so many chunks."""
    from streamkm.sources.array import MemorySource

    reads = MemorySource.read

    def read(self, start, stop):
        if start >= after:
            raise KeyboardInterrupt
        return reads(self, start, stop)

    with monkeypatch.context() as patch:
        patch.setattr(MemorySource, "read", read)
        with pytest.raises(KeyboardInterrupt):
            streamkm.convert(rows, "x.zarr", chunk_rows=100, executor="serial")
    assert Path("x.zarr.partial").exists()


def test_a_conversion_never_continues_with_other_rows(rng, monkeypatch):
    rows = rng.normal(size=(1000, 3))
    interrupted(rows, 300, monkeypatch)
    store = streamkm.convert(rows + 100, "x.zarr", chunk_rows=100)
    np.testing.assert_array_equal(store.read(0, 1000), rows + 100)


def test_errors_that_are_not_the_inputs_keep_what_was_done(rng, monkeypatch):
    rows = rng.normal(size=(1000, 3))
    interrupted(rows, 300, monkeypatch)
    with pytest.raises(MemoryLimitError):
        streamkm.convert(rows, "x.zarr", chunk_rows=100, memory_limit="10MiB")
    assert len(list(Path("x.zarr.partial/X/c").iterdir())) == 3


@pytest.mark.parametrize("kind", ["npy", "h5"])
def test_a_replaced_file_is_read_anew(kind, rng):
    import h5py

    def write(values):
        if kind == "npy":
            np.save("new.npy", values)
        else:
            with h5py.File("new.h5", "w") as file:
                file["X"] = values
        Path(f"new.{kind}").replace(f"x.{kind}")

    rows = rng.normal(size=(50, 3))
    for offset in (0, 1000):
        write(rows + offset)
        store = streamkm.convert(f"x.{kind}", "x.zarr", overwrite=True)
        np.testing.assert_array_equal(store.read(0, 50), rows + offset)


def test_only_a_store_is_overwritten_by_a_store(rng):
    rows = rng.normal(size=(50, 3))
    Path("precious").mkdir()
    Path("precious/letter.txt").write_text("dear")
    streamkm.convert(rows, "x.zarr")
    model = streamkm.KMeans(2, random_state=0).fit(rows)
    with pytest.raises(StoreExistsError, match="kind 'dataset'"):
        streamkm.convert(rows, "precious", overwrite=True)
    with pytest.raises(StoreExistsError, match="kind 'model'"):
        model.save("x.zarr", overwrite=True)
    for name in ("precious", "x.zarr"):
        with pytest.raises(StoreExistsError, match="kind 'array'"):
            model.predict(rows, out=name, overwrite=True)
    assert Path("precious/letter.txt").read_text() == "dear"
    assert streamkm.open_dataset("x.zarr").shape == (50, 3)


def test_a_missing_chunk_is_damage_and_not_zeros(rng):
    streamkm.convert(rng.normal(size=(500, 3)), "x.zarr", chunk_rows=100)
    Path("x.zarr/X/c/3/0").unlink()
    store = streamkm.open_dataset("x.zarr")
    store.read(0, 300)
    with pytest.raises(StoreError, match=r"rows 200 to 400: damaged.*missing"):
        store.read(200, 400)


@pytest.mark.parametrize("dtype", [">f4", ">i2", ">f8"])
def test_foreign_byte_orders_are_taken(dtype, rng):
    rows = rng.integers(0, 100, (200, 3))
    store = streamkm.convert(rows.astype(dtype), "x.zarr")
    np.testing.assert_array_equal(store.read(0, 200), rows)
    fitted = streamkm.KMeans(2, random_state=0).fit(rows.astype(dtype))
    expected = streamkm.KMeans(2, random_state=0).fit(
        rows.astype(np.dtype(dtype).newbyteorder("="))
    )
    assert fitted.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"seed": -1, "shuffle": True}, "seed"),
        ({"chunk_rows": 0}, "chunk_rows"),
        ({"codec": "rar"}, "codec"),
    ],
)
def test_bad_arguments_are_named(more, says, rng):
    with pytest.raises(ValueError, match=says):
        streamkm.convert(rng.normal(size=(50, 3)), "x.zarr", **more)


def test_numbers_wider_than_eight_bytes_are_refused(rng):
    with pytest.raises(SourceError, match="float128"):
        streamkm.convert(rng.normal(size=(50, 3)).astype(np.longdouble), "x.zarr")


def test_a_chunk_that_does_not_fit_is_refused():
    with pytest.raises(MemoryLimitError, match="memory_limit="):
        streamkm.convert("blobs:10000000x64", "x.zarr", chunk_rows=2_000_000, memory_limit="512MiB")


@pytest.mark.real_data
def test_awkward_hdf5_files_convert(data_dir):
    import h5py

    for name, inner in (("usps.h5", "train/data"), ("worm_neuron_cell.h5", "X")):
        path = data_dir / "hdf5" / name
        store = streamkm.convert(f"{path}:{inner}", "x.zarr", overwrite=True, memory_limit="1GiB")
        with h5py.File(path) as file:
            rows = file[inner][:]
        for start in range(0, len(rows), 1000):
            np.testing.assert_array_equal(
                store.read(start, min(start + 1000, len(rows))), rows[start : start + 1000]
            )
