"""`convert --repair`: damaged chunks come back to the byte from the source, or nothing does."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm import KMeans
from streamkm.errors import SourceError, StoreError
from tests.helpers import run_command, tree

N_ROWS = 1000


def flip(file, at=20):
    content = bytearray(file.read_bytes())
    content[at] ^= 16
    file.write_bytes(content)


def cut(file):
    os.truncate(file, file.stat().st_size // 2)


def empty(file):
    os.truncate(file, 0)


@pytest.fixture
def rows(rng):
    rows = rng.integers(0, 5, (N_ROWS, 6)).astype("f4")  # compresses
    np.save("x.npy", rows)
    np.save("y.npy", np.arange(N_ROWS) % 7)
    return rows


def convert(**more):
    return streamkm.convert("x.npy", "x.zarr", target="y.npy", **{"chunk_rows": 100, **more})


def repair(**more):
    return streamkm.convert("x.npy", "x.zarr", target="y.npy", repair=True, **more)


@pytest.mark.parametrize("damage", [flip, cut, empty, Path.unlink])
@pytest.mark.parametrize("codec", ["none", "lz4", "zstd"])
def test_a_damaged_chunk_is_named_and_comes_back(damage, codec, rows):
    convert(codec=codec)
    whole = tree(Path("x.zarr"))
    damage(Path("x.zarr/X/c/3/0"))
    with pytest.raises(StoreError, match=r"c/3/0.*streamkm convert SRC .*x\.zarr --repair"):
        KMeans(2, random_state=0).fit("x.zarr")
    with pytest.warns(UserWarning, match="1 chunk damaged and written anew: X 3"):
        assert np.array_equal(repair().read(0, N_ROWS), rows)
    assert tree(Path("x.zarr")) == whole
    assert sorted(file.name for file in Path().iterdir()) == ["x.npy", "x.zarr", "y.npy"]


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_labels_and_many_chunks_come_back(executor, rows):
    convert()
    whole = tree(Path("x.zarr"))
    for name in ("X/c/0/0", "X/c/9/0", "y/c/9", "y/c/4"):
        flip(Path("x.zarr", name), at=-1)
    with pytest.warns(UserWarning, match="4 chunks damaged and written anew: X 0, X 9, y 4, y 9"):
        repair(executor=executor)
    assert tree(Path("x.zarr")) == whole


def test_rows_that_were_shuffled_or_left_out_come_back(rows):
    rows[[5, 250, 251, 999]] = np.nan
    np.save("x.npy", rows)
    with pytest.warns(UserWarning, match="4 rows"):
        convert(shuffle=True, seed=3, on_bad_rows="drop")
    whole = tree(Path("x.zarr"))
    for name in ("X/c/0/0", "X/c/9/0", "y/c/4"):
        flip(Path("x.zarr", name))
    with pytest.warns(UserWarning, match="3 chunks damaged and written anew"):
        repair()
    assert tree(Path("x.zarr")) == whole


def test_a_store_that_grew_is_repaired_from_all_its_rows(rows):
    np.save("a.npy", rows[:350])
    np.save("b.npy", rows[350:])
    streamkm.convert("a.npy", "x.zarr", chunk_rows=100)
    streamkm.convert("b.npy", "x.zarr", append=True)
    whole = tree(Path("x.zarr"))
    flip(Path("x.zarr/X/c/3/0"))
    with pytest.raises(SourceError, match="rows: 1000 there, 350 here"):
        streamkm.convert("a.npy", "x.zarr", repair=True)
    with pytest.warns(UserWarning, match="X 3"):
        streamkm.convert("x.npy", "x.zarr", repair=True)
    assert tree(Path("x.zarr")) == whole


def test_other_rows_do_not_get_in(rows):
    convert()
    flip(Path("x.zarr/X/c/3/0"))
    damaged = tree(Path("x.zarr"))
    rows[350, 2] += 1
    np.save("x.npy", rows)
    with pytest.raises(SourceError, match=r"not those that .* was made of.*nothing was changed"):
        repair()
    assert tree(Path("x.zarr")) == damaged
    assert sorted(file.name for file in Path().iterdir()) == ["x.npy", "x.zarr", "y.npy"]


def test_a_store_without_damage_is_left_alone(rows):
    convert()
    times = {file: file.stat().st_mtime_ns for file in Path("x.zarr").rglob("*")}
    with pytest.warns(UserWarning, match="no chunk is damaged"):
        repair()
    assert times == {file: file.stat().st_mtime_ns for file in Path("x.zarr").rglob("*")}


def test_a_conversion_that_goes_on_writes_damaged_chunks_again(rows, monkeypatch):
    """As after a power cut: a chunk has its name, but not its bytes."""
    alone = tree(Path(convert().path))
    streamkm.data.store.discard(Path("x.zarr"))
    place = streamkm.conversion.staging.put_in_place
    monkeypatch.setattr("streamkm.conversion.staging.put_in_place", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        convert()
    monkeypatch.setattr("streamkm.conversion.staging.put_in_place", place)
    flip(Path("x.zarr.partial/X/c/3/0"))
    empty(Path("x.zarr.partial/X/c/4/0"))
    convert()
    assert tree(Path("x.zarr")) == alone


def fail(*_):
    raise RuntimeError("power cut")


def test_the_command(rows, run, tmp_path):
    assert run("convert", "x.npy", "x.zarr", "--chunk-rows", 100)[0] == 0
    flip(Path("x.zarr/X/c/3/0"))
    repaired = run_command(["convert", "x.npy", "x.zarr", "--repair"], tmp_path)
    assert repaired.returncode == 0
    assert repaired.stderr == "streamkm: warning: 1 chunk damaged and written anew: X 3\n"
    assert run("convert", "x.npy", "nowhere.zarr", "--repair")[0] == 1
    status, _, err = run("convert", "x.npy", "x.zarr", "--repair", "--overwrite")
    assert (status, err) == (1, "streamkm: repair cannot be combined with overwrite\n")
