"""Growing stores: equal to one conversion, killed at any moment, refused without a trace."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import streamkm
from streamkm.cli import main
from streamkm.errors import BadRowsError, SourceError, StoreError
from tests.helpers import tree

KILLS = 8


class Killed(BaseException):
    """Stands for a SIGKILL at an exact place."""


def rows_of(n_rows, seed=0, dtype="f4"):
    return np.random.default_rng(seed).normal(10.0, 5.0, (n_rows, 3)).astype(dtype)


def convert(rows, store, **more):
    return streamkm.convert(rows, store, executor="serial", **more)


@given(
    st.integers(1, 400), st.lists(st.integers(1, 300), min_size=1, max_size=3),
    st.integers(1, 150), st.sampled_from(["none", "lz4", "zstd"]), st.booleans(),
)  # fmt: skip
def test_a_grown_store_is_the_conversion_of_all_rows(first, later, chunk_rows, codec, has_labels):
    parts = [rows_of(n, seed) for seed, n in enumerate([first, *later])]
    labels = [np.arange(len(part)) if has_labels else None for part in parts]
    convert(parts[0], "x.zarr", target=labels[0], chunk_rows=chunk_rows, codec=codec,
            overwrite=True)  # fmt: skip
    for part, target in zip(parts[1:], labels[1:], strict=True):
        grown = convert(part, "x.zarr", target=target, append=True)
    convert(
        np.concatenate(parts), "y.zarr", target=np.concatenate(labels) if has_labels else None,
        chunk_rows=min(chunk_rows, first), codec=codec, overwrite=True,
    )  # fmt: skip
    assert tree(Path("x.zarr")) == tree(Path("y.zarr"))
    assert sorted(map(str, Path().iterdir())) == ["x.zarr", "y.zarr"]
    assert grown.shape[0] == first + sum(later)


def test_it_grows_alike_on_every_executor_with_a_sample(executor):
    rows = rows_of(90_000)
    streamkm.convert(rows[:70_000], "x.zarr", chunk_rows=4096)
    streamkm.convert(rows[70_000:], "x.zarr", append=True, executor=executor)
    streamkm.convert(rows, "y.zarr", chunk_rows=4096)
    assert tree(Path("x.zarr")) == tree(Path("y.zarr"))
    assert len(streamkm.open_dataset("x.zarr").sample()[0]) < 90_000


def test_other_chunks_and_codecs_are_written_anew():
    rows = rows_of(1000)
    convert(rows[:300], "x.zarr", chunk_rows=1000, codec="lz4")
    convert(rows[300:], "x.zarr", append=True, chunk_rows=400, codec="zstd")
    convert(rows, "y.zarr", chunk_rows=400, codec="zstd")
    assert tree(Path("x.zarr")) == tree(Path("y.zarr"))


def test_full_chunks_are_linked_and_the_new_rows_alone_need_disk(monkeypatch):
    convert(rows_of(1050), "x.zarr", chunk_rows=100)
    linked = [Path(f"x.zarr/X/c/{i}/0").stat().st_ino for i in range(10)]
    asked = []
    from streamkm.conversion.staging import Staging

    monkeypatch.setattr(Staging, "check_disk", lambda self, n, more: asked.append(n))
    convert(rows_of(70), "x.zarr", append=True)
    assert [Path(f"x.zarr/X/c/{i}/0").stat().st_ino for i in range(10)] == linked
    assert asked == [120 * 12]


def test_without_hard_links_chunks_are_copied(monkeypatch):
    link = os.link

    def refused(there, here):
        if "/c/" in str(here):  # zarr links its metadata
            raise OSError(95, "Operation not supported")
        link(there, here)

    rows = rows_of(1000)
    convert(rows[:555], "x.zarr", chunk_rows=100)
    monkeypatch.setattr(os, "link", refused)
    convert(rows[555:], "x.zarr", append=True)
    convert(rows, "y.zarr", chunk_rows=100)
    assert tree(Path("x.zarr")) == tree(Path("y.zarr"))


def test_bad_rows_are_dropped_before_they_are_appended():
    rows = rows_of(1000)
    rows[[5, 400, 701, 999]] = np.nan
    with pytest.warns(UserWarning, match="2 rows"):
        convert(rows[:600], "x.zarr", chunk_rows=100, on_bad_rows="drop")
    with pytest.warns(UserWarning, match="2 rows with NaN.*first, counted from 0, are 101, 399"):
        convert(rows[600:], "x.zarr", append=True, on_bad_rows="drop")
    with pytest.warns(UserWarning, match="4 rows"):
        store = convert(rows, "y.zarr", chunk_rows=100, on_bad_rows="drop")
    assert store.spec.n_dropped == 4
    assert tree(Path("x.zarr")) == tree(Path("y.zarr"))


def test_a_shuffled_store_says_that_it_is_not_mixed_any_more():
    rows = rows_of(500)
    convert(rows[:300], "x.zarr", shuffle=True, seed=3, chunk_rows=100)
    shuffled = streamkm.open_dataset("x.zarr").read(0, 300)
    with pytest.warns(UserWarning, match="not mixed in"):
        grown = convert(rows[300:], "x.zarr", append=True)
    assert grown.spec.shuffle_seed is None
    np.testing.assert_array_equal(grown.read(0, 500), np.concatenate([shuffled, rows[300:]]))


def test_every_append_that_ends_appends_again():
    rows = rows_of(100)
    convert(rows, "x.zarr")
    for n in (2, 3):
        assert convert(rows, "x.zarr", append=True).shape[0] == n * 100


def test_the_plan_of_a_killed_conversion_is_not_taken_for_an_append(monkeypatch):
    """One that was killed after its last rename; the same rows are then appended on purpose."""

    unlink = Path.unlink

    def killing(self, **missing):
        if not missing:
            raise Killed
        unlink(self, **missing)

    rows = rows_of(100)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killing)
        with pytest.raises(Killed):
            convert(rows, "x.zarr")
    assert Path("x.zarr.partial.json").exists()
    assert convert(rows, "x.zarr", append=True).shape[0] == 200


def test_another_append_does_not_continue_a_killed_one(monkeypatch):
    def killing(*_):
        raise Killed

    convert(rows_of(500), "x.zarr", chunk_rows=100)
    with monkeypatch.context() as patch:
        patch.setattr("streamkm.conversion.staging.Staging.finalise", killing)
        with pytest.raises(Killed):
            convert(rows_of(300, 1), "x.zarr", append=True)
    grown = convert(rows_of(300, 2), "x.zarr", append=True)
    np.testing.assert_array_equal(grown.read(500, 800), rows_of(300, 2))


def test_a_link_still_names_the_store_that_grew():
    convert(rows_of(100), "real.zarr")
    Path("x.zarr").symlink_to("real.zarr")
    convert(rows_of(100), "x.zarr", append=True)
    assert Path("x.zarr").is_symlink()
    assert streamkm.open_dataset("real.zarr").shape[0] == 200


def test_a_store_is_appended_with_its_own_labels_from_the_command_line():
    convert(rows_of(200), "x.zarr", target=np.arange(200), chunk_rows=60)
    convert(rows_of(99, 1), "more.zarr", target=np.arange(99))
    assert main(["convert", "--append", "more.zarr", "x.zarr"]) == 0
    grown = streamkm.open_dataset("x.zarr")
    np.testing.assert_array_equal(grown.labels.read(150, 299), [*range(150, 200), *range(99)])
    np.testing.assert_array_equal(grown.read(200, 299), rows_of(99, 1))


def test_an_array_without_a_shape_is_appended_to_images():
    np.save("images.npy", np.zeros((20, 2, 3), np.uint8))
    convert("images.npy", "x.zarr")
    grown = convert(np.ones((5, 2, 3), np.uint8), "x.zarr", append=True)
    assert grown.spec.sample_shape == (2, 3)
    np.save("others.npy", np.ones((5, 3, 2), np.uint8))
    with pytest.raises(SourceError, match=r"sample shape: \(2, 3\) there, \(3, 2\) here"):
        convert("others.npy", "x.zarr", append=True)


@pytest.mark.parametrize(
    ("rows", "more", "says"),
    [
        (np.ones((9, 4), "f4"), {"target": np.arange(9)}, "features: 3 there, 4 here"),
        (np.ones((9, 3), "f8"), {"target": np.arange(9)}, "dtype: float32 there, float64 here"),
        (np.ones((9, 3), "f4"), {}, "labels: int64 there, none here"),
        (np.ones((9, 3), "f4"), {"target": np.arange(9, dtype="u1")}, "int64 there, uint8 here"),
        (np.ones((9, 3), "f4"), {"target": np.arange(8)}, "8 labels for 9 rows"),
        (np.ones((9, 3), "f4"), {"target": np.arange(9), "shuffle": True}, "with shuffle"),
        (np.ones((9, 3), "f4"), {"target": np.arange(9), "overwrite": True}, "with overwrite"),
        (np.ones((9, 3), "f4"), {"target": np.arange(9), "codec": "rar"}, "codec"),
        ("nothing.npy", {}, "no such file"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_touched(rows, more, says):
    convert(rows_of(250), "x.zarr", target=np.arange(250), chunk_rows=100)
    before = tree(Path())
    with pytest.raises(ValueError, match=says):
        convert(rows, "x.zarr", append=True, **more)
    assert tree(Path()) == before


def test_labels_that_the_store_lacks_are_refused():
    convert(rows_of(50), "x.zarr")
    with pytest.raises(SourceError, match="labels: none there, int64 here"):
        convert(rows_of(50), "x.zarr", append=True, target=np.arange(50))


def test_bad_rows_are_named_by_their_numbers_in_the_new_source():
    convert(rows_of(1030), "x.zarr", chunk_rows=100)
    before = tree(Path())
    bad = rows_of(500)
    bad[[7, 90]] = np.inf
    with pytest.raises(BadRowsError, match=r"1 rows hold NaN or infinity \(rows 7\)"):
        convert(bad, "x.zarr", append=True)
    assert tree(Path()) == before


def test_there_must_be_a_whole_store_that_holds_nothing_else():
    with pytest.raises(StoreError, match="no such store to append to"):
        convert(rows_of(50), "x.zarr", append=True)
    convert(rows_of(50), "x.zarr")
    group = zarr.open_group("x.zarr")
    group.create_array("sample_weight", data=np.ones(50))
    before = tree(Path())
    with pytest.raises(StoreError, match="also holds sample_weight"):
        convert(rows_of(50), "x.zarr", append=True)
    assert tree(Path()) == before


@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_a_damaged_store_is_not_grown(damage):
    convert(rows_of(500), "x.zarr", chunk_rows=100)
    file = Path("x.zarr/X/c/2/0")
    raw = bytearray(file.read_bytes())
    raw[40] ^= 1
    file.unlink()
    if damage == "flipped":
        file.write_bytes(bytes(raw))
    with pytest.raises(StoreError, match=r"x\.zarr.*damaged"):
        convert(rows_of(50), "x.zarr", append=True)


PLACES = {
    "linking": ("streamkm.conversion.append._link", 9),
    "reading": ("streamkm.conversion.appended.Appended.read", 3),
    "the last chunk": ("streamkm.conversion.appended.Appended.read", 8),
    "attributes": ("streamkm.conversion.staging.Staging.finalise", 1),
    "the last rename": ("streamkm.conversion.staging.put_in_place", 1),
    "the exchange": ("streamkm.data.exchange._exchange", 1),
    "the plan": ("pathlib.Path.unlink", None),
}


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("is_after", [False, True])
def test_killed_at_any_place_it_ends_with_the_same_bytes(
    place, is_after, can_exchange, monkeypatch
):
    """Before or after a step; where names cannot be exchanged, too."""
    import importlib

    parts = [rows_of(1050), rows_of(630, 1)]
    target = [np.arange(len(part)) for part in parts]
    convert(np.concatenate(parts), "y.zarr", target=np.concatenate(target), chunk_rows=100)
    convert(parts[0], "x.zarr", target=target[0], chunk_rows=100)
    old = tree(Path("x.zarr"))
    if not can_exchange:
        monkeypatch.setattr("streamkm.data.exchange._exchange", lambda a, b: False)
    path, nth = PLACES[place]
    owner, _, name = path.rpartition(".")
    try:
        holder = importlib.import_module(owner)
    except ModuleNotFoundError:
        module, _, cls = owner.rpartition(".")
        holder = getattr(importlib.import_module(module), cls)
    inner, seen = getattr(holder, name), []

    def killing(*args, **kwargs):
        is_it = nth is not None or (args[0].name == "x.zarr.partial.json" and not kwargs)
        seen.extend([args] if is_it else [])
        if is_it and len(seen) == (nth or 1) and not is_after:
            raise Killed
        result = inner(*args, **kwargs)
        if is_it and len(seen) == (nth or 1):
            raise Killed
        return result

    with monkeypatch.context() as patch:
        patch.setattr(holder, name, killing)
        with pytest.raises(Killed):
            convert(parts[1], "x.zarr", target=target[1], append=True)
    whole = tree(Path("y.zarr"))
    assert tree(Path("x.zarr")) in (old, whole)
    if tree(Path("x.zarr")) != whole or Path("x.zarr.partial.json").exists():
        convert(parts[1], "x.zarr", target=target[1], append=True)
    assert tree(Path("x.zarr")) == whole
    assert sorted(map(str, Path().iterdir())) == ["x.zarr", "y.zarr"]


@pytest.mark.parametrize("n_renames", [1, 2, 3, 4])
def test_killed_between_two_renames_the_old_store_comes_back(n_renames, monkeypatch):
    """Where names cannot be exchanged there is an instant without the store."""
    rows = rows_of(1000)
    convert(rows, "y.zarr", chunk_rows=100)
    convert(rows[:640], "x.zarr", chunk_rows=100)
    monkeypatch.setattr("streamkm.data.exchange._exchange", lambda a, b: False)
    rename, seen = Path.rename, []

    def killing(self, target):
        seen.append(self)
        if len(seen) == n_renames:
            raise Killed
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killing)
        with pytest.raises(Killed):
            convert(rows[640:], "x.zarr", append=True)
    assert Path("x.zarr").exists() == (n_renames != 4)
    convert(rows[640:], "x.zarr", append=True)
    assert tree(Path("x.zarr")) == tree(Path("y.zarr"))
    assert sorted(map(str, Path().iterdir())) == ["x.zarr", "y.zarr"]


SCRIPT = """
import streamkm
from streamkm.runtime import make_executor

executor = make_executor("threads", 2)
executor.listener = lambda event: print(type(event).__name__, flush=True)
streamkm.convert("blobs:1200000x32?seed=1", "x.zarr", append=True, executor=executor,
                 memory_limit="1GiB")
"""


def test_killed_by_the_system_it_ends_with_the_same_bytes(tmp_path):
    """Some milliseconds after it began to work; the old store is read in between."""
    first = streamkm.convert("blobs:300000x32?seed=0", "x.zarr", chunk_rows=8000)
    old = tree(Path("x.zarr"))
    moments = random.Random(5)
    command = [sys.executable, "-c", SCRIPT]
    killed = 0
    for _ in range(KILLS):
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(moments.uniform(0.0, 0.12))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += 1
        assert tree(Path("x.zarr")) == old
    assert killed == KILLS
    done = len(list(Path("x.zarr.partial/X/c").iterdir()))
    assert done > 300_000 // 8000
    parts = [streamkm.open_dataset("x.zarr"), streamkm.open_source("blobs:1200000x32?seed=1")]
    rows = np.concatenate([part.read(0, part.shape[0]) for part in parts])
    labels = np.concatenate([part.labels.read(0, part.shape[0]) for part in parts])
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    streamkm.convert(rows, "y.zarr", target=labels, chunk_rows=8000)
    grown, straight = tree(Path("x.zarr")), tree(Path("y.zarr"))
    named = first.spec.source.encode()
    assert straight.pop("zarr.json").replace(b'"source": "array"', b'"source": "%s"' % named) == (
        grown.pop("zarr.json")
    )
    assert grown == straight
    assert not list(tmp_path.glob("*.partial*"))
