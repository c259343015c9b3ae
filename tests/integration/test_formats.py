"""Tables of every kind become the store of their numbers: in parallel, with labels, in place."""

from __future__ import annotations

import gzip
import threading
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import streamkm
from streamkm.cli import main
from streamkm.conversion.inputs import identity_of
from streamkm.errors import BadRowsError, SourceError
from streamkm.runtime import make_executor
from tests.contract.written import csv_text, table_of, write_ipc
from tests.helpers import tree

KINDS = ["csv", "csv.gz", "parquet", "arrow"]


def write(rows, kind, name="x", missing=()):
    """Write rows, whole numbers in the last column, with some values missing."""
    path = Path(f"{name}.{kind}")
    header = ",".join("abcdefgh"[: rows.shape[1]])
    if kind.startswith("csv"):
        lines = csv_text(rows, header=header).splitlines()
        for row, column in missing:
            cells = lines[row + 1].split(",")
            cells[column] = ""
            lines[row + 1] = ",".join(cells)
        raw = "\n".join(lines).encode()
        path.write_bytes(gzip.compress(raw) if kind.endswith("gz") else raw)
        return str(path)
    masks = np.zeros(rows.shape, bool)
    masks[tuple(np.array(missing, int).reshape(-1, 2).T)] = True
    table = pa.table({n: pa.array(rows[:, i], mask=masks[:, i]) for i, n in enumerate(header[::2])})
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=30)
    else:
        write_ipc(path, table, "lz4", 40)
    return str(path)


@pytest.fixture
def parts(rng):
    """36 files of each kind, and the rows in all of them."""
    rows = np.round(rng.normal(size=(3000, 3)), 6)
    Path("parts").mkdir()
    for i, part in enumerate(np.array_split(rows, 36)):
        for kind in KINDS:
            write(part, kind, f"parts/{i:02}")
    return rows


@pytest.mark.parametrize("kind", KINDS)
def test_a_glob_of_36_files_is_read_in_parallel(kind, parts, monkeypatch):
    from streamkm.sources import tables

    expected = streamkm.convert(parts, "x.zarr", chunk_rows=100)
    both, seen = threading.Barrier(2, timeout=60), set()
    plain = tables.TableSource.read

    def read(source, start, stop):
        thread = threading.get_ident()
        if thread != threading.main_thread().ident and thread not in seen:
            seen.add(thread)
            both.wait()  # for ever, were there one task
        return plain(source, start, stop)

    monkeypatch.setattr(tables.TableSource, "read", read)
    threads = make_executor("threads", 2)
    made = streamkm.convert(f"parts/*.{kind}", "y.zarr", chunk_rows=100, executor=threads)
    assert len(seen) == 2
    assert made.spec.fingerprint == expected.spec.fingerprint
    assert tree(Path("y.zarr/X")) == tree(Path("x.zarr/X"))


def test_a_glob_is_the_same_store_on_processes_shuffled_and_appended(parts):
    kind, processes = "csv.gz", make_executor("processes", 2)
    for how in ({}, {"shuffle": True}):
        a = streamkm.convert(parts, "x.zarr", overwrite=True, chunk_rows=100, **how)
        b = streamkm.convert(
            f"parts/*.{kind}", "y.zarr", overwrite=True, chunk_rows=100, executor=processes, **how
        )
        assert a.spec.fingerprint == b.spec.fingerprint
    processes.close()
    streamkm.convert(parts[:1000], "x.zarr", overwrite=True, chunk_rows=100)
    c = streamkm.convert(f"parts/*.{kind}", "x.zarr", append=True)
    np.testing.assert_array_equal(c.read(0, 4000), np.concatenate([parts[:1000], parts]))


@pytest.mark.parametrize("kind", KINDS)
def test_missing_values_are_bad_rows(kind, rng):
    rows = np.column_stack([np.round(rng.normal(size=(200, 2)), 6), np.arange(200.0)])
    missing = [(7, 0), (8, 1), (8, 0), (150, 1), (199, 0)]
    path = write(rows, kind, missing=missing)
    with pytest.raises(BadRowsError, match=r"4 rows hold NaN or infinity \(rows 7, 8, 150, 199\)"):
        streamkm.convert(path, "x.zarr")
    good = np.setdiff1d(np.arange(200), [7, 8, 150, 199])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = streamkm.convert(
            path, "x.zarr", target=f"{path}:c", on_bad_rows="drop", chunk_rows=13
        )
    assert (made.shape, made.spec.n_dropped) == ((196, 2), 4)  # the labels are no feature
    np.testing.assert_array_equal(made.read(0, 196), rows[good, :2])
    np.testing.assert_array_equal(made.labels.read(0, 196), good)


def test_a_gzipped_table_is_not_begun_again_for_every_chunk(rng, monkeypatch):
    from streamkm.sources import streams

    monkeypatch.setattr("streamkm.sources.delimited.UNIT_BYTES", 500)
    opened = []
    plain = streams.GzipOpener.__call__
    monkeypatch.setattr(
        streams.GzipOpener, "__call__", lambda self: opened.append(self.path) or plain(self)
    )
    rows = np.round(rng.normal(size=(500, 3)), 6)
    path = write(rows, "csv.gz", missing=[(i, 0) for i in range(3, 500, 17)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        streamkm.convert(path, "x.zarr", target=f"{path}:c", on_bad_rows="drop", chunk_rows=11)
    assert len(opened) <= 8  # a look, a count, a conversion; rows and labels


def test_the_command_line_chooses_columns(capsys, rng):
    Path("parts").mkdir()
    rows = rng.integers(0, 9, (20, 3))
    for i in (0, 1):
        table = table_of(rows[10 * i : 10 * i + 10]).append_column("name", pa.array(["x"] * 10))
        pq.write_table(table, f"parts/{i}.parquet")
    assert main(["convert", "parts/*.parquet", "x.zarr"]) == 1
    said = capsys.readouterr().err
    assert "not numbers: name (string); " in said
    assert "name the columns to use behind a colon: 0.parquet:a,b,c\n" in said
    words = ["--columns", "c,a", "--target", "parts/*.parquet:b"]
    assert main(["convert", "parts/*.parquet", "x.zarr", *words]) == 0
    store = streamkm.open_dataset("x.zarr")
    assert store.read(0, 20).tolist() == rows[:, [2, 0]].tolist()
    assert store.labels.read(0, 20).tolist() == rows[:, 1].tolist()
    fit = ["fit", "kmeans", "parts/*.parquet:c,a", "m.zarr", "-k", "2", "--random-state", "0"]
    assert main(fit) == 0
    assert main(["predict", "m.zarr", "parts:c,a", "labels.npy"]) == 0
    assert np.load("labels.npy").shape == (20,)
    assert main(["convert", "x.zarr", "y.zarr", "--columns", "a"]) == 1


def test_columns_are_asked_of_tables_only(rng):
    np.save("x.npy", rng.normal(size=(9, 2)))
    with pytest.raises(SourceError, match="of csv, parquet, arrow and data frames only"):
        streamkm.convert("x.npy", "x.zarr", columns=["a"])


def test_a_table_that_changed_is_converted_anew(rng):
    path = write(np.round(rng.normal(size=(9, 3)), 3), "csv", "t-1")
    seen = [identity_of(locator, None) for locator in (path, "t-*.csv", "t-*.csv:a", "csv:t-1.csv")]
    assert all(identity["files"] for identity in seen)
    write(np.round(rng.normal(size=(10, 3)), 3), "csv", "t-2")
    after = identity_of("t-*.csv", None)
    assert after != seen[1]
    assert identity_of("t-*.csv", None, "a,b") != after


@pytest.mark.parametrize(
    ("module", "locator", "extra"),
    [("pyarrow", "x.csv", "tables"), ("pyarrow", "x.parquet", "tables"), ("PIL", "p", "images")],
)
def test_a_missing_extra_is_named(module, locator, extra, monkeypatch):
    import sys

    from streamkm.errors import MissingExtraError

    Path("x.csv").write_text("1,2\n")
    Path("x.parquet").touch()
    Path("p").mkdir()
    Path("p/1.png").touch()
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf'pip install "streamkm\[{extra}\]"'):
        streamkm.open_source(locator)
