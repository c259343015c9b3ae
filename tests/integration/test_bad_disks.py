"""Disks that are full or fail: one clear line, nothing under the final name, nothing lost."""

from __future__ import annotations

import builtins
import errno
import io
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm import KMeans
from streamkm.cluster.model import load_model
from streamkm.data import retry
from streamkm.data.store import discard
from streamkm.direct import reader
from streamkm.errors import StorageError, StoreError
from tests.helpers import tree

SETTINGS = {"n_clusters": 4, "n_init": 2, "random_state": 0, "tol": 0, "max_iter": 30}
OPEN = builtins.open


class FullDisk:
    """Takes so many bytes, and refuses all that follow."""

    def __init__(self, room):
        self.room, self.written = room, 0

    def open(self, file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, **more):
        is_here = isinstance(file, str | Path) and Path(file).absolute().is_relative_to(Path.cwd())
        if not is_here or not set(mode) & set("wax+"):
            return OPEN(file, mode, buffering, encoding, errors, newline, **more)
        disk = self

        class Limited(io.FileIO):
            def write(self, content):
                n_bytes = memoryview(content).nbytes
                if disk.written + n_bytes > disk.room:
                    raise OSError(errno.ENOSPC, "No space left on device")
                disk.written += n_bytes
                return super().write(content)

        raw = Limited(file, mode.replace("b", "").replace("t", ""))
        stream = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return stream if "b" in mode else io.TextIOWrapper(stream, encoding, errors, newline)


@contextmanager
def full_after(room, monkeypatch):
    disk = FullDisk(room)
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "open", disk.open)
        patch.setattr(io, "open", disk.open)
        yield disk


@pytest.fixture
def rows(rng):
    return rng.normal(size=(2000, 5)).astype("f4")


def rooms(run, monkeypatch, share=1.0):
    """Moments at which a disk may be full in what `run` writes: twelve of them, and the ends."""
    with full_after(1 << 60, monkeypatch) as disk:
        run()
    n_bytes = int(disk.written * share)
    return [0, *np.random.default_rng(0).integers(0, n_bytes, 12).tolist(), n_bytes - 1]


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_conversion_on_a_full_disk_goes_on_when_there_is_room(shuffle, rows, monkeypatch):
    def run(store="x.zarr"):
        streamkm.convert(rows, store, chunk_rows=100, shuffle=shuffle, executor="serial")

    moments = rooms(lambda: run("whole.zarr"), monkeypatch)
    for room in moments:
        with (
            full_after(room, monkeypatch),
            pytest.raises(StorageError, match=r"disk is full.*goes on where it stopped"),
        ):
            run()
        assert not Path("x.zarr").exists()
        run()
        assert tree(Path("x.zarr")) == tree(Path("whole.zarr"))
        assert sorted(file.name for file in Path().iterdir()) == ["whole.zarr", "x.zarr"]
        shutil.rmtree("x.zarr")


def test_a_fit_on_a_full_disk_goes_on_from_its_last_pass(rows, monkeypatch):
    store = streamkm.convert(rows, "x.zarr", chunk_rows=100)
    whole = KMeans(**SETTINGS).fit(store)
    # How much is written of the time that passes take, and how often, is not the same each time.
    moments = rooms(lambda: KMeans(**SETTINGS, run_dir="other").fit(store), monkeypatch, 0.7)
    for i, room in enumerate(moments):
        run = f"run{i}"
        with full_after(room, monkeypatch), pytest.raises(StorageError, match=f"{run}.*space left"):
            KMeans(**SETTINGS, run_dir=run).fit(store)
        resumed = KMeans(**SETTINGS, run_dir=run).fit(store)
        assert resumed.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
        assert [r["pass"] for r in resumed.history_] == [r["pass"] for r in whole.history_]


@pytest.mark.parametrize("out", ["d.npy", "d.zarr", "d.csv"])
def test_results_on_a_full_disk_are_gone_on_with(out, rows, monkeypatch):
    store = streamkm.convert(rows, "x.zarr", chunk_rows=100)
    model = KMeans(**SETTINGS).fit(store)
    model.save("m.zarr")
    same = tree if out.endswith("zarr") else Path.read_bytes
    for room in rooms(lambda: model.transform(store, out=f"whole-{out}"), monkeypatch):
        with full_after(room, monkeypatch), pytest.raises(StorageError, match="space left"):
            model.transform(store, out=out)
        assert not Path(out).exists()
        model.transform(store, out=out)
        assert same(Path(out)) == same(Path(f"whole-{out}"))
        discard(Path(out))
    assert {file.name for file in Path().iterdir()} == {f"whole-{out}", "m.zarr", "x.zarr"}


def test_a_model_on_a_full_disk_is_not_half_saved(rows, monkeypatch):
    store = streamkm.convert(rows, "x.zarr", chunk_rows=100)
    model = KMeans(**SETTINGS).fit(store)
    for room in rooms(lambda: model.save("whole.zarr"), monkeypatch):
        with full_after(room, monkeypatch), pytest.raises(StorageError, match="space left"):
            model.save("m.zarr")
        with full_after(room, monkeypatch), pytest.raises(StorageError, match="space left"):
            model.save("whole.zarr", overwrite=True)
        assert load_model("whole.zarr").inertia_ == model.inertia_
    assert sorted(file.name for file in Path().iterdir()) == ["whole.zarr", "x.zarr"]


class Failing(io.FileIO):
    """A file whose reads fail so many times before they work."""

    left = 0
    number = errno.EIO

    def readinto(self, buffer):
        if Failing.left and "/X/c/7/" in str(self.name):
            Failing.left -= 1
            raise OSError(Failing.number, "Input/output error")
        return super().readinto(buffer)


@pytest.fixture
def failing(monkeypatch):
    waits = []
    monkeypatch.setattr(reader.io, "FileIO", Failing)
    monkeypatch.setattr(retry.time, "sleep", waits.append)
    yield waits
    Failing.left, Failing.number = 0, errno.EIO


def test_reads_that_fail_for_a_moment_cost_time_only(rows, failing):
    store = streamkm.convert(rows, "x.zarr", chunk_rows=100)
    whole = KMeans(**SETTINGS).fit(store)
    Failing.left = len(retry.WAITS_S)
    again = KMeans(**SETTINGS).fit(streamkm.Dataset("x.zarr"))
    assert Failing.left == 0
    assert failing == list(retry.WAITS_S)
    assert again.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()


def test_reads_that_fail_for_good_name_the_chunk(rows, failing, run):
    streamkm.convert(rows, "x.zarr", chunk_rows=100)
    Failing.left = 1 << 30
    with pytest.raises(StorageError, match=r"x\.zarr: X, rows 700 to 800 cannot be read .*c/7/0"):
        streamkm.Dataset("x.zarr").read(700, 800)
    assert failing == list(retry.WAITS_S)
    status, _, err = run("fit", "kmeans", "x.zarr", "m.zarr", "-k", 3)
    assert status == 1
    assert "c/7/0" in err
    assert len(err.splitlines()) == 1


def test_errors_that_do_not_pass_are_not_waited_for(rows, failing):
    streamkm.convert(rows, "x.zarr", chunk_rows=100)
    Failing.left, Failing.number = 1 << 30, errno.EACCES
    with pytest.raises(StorageError, match="cannot be read"):
        streamkm.Dataset("x.zarr").read(700, 800)
    assert not failing


def test_whatever_a_codec_raises_is_damage(rows, monkeypatch):
    """Blosc, through numcodecs, over a chunk whose size was damaged into a negative one."""
    store = streamkm.convert(rows, "x.zarr", chunk_rows=100)

    def read(*_):
        raise SystemError("Negative size passed to PyBytes_FromStringAndSize")

    monkeypatch.setattr(streamkm.Dataset, "_read", read)
    with pytest.raises(StoreError, match=r"rows 0 to 10: damaged \(Negative size"):
        store.read(0, 10)
