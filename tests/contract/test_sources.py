"""Every row of SOURCES: ranges agree with the whole, pickling, damage is one clear error."""

from __future__ import annotations

import gzip
import pickle
import struct
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from streamkm.errors import SourceError
from streamkm.sources import SOURCES, open_column, open_source
from streamkm.typing import RowSource
from tests.contract.written import WRITERS

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (50, 4, 3), np.uint8)
FLOATS = RNG.normal(size=(50, 6)).astype(np.float32)
PIXELS = RNG.integers(0, 256, (20, 3072), np.uint8)
CLASSES = RNG.integers(0, 10, 20, np.uint8)


def write_idx(path: Path, array: np.ndarray, code: int = 8) -> None:
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    raw = header + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def cifar_records() -> bytes:
    return np.concatenate([CLASSES[:, None], PIXELS], axis=1).tobytes()


def make(kind: str, folder: Path) -> tuple[str, np.ndarray]:
    """Write one example and return its locator and its rows."""
    if kind in WRITERS:
        return WRITERS[kind](folder)  # the tests run in this folder
    if kind in ("idx", "idx.gz"):
        path = folder / ("images-idx3-ubyte" + (".gz" if kind.endswith("gz") else ""))
        write_idx(path, IMAGES)
        return str(path), IMAGES.reshape(50, -1)
    if kind == "idx-float":
        write_idx(folder / "floats.idx", FLOATS, 0x0D)
        return str(folder / "floats.idx"), FLOATS
    if kind == "cifar-bin":
        (folder / "data_batch_1.bin").write_bytes(cifar_records())
        return str(folder / "data_batch_1.bin"), PIXELS
    if kind == "cifar-python":
        content = {b"data": PIXELS, b"labels": CLASSES.tolist()}
        (folder / "data_batch_1").write_bytes(pickle.dumps(content, protocol=2))
        return str(folder / "data_batch_1"), PIXELS
    if kind in ("cifar-folder", "cifar-tar"):
        inner = folder / "cifar"
        inner.mkdir()
        for i in (1, 2):
            (inner / f"data_batch_{i}.bin").write_bytes(cifar_records())
        (inner / "test_batch.bin").write_bytes(cifar_records())
        if kind == "cifar-folder":
            return str(inner), np.concatenate([PIXELS, PIXELS])
        with tarfile.open(folder / "cifar.tar.gz", "w:gz") as archive:
            archive.add(inner, "cifar-10-batches-bin")
        return str(folder / "cifar.tar.gz"), np.concatenate([PIXELS, PIXELS])
    if kind == "cifar100":
        coarse = RNG.integers(0, 20, 20, np.uint8)
        records = np.concatenate([coarse[:, None], CLASSES[:, None], PIXELS], axis=1)
        (folder / "train.bin").write_bytes(records.tobytes())
        return f"cifar100:{folder / 'train.bin'}", PIXELS
    if kind in ("npy", "npy-fortran"):
        values = np.asfortranarray(FLOATS) if kind == "npy-fortran" else FLOATS
        np.save(folder / "rows.npy", values)
        return str(folder / "rows.npy"), FLOATS
    if kind in ("npz", "npz-stored"):
        save = np.savez if kind == "npz-stored" else np.savez_compressed
        save(folder / "rows.npz", a=FLOATS, b=FLOATS + 1)
        return f"{folder / 'rows.npz'}:b", FLOATS + 1
    if kind == "hdf5":
        with h5py.File(folder / "rows.h5", "w") as file:
            file.create_dataset("train/data", data=FLOATS, chunks=(7, 2), compression="gzip")
            file.create_dataset("test/data", data=FLOATS[:3])
        return f"{folder / 'rows.h5'}:train/data", FLOATS
    if kind in ("zarr-2", "zarr-3"):
        array = zarr.create_array(
            folder / "rows.zarr",
            shape=FLOATS.shape,
            dtype="f4",
            chunks=(8, 6),
            zarr_format=int(kind[-1]),
        )
        array[:] = FLOATS
        return str(folder / "rows.zarr"), FLOATS
    if kind == "zarr-sharded":
        array = zarr.create_array(
            folder / "rows.zarr", shape=FLOATS.shape, dtype="f4", chunks=(4, 6), shards=(16, 6)
        )
        array[:] = FLOATS
        return str(folder / "rows.zarr"), FLOATS
    locator = {"blobs": "blobs:9000x3?centers=4&seed=5", "digits": "digits:9000?seed=2"}[kind]
    return locator, open_source(locator).read(0, 9000)


KINDS = [
    "idx", "idx.gz", "idx-float", "cifar-bin", "cifar-python", "cifar-folder", "cifar-tar", "npy",
    "npy-fortran", "npz", "npz-stored", "hdf5", "zarr-2", "zarr-3", "zarr-sharded", "blobs",
    "digits", "cifar100", *WRITERS,
]  # fmt: skip


@pytest.fixture(autouse=True)
def _small_units(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables of 50 rows be read in several pieces."""
    if "real_data" in request.keywords:
        return
    for module in ("delimited", "parquet", "arrow_ipc"):
        monkeypatch.setattr(f"streamkm.sources.{module}.UNIT_BYTES", 200)


def test_every_row_of_sources_is_tried():
    tried = {kind.partition("-")[0].partition(".")[0] for kind in KINDS}
    assert {row.name for row in SOURCES} <= tried | {"array"}


@pytest.mark.parametrize("kind", KINDS)
def test_any_range_is_a_part_of_the_whole(kind, tmp_path):
    locator, rows = make(kind, tmp_path)
    source = open_source(locator)
    assert isinstance(source, RowSource)
    assert source.shape == rows.shape
    assert source.dtype == rows.dtype
    for start, stop in ((0, 5), (3, 4), (len(rows) - 7, len(rows)), (1, len(rows) - 1), (0, 1)):
        read = source.read(start, stop)
        assert read.dtype == source.dtype
        np.testing.assert_array_equal(read, rows[start:stop])


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_travels_to_a_worker(kind, tmp_path):
    locator, rows = make(kind, tmp_path)
    source = open_source(locator)
    source.read(0, 2)
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.read(1, 9), rows[1:9])


@pytest.mark.parametrize(
    "kind", ["cifar-bin", "cifar-python", "cifar-folder", "cifar-tar", "cifar100"]
)
def test_labels_come_with_cifar(kind, tmp_path):
    source = open_source(make(kind, tmp_path)[0])
    np.testing.assert_array_equal(source.labels.read(2, 17), CLASSES[2:17])


@pytest.mark.parametrize("kind", ["blobs", "digits"])
def test_labels_of_computed_rows_belong_to_their_rows(kind, tmp_path):
    source = open_source(make(kind, tmp_path)[0])
    labels = source.labels.read(0, 9000)
    rows = source.read(0, 9000)
    means = np.stack([rows[labels == c].mean(axis=0) for c in np.unique(labels)])
    nearest = ((rows[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (np.unique(labels)[nearest] == labels).mean() > 0.8
    np.testing.assert_array_equal(source.labels.read(4000, 4500), labels[4000:4500])


def test_labels_lie_beside_idx_images(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", IMAGES)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.arange(50, dtype=np.uint8))
    source = open_source(tmp_path / "train-images-idx3-ubyte")
    assert source.info.sample_shape == (4, 3)
    assert source.labels.read(10, 12).tolist() == [10, 11]


def test_labels_are_found_under_the_other_name_too(tmp_path):
    write_idx(tmp_path / "t10k-images.idx3-ubyte", IMAGES)
    write_idx(tmp_path / "t10k-labels.idx1-ubyte", np.arange(50, dtype=np.uint8))
    assert open_source(tmp_path / "t10k-images.idx3-ubyte").labels.read(3, 4).tolist() == [3]


def test_columns_are_one_number_a_row(tmp_path):
    np.save(tmp_path / "y.npy", np.arange(5))
    assert open_column(tmp_path / "y.npy").read(1, 3).tolist() == [1, 2]
    np.save(tmp_path / "x.npy", FLOATS)
    with pytest.raises(SourceError, match="one value a row"):
        open_column(tmp_path / "x.npy")


TRUNCATED = [
    "idx", "idx.gz", "cifar-bin", "cifar-python", "cifar-tar", "npy", "npz", "hdf5", "cifar100",
    "csv-gz", "parquet", "parquet-groups", "arrow", "arrow-feather", "vecs", "vecs-bytes",
]  # fmt: skip


@pytest.mark.parametrize("kind", TRUNCATED)
@pytest.mark.parametrize("share", [0.0, 0.31, 0.97])
def test_a_truncated_file_is_one_clear_error(kind, share, tmp_path):
    locator, rows = make(kind, tmp_path)
    path = Path(locator.removeprefix("cifar100:").partition(":")[0])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SourceError) as caught:
        open_source(locator).read(0, len(rows))
    assert path.name in str(caught.value)


def test_a_header_that_promises_too_much_is_refused_before_memory_is_taken(tmp_path):
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 1 << 20, 1 << 10, 1 << 10)
    for name in ("huge-idx3-ubyte", "huge-idx3-ubyte.gz"):
        raw = header + b"\0" * 1000
        (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
        with pytest.raises(SourceError, match=r"promises 1099511627792\s"):
            open_source(tmp_path / name)


class Harmful:
    def __reduce__(self):
        import os

        return (os.system, ("touch harmed",))


def test_a_pickle_that_imports_is_refused_and_does_nothing(tmp_path):
    content = {b"data": Harmful(), b"labels": [0]}
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(content))
    with pytest.raises(SourceError, match="only NumPy arrays are admitted"):
        open_source(tmp_path / "data_batch_1")
    assert not Path("harmed").exists()


@pytest.mark.parametrize(
    ("locator", "says"),
    [
        ("missing.npy", "no such file"),
        ("missing", "no such file"),
        ("blobs:10", "ROWSxCOLUMNS"),
        ("blobs:10x2?color=red", "unknown option"),
        ("blobs:0x2", "positive whole number"),
        ("digits:many", "digits:many: 'many' is not a positive whole number"),
    ],
)
def test_what_cannot_be_opened_says_why(locator, says):
    with pytest.raises(SourceError, match=says):
        open_source(locator)


def test_an_unknown_format_lists_the_known_ones(tmp_path):
    (tmp_path / "rows.xyz").write_text("1 2 3")
    with pytest.raises(SourceError, match=r"format not recognised.*\.npy"):
        open_source(tmp_path / "rows.xyz")


def test_object_arrays_are_refused(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    with pytest.raises(SourceError, match="not numeric"):
        open_source(tmp_path / "o.npy")


def test_a_file_of_several_matrices_asks_which(tmp_path):
    locator, _ = make("hdf5", tmp_path)
    with pytest.raises(SourceError, match="train/data"):
        open_source(locator.partition(":")[0])


@pytest.mark.real_data
def test_the_real_files_open(data_dir):
    mnist = open_source(data_dir / "mnist" / "train-images-idx3-ubyte.gz")
    assert mnist.shape == (60000, 784)
    counts = np.bincount(mnist.labels.read(0, 60000)).tolist()
    assert counts == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    cifar = open_source(data_dir / "cifar10")
    assert (cifar.shape, cifar.info.sample_shape) == ((20000, 3072), (3, 32, 32))
    usps = open_source(f"{data_dir}/hdf5/usps.h5:train/data")
    with h5py.File(data_dir / "hdf5" / "usps.h5") as file:
        np.testing.assert_array_equal(usps.read(400, 1000), file["train/data"][400:1000])
    worm = open_source(f"{data_dir}/hdf5/worm_neuron_cell.h5")
    with h5py.File(data_dir / "hdf5" / "worm_neuron_cell.h5") as file:
        np.testing.assert_array_equal(worm.read(4000, 4010), file["X"][4000:4010])


@pytest.mark.real_data
def test_the_real_tables_open(data_dir):
    tables = data_dir / "tables"
    skin = open_source(f"{tables}/skin.csv:r,g,b")
    assert (skin.shape, skin.dtype) == ((245057, 3), np.int64)
    expected = np.loadtxt(tables / "skin.csv", delimiter=",", skiprows=200_001, usecols=(0, 1, 2))
    np.testing.assert_array_equal(skin.read(200_000, 245_057), expected)
    assert np.bincount(open_column(f"{tables}/skin.csv:skin").read(0, 245057)).tolist() == [
        0, 50859, 194198,
    ]  # fmt: skip
    with pytest.raises(SourceError, match=r"id \(line 2: 'id2070428'\), pickup_datetime"):
        open_source(tables / "nyc-taxi-sample.csv.gz")
    taxi = open_source(f"{tables}/nyc-taxi-sample.csv.gz:pickup_longitude,pickup_latitude")
    assert taxi.shape == (73177, 2)
    assert taxi.read(73176, 73177).dtype == np.float64
    with pytest.raises(SourceError, match=r"Well Name \(string\)"):
        open_source(tables / "oil-and-gas.parquet")
    wells = open_source(f"{tables}/oil-and-gas.parquet:Surface Longitude,Surface Latitude")
    assert wells.shape == (260374, 2)
    assert np.abs(wells.read(200_000, 260_374) - (-76.5, 42.5)).max() < 4
