"""What is damaged: a small valid file of every kind, and how the public API reads it."""

from __future__ import annotations

import random
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numcodecs
import numpy as np
import pyarrow as pa
import zarr
from PIL import Image

import streamkm
from streamkm.cluster.rundir import RunDir
from streamkm.cluster.runview import view_run
from streamkm.data.dataset import kind_of
from streamkm.data.unpack import unpack
from streamkm.errors import MemoryLimitError
from streamkm.sources import open_column, open_source
from tests.contract.test_sources import make
from tests.contract.written import write_ipc
from tests.fuzz.mutations import (
    damaged,
    damaged_checked,
    damaged_gzip,
    damaged_json,
    damaged_lines,
    damaged_zip,
)

BLOCK_BYTES: Final = 1 << 18
MOST_BLOCKS: Final = 8
PLANNED_BYTES: Final = 32 << 20  # what a plan would grant to one read

Tree = dict[str, bytes]
Change = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """Files of one kind.

    Parameters
    ----------
    name
        Of the reader.
    templates
        Each writes a valid example into the working folder and returns what
        `read` is given.
    read
        Opens it and reads all.
    writes
        Whether reading may change the files: a run cuts its history.
    spare_bytes
        What reading may take, however small the file is.
    """

    name: str
    templates: Sequence[Callable[[], str]]
    read: Callable[[str], None]
    writes: bool = False
    spare_bytes: int = 64 << 20


def drain(source: Any) -> None:
    """Read a source as a plan would: in blocks, and not where one row is more than it grants."""
    n_rows, n_features = source.shape
    assert isinstance(n_rows, int), "shape is not of integers"
    assert isinstance(n_features, int), "shape is not of integers"
    assert min(n_rows, n_features) > 0, f"the shape {source.shape} was not refused"
    info, dtype = source.info, source.dtype
    assert dtype.kind in "buif", f"dtype {dtype}"
    row_bytes = n_features * dtype.itemsize
    if info.scratch_bytes + row_bytes > PLANNED_BYTES:
        raise MemoryLimitError("a plan refuses it")
    step = max(min(BLOCK_BYTES // row_bytes, n_rows), 1)
    starts = list(range(0, n_rows, step)[:MOST_BLOCKS])
    for start in dict.fromkeys([*starts, max(n_rows - step, 0)]):
        stop = min(start + step, n_rows)
        rows = source.read(start, stop)
        assert rows.shape == (stop - start, n_features), f"{rows.shape} for {stop - start} rows"
        assert rows.dtype == dtype, f"{rows.dtype} for {dtype}"
    if source.labels is not None:
        _drain_column(source.labels)


def _drain_column(column: Any) -> None:
    stop = min(column.shape[0], 1000)
    values = column.read(0, stop)
    assert values.shape == (stop,), f"labels of shape {values.shape} for {stop}"


def read_rows(locator: str) -> None:
    """Rows of a locator, or with an @ before it one column."""
    if locator.startswith("@"):
        _drain_column(open_column(locator[1:]))
    else:
        drain(open_source(locator))


def read_store(locator: str) -> None:
    kind_of(locator)
    dataset = streamkm.Dataset(locator)
    drain(dataset)
    if dataset.sample_weight is not None:
        _drain_column(dataset.sample_weight)
    if dataset.shape[0] * dataset.spec.row_bytes < BLOCK_BYTES:
        numbers, rows = dataset.sample()
        assert len(numbers) == len(rows)
    drain(open_source(locator))


def read_model(locator: str) -> None:
    model = streamkm.load_model(locator)
    n_features = model.n_features_in_
    repr(model)
    if n_features < 1000:
        labels = model.predict(np.zeros((3, n_features)))
        assert labels.shape == (3,)
        assert labels.min() >= 0
        assert labels.max() < len(model.cluster_centers_)


def read_run(locator: str) -> None:
    view = view_run(locator)
    assert isinstance(view.about, dict)
    assert all(isinstance(record, dict) for record in view.history)
    run = RunDir(locator)
    run.read()
    run.load()


def read_archive(locator: str) -> None:
    """Take a member out of an archive, into the folder that was asked for."""
    Path("out").mkdir(exist_ok=True)
    try:
        unpack(Path(locator), "inner/rows.npy", Path("out", "rows.npy"))
    finally:
        found = {path.name for path in Path("out").iterdir()} - {"rows.npy"}
        assert not found, f"{found} were left"
        shutil.rmtree("out")


def _made(kind: str) -> Callable[[], str]:
    return lambda: make(kind, Path())[0]


def _labels_of_text() -> str:
    Path("rows.csv").write_text("a,kind\n" + "".join(f"{i},{'xy'[i % 2]}\n" for i in range(30)))
    return "@rows.csv:kind"


def _labels_of_arrow() -> str:
    kinds = pa.array(["x", "y"] * 15).dictionary_encode()
    write_ipc(Path("rows.arrow"), pa.table({"a": range(30), "kind": kinds}))
    return "@rows.arrow:kind"


def _hdf5(name: str, **options: Any) -> Callable[[], str]:
    """An HDF5 file of one dataset: contiguous, in chunks, under filters."""

    def write() -> str:
        values = np.arange(240, dtype=options.pop("dtype", "f4")).reshape(40, 6)
        libver = options.pop("libver", None)
        with h5py.File(name, "w", libver=libver) as file:
            file.create_dataset("data", data=values, **options)
        return f"{name}:data"

    return write


def _zarr(**options: Any) -> Callable[[], str]:
    def write() -> str:
        array = zarr.create_array("rows.zarr", shape=(50, 6), dtype="f4", chunks=(8, 4), **options)
        array[:] = np.arange(300, dtype="f4").reshape(50, 6)
        return "rows.zarr"

    return write


def _zarr_group() -> str:
    group = zarr.create_group("rows.zarr", zarr_format=3)
    array = group.create_array("a/b", shape=(20, 3), dtype="i2", chunks=(6, 3))
    array[:] = np.arange(60, dtype="i2").reshape(20, 3)
    return "rows.zarr:a/b"


def _images(ending: str, mode: str = "RGB", **options: Any) -> Callable[[], str]:
    def write() -> str:
        rng = np.random.default_rng(3)
        for i in range(3):
            place = Path("pictures", "ab"[i % 2])
            place.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(rng.integers(0, 255, (5, 7, 3)).astype(np.uint8))
            image.convert(mode).save(place / f"{i}.{ending}", **options)
        return f"images:pictures?{'size=6x4' if mode == 'RGB' else 'mode=grey'}"

    return write


def _store(codec: str, n_labels: int = 2, **options: Any) -> Callable[[], str]:
    def write() -> str:
        rng = np.random.default_rng(0)
        rows, labels = rng.normal(size=(60, 4)).astype("f4"), np.arange(60) % n_labels
        streamkm.convert(rows, "rows.zarr", target=labels, codec=codec, **options)
        return "rows.zarr"

    return write


def _rows() -> Any:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(30, 3)), 20 + rng.normal(size=(30, 3))])


def _model(name: str, **options: Any) -> Callable[[], str]:
    def write() -> str:
        made = getattr(streamkm, name)(3, random_state=0, executor="serial", **options)
        made.fit(_rows()).save("model.zarr")
        return "model.zarr"

    return write


def _run(name: str, **options: Any) -> Callable[[], str]:
    def write() -> str:
        made = getattr(streamkm, name)(3, random_state=0, executor="serial", **options)
        made.set_params(run_dir="run").fit(_rows())
        return "run"

    return write


def _tar() -> str:
    np.save("rows.npy", np.arange(30.0))
    with tarfile.open("rows.tar.gz", "w:gz") as archive:
        archive.add("rows.npy", "inner/rows.npy")
    Path("rows.npy").unlink()
    return "rows.tar.gz"


def _zip() -> str:
    np.save("rows.npy", np.arange(30.0))
    with zipfile.ZipFile("rows.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write("rows.npy", "inner/rows.npy")
    Path("rows.npy").unlink()
    return "rows.zip"


def _made_all(*kinds: str) -> list[Callable[[], str]]:
    return [_made(kind) for kind in kinds]


TARGETS: Final = {
    target.name: target
    for target in (
        Target("idx", _made_all("idx", "idx.gz", "idx-float"), read_rows),
        Target("cifar", _made_all("cifar-bin", "cifar-python", "cifar-tar"), read_rows),
        Target("cifar100", _made_all("cifar100"), read_rows),
        Target("npy", _made_all("npy", "npy-fortran"), read_rows),
        Target("npz", _made_all("npz", "npz-stored"), read_rows),
        Target(
            "csv",
            [
                *_made_all("csv", "csv-gz", "csv-plain", "csv-quoted", "csv-tabs", "csv-txt"),
                _labels_of_text,
            ],
            read_rows,
        ),
        Target("parquet", _made_all("parquet", "parquet-groups", "parquet-lists"), read_rows),
        Target(
            "arrow",
            [*_made_all("arrow", "arrow-lists", "arrow-feather", "arrow-glob"), _labels_of_arrow],
            read_rows,
        ),
        Target(
            "hdf5",
            [
                *_made_all("hdf5"),
                _hdf5("plain.h5"),
                _hdf5("shuffled.h5", chunks=(7, 2), compression="gzip", shuffle=True),
                _hdf5("new.h5", chunks=(7, 6), compression="gzip", libver="latest"),
                _hdf5("stream.h5", chunks=(40, 6), compression="gzip", dtype="f8"),
                _hdf5("summed.h5", chunks=(8, 6), fletcher32=True, compression="lzf"),
                _hdf5("offset.h5", chunks=(8, 6), scaleoffset=3, dtype="i4"),
            ],
            read_rows,
            spare_bytes=320 << 20,  # what opening is granted, and the rest
        ),
        Target(
            "zarr",
            [
                *_made_all("zarr-2", "zarr-3", "zarr-sharded"),
                _zarr(zarr_format=2, compressors=numcodecs.GZip(), filters=[numcodecs.Delta("f4")]),
                _zarr(compressors=zarr.codecs.GzipCodec()),
                _zarr(compressors=zarr.codecs.BloscCodec()),
                _zarr(filters=[zarr.codecs.TransposeCodec(order=(1, 0))]),
                _zarr(compressors=None, filters=None),
                _zarr_group,
            ],
            read_rows,
        ),
        Target(
            "images",
            [
                _images("png"),
                _images("jpg"),
                _images("gif", "P"),
                _images("bmp"),
                _images("webp"),
                _images("tif", compression="tiff_lzw"),
                _images("png", "L"),
            ],
            read_rows,
        ),
        Target("vecs", _made_all("vecs", "vecs-bytes", "vecs-whole"), read_rows),
        Target(
            "store",
            [_store("lz4"), _store("zstd"), _store("none", chunk_rows=16)],
            read_store,
        ),
        Target(
            "model",
            [
                _model("KMeans"),
                _model("KMeans", scale="standard"),
                _model("MiniBatchKMeans"),
                _model("BisectingKMeans"),
                _model("StreamKM"),
                _model("SpectralClustering"),
            ],
            read_model,
        ),
        Target("run", [_run("KMeans", n_init=2), _run("BisectingKMeans")], read_run, writes=True),
        Target("unpack", [_tar, _zip], read_archive),
    )
}


def change_of(name: str) -> Change:
    """Return how a file is damaged, by its name."""
    base = name.rpartition("/")[2]
    if base == "history.jsonl":
        return damaged_lines
    if base.endswith(".json") or base in (".zarray", ".zattrs", ".zgroup"):
        return damaged_json
    if base.endswith((".npz", ".zip")):
        return damaged_zip
    if base.endswith((".gz", ".tgz")):
        return damaged_gzip
    if "/c/" in name:
        return damaged_checked
    return damaged


def mutated(tree: Tree, rng: random.Random) -> Tree:
    """Damage one file of a tree, seldom two; seldom one is missing."""
    changed = dict(tree)
    for _ in range(rng.choice((1, 1, 1, 1, 2))):
        # Of the files of a kind one is as good as another: first a kind.
        kinds: dict[str, list[str]] = {}
        for name in changed:
            kinds.setdefault(name if "/c/" not in name else "chunk", []).append(name)
        name = rng.choice(kinds[rng.choice(list(kinds))])
        if len(tree) > 1 and rng.random() < 0.03:
            del changed[name]
        elif len(changed[name]) or rng.random() < 0.5:
            change = change_of(name) if changed[name] == tree[name] else damaged
            changed[name] = change(changed[name], rng)
    return changed


def put(tree: Tree, folder: Path) -> None:
    """Write a tree of files."""
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
