"""Hostile input: damaged files, pickles, archives that point outside, names, folders to keep.

A fixed number of damaged files for each reader; `tests.fuzz.hostile` runs more by hand.
"""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm.cluster.rundir import RunDir
from streamkm.cluster.runview import view_run
from streamkm.data.unpack import unpack
from streamkm.errors import SourceError, StoreError
from streamkm.sources import open_source
from tests.fuzz.hostile import READERS, Reading
from tests.helpers import tree

N_CASES = 2500  # two minutes for all readers on a machine that does nothing else
SLOW = {"model": 600, "zarr": 600, "store": 1500}
ODD_NAMES = ("a b", "it's", 'a "quoted" name', "new\nline", "größe-大きさ", "-dash", "%41", "a;b&c")


@pytest.fixture(scope="module")
def reading():
    with Reading() as made:
        yield made


@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_is_read_or_refused(reader, reading):
    found = [reading.run(reader, seed) for seed in range(SLOW.get(reader, N_CASES))]
    failures = [case for case in found if case["what"] == "failure"]
    assert not failures
    assert any(case["what"] == "refused" for case in found)


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.fixture
def evil(tmp_path):
    """An array whose pickle makes a folder, which is not there at the end."""
    marker = tmp_path / "marker"
    array = np.empty((3, 2), object)
    array[:] = Evil(marker)
    yield array
    assert not marker.exists()
    pickle.loads(pickle.dumps(array))  # it would have
    assert marker.exists()


def test_no_pickle_is_loaded_from_arrays(evil):
    np.save("rows.npy", evil, allow_pickle=True)
    np.savez("rows.npz", rows=evil)
    for locator in ("rows.npy", "rows.npz", "rows.npz:rows"):
        with pytest.raises(SourceError, match="not numeric"):
            open_source(locator)
    with pytest.raises(SourceError):
        streamkm.KMeans.from_centers("rows.npy")


def test_no_pickle_is_loaded_from_a_batch(evil):
    content = {b"data": evil, b"labels": [1, 2, 3]}
    Path("data_batch_1").write_bytes(pickle.dumps(content))
    with pytest.raises(SourceError, match="only NumPy arrays are admitted"):
        open_source("data_batch_1")


def test_no_pickle_is_loaded_from_a_checkpoint(evil, rng):
    streamkm.KMeans(2, random_state=0, run_dir="run").fit(rng.normal(size=(50, 2)))
    run = RunDir("run")
    assert run.load() is not None
    for name in ("checkpoint.npz", "checkpoint-previous.npz"):
        with np.load(f"run/{name}") as found:
            arrays = dict(found)
        np.savez(f"run/{name}", **{**arrays, "centers_0": evil, "extra_0_x": evil})
    assert run.load() is None


def archive_of(kind: str, entries: list[tuple[str, bytes | str, bytes]]) -> Path:
    """Write an archive of (name, content, type), where links have their target as content."""
    path = Path(f"archive.{kind}")
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as made:
            for name, content, what in entries:
                item = zipfile.ZipInfo(name)
                item.external_attr = (0o120777 if what != tarfile.REGTYPE else 0o100644) << 16
                made.writestr(item, content)
        return path
    with tarfile.open(path, "w:gz") as made:
        for name, content, what in entries:
            entry = tarfile.TarInfo(name)
            entry.type = what
            if isinstance(content, str):
                entry.linkname = content
                made.addfile(entry)
            else:
                entry.size = len(content)
                made.addfile(entry, io.BytesIO(content))
    return path


OUTSIDE = ("../evil", "/tmp/evil-of-streamkm", "a/../../evil", "a/./x", "..\\evil")


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_member_goes_where_the_caller_says_whatever_its_name(kind, name, tmp_path):
    Path("here", "out").mkdir(parents=True)
    archive = archive_of(kind, [(name, b"1234", tarfile.REGTYPE)])
    unpack(archive, name, Path("here/out/x"))
    assert tree(tmp_path).keys() == {str(archive), "here/out/x"}
    assert not Path(OUTSIDE[1]).exists()


@pytest.mark.parametrize(
    ("kind", "what"),
    [("zip", tarfile.SYMTYPE), ("tar.gz", tarfile.SYMTYPE), ("tar.gz", tarfile.LNKTYPE),
     ("tar.gz", tarfile.FIFOTYPE), ("tar.gz", tarfile.CHRTYPE), ("tar.gz", tarfile.DIRTYPE)],
)  # fmt: skip
@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "plain"])
def test_a_member_that_is_no_file_is_refused(kind, what, target, tmp_path):
    Path("secret").write_text("secret")
    Path("out").mkdir()
    archive = archive_of(kind, [("plain", b"1", tarfile.REGTYPE), ("x", target, what)])
    with pytest.raises(SourceError, match="no plain file"):
        unpack(archive, "x", Path("out/x"))
    assert not list(Path("out").iterdir())


def test_links_in_an_archive_are_no_batches():
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE)
    links = [(f"data_batch_{i}.bin", "/etc/passwd", kind) for i, kind in enumerate(kinds)]
    archive_of("tar.gz", links)
    with pytest.raises(SourceError, match="holds no data_batch"):
        open_source("archive.tar.gz")


def test_a_link_at_the_target_is_replaced_and_not_followed(rng):
    precious = Path("precious")
    precious.write_bytes(b"keep")
    Path("out.npy").symlink_to(precious)
    archive = archive_of("tar.gz", [("x", b"12345", tarfile.REGTYPE)])
    unpack(archive, "x", Path("out.npy"))
    assert precious.read_bytes() == b"keep"
    assert Path("out.npy").read_bytes() == b"12345"


def test_a_link_in_place_of_a_store_leaves_what_it_points_to(rng):
    rows = rng.normal(size=(40, 2))
    streamkm.convert(rows, "precious.zarr")
    before = tree(Path("precious.zarr"))
    Path("link.zarr").symlink_to("precious.zarr")
    streamkm.convert(rows + 1, "link.zarr", overwrite=True)
    np.testing.assert_array_equal(streamkm.Dataset("link.zarr").read(0, 40), rows + 1)
    model = streamkm.KMeans(2, random_state=0).fit("link.zarr")
    model.save("precious-model.zarr")
    kept = tree(Path("precious-model.zarr"))
    Path("link-model.zarr").symlink_to("precious-model.zarr")
    streamkm.KMeans(3, random_state=0).fit(rows).save("link-model.zarr", overwrite=True)
    Path("labels.npy").write_bytes(b"keep")
    Path("link.npy").symlink_to("labels.npy")
    model.predict("link.zarr", out="link.npy", overwrite=True)
    assert len(np.load("link.npy")) == 40
    assert Path("labels.npy").read_bytes() == b"keep"
    assert tree(Path("precious.zarr")) == before
    assert tree(Path("precious-model.zarr")) == kept


def test_an_output_never_replaces_the_folder_behind_a_link(rng):
    folder = Path("mine")
    folder.mkdir()
    (folder / "file").write_text("keep")
    Path("link.zarr").symlink_to("mine")
    with pytest.raises(StoreError):
        streamkm.convert(rng.normal(size=(40, 2)), "link.zarr", overwrite=True)
    assert tree(folder) == {"file": b"keep"}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_may_be_odd(name, rng, tmp_path):
    rows = np.concatenate([rng.normal(size=(30, 2)), 20 + rng.normal(size=(30, 2))])
    np.save(f"{name}.npy", rows)
    store, out = streamkm.convert(f"{name}.npy", f"{name}.zarr").path, f"{name}-labels.npy"
    model = streamkm.KMeans(2, random_state=0, run_dir=f"{name}-run").fit(store)
    model.save(f"{name}-model.zarr")
    streamkm.load_model(f"{name}-model.zarr").predict(f"{name}.zarr", out=out)
    assert sorted(np.bincount(np.load(out)).tolist()) == [30, 30]
    for ending in (".csv", ".parquet", ".zarr"):
        model.predict(f"{name}.npy", out=f"{name}-out{ending}")
    found = {path.name.removeprefix(name) for path in tmp_path.iterdir()}
    assert found == {
        ".npy", ".zarr", "-run", "-model.zarr", "-labels.npy", "-out.csv", "-out.parquet",
        "-out.zarr",
    }  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_commands_take_odd_names(name, rng, run):
    np.save(f"{name}.npy", rng.normal(size=(60, 2)))
    place = name if not name.startswith("-") else f"./{name}"
    assert run("convert", f"{place}.npy", f"{place}.zarr")[0] == 0
    assert run("fit", "kmeans", f"{place}.zarr", f"{place}-model.zarr", "-k", 2)[0] == 0
    words = ["predict", f"{place}-model.zarr", f"{place}.npy", f"{place}-out.npy"]
    assert run(*words)[0] == 0
    assert np.load(f"{name}-out.npy").shape == (60,)
    status, _, said = run("fit", "kmeans", f"{place}.missing.npy", "m.zarr", "-k", 2)
    assert status == 1
    assert "no such file" in said
    assert len(said.strip().splitlines()) == 1


def stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Size, inode and time of the last change of everything below a folder, and of itself."""
    return {
        str(path.relative_to(folder)): (stat.st_size, stat.st_ino, stat.st_mtime_ns)
        for path in [folder, *sorted(folder.rglob("*"))]
        for stat in [path.stat()]
    }


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_store_in_a_folder_that_cannot_be_written_is_only_read(kind, rng):
    shelf = Path("shelf")
    shelf.mkdir()
    streamkm.convert(rng.normal(size=(200, 3)), shelf / "rows.zarr")
    streamkm.KMeans(2, random_state=0).fit(str(shelf / "rows.zarr")).save(shelf / "model.zarr")
    folders = [shelf, *(path for path in shelf.rglob("*") if path.is_dir())]
    before, times = tree(shelf), stamps(shelf)
    for folder in folders:
        folder.chmod(0o555)
    try:
        model = streamkm.KMeans(3, random_state=0, executor=kind).fit(str(shelf / "rows.zarr"))
        model.predict(str(shelf / "rows.zarr"), out="labels.npy")
        streamkm.load_model(shelf / "model.zarr").predict(str(shelf / "rows.zarr"), out="l.zarr")
        assert tree(shelf) == before
        assert stamps(shelf) == times
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_a_run_that_is_looked_at_is_left_as_it_is(rng):
    streamkm.KMeans(2, random_state=0, run_dir="run").fit(rng.normal(size=(50, 2)))
    before = stamps(Path("run"))
    assert view_run("run").is_finished
    assert stamps(Path("run")) == before
