"""What damaged files once did: each was found by `tests.fuzz.hostile`, or looked for by reading."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import resource
import struct
import sys
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import h5py
import numcodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

import streamkm
from streamkm.cluster.rundir import RunDir
from streamkm.cluster.runview import view_run
from streamkm.data.dataset import kind_of
from streamkm.data.unpack import unpack
from streamkm.errors import SourceError, StoreError
from streamkm.sources import open_column, open_source
from tests.contract.written import write_ipc

ROWS = np.arange(120, dtype=np.float32).reshape(40, 3)
DEEP = "[" * 100_000


def npy(header: str, version: int = 1, promised: int | None = None) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", promised or len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + bytes(100)


@pytest.mark.parametrize(
    ("header", "match"),
    [
        ("{'descr': '<f4', 'shape': (", r"not a \.npy"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 6)}", "no rows"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -6)}", "no rows"),
        ("(" * 9000, r"not a \.npy"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "not numeric"),
    ],
)
def test_a_header_of_npy_that_is_no_header(header, match):
    Path("rows.npy").write_bytes(npy(header))
    with pytest.raises(SourceError, match=match):
        open_source("rows.npy")


def test_a_header_of_npy_that_is_said_to_be_large():
    Path("rows.npy").write_bytes(npy("{'descr'", 2, (1 << 32) - 1))
    tracemalloc.start()
    with pytest.raises(SourceError, match=r"not a \.npy"):
        open_source("rows.npy")
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_an_archive_of_something_else():
    with zipfile.ZipFile("rows.npz", "w") as archive:
        archive.writestr("notes.txt", "no array")
    with pytest.raises(SourceError, match=r"not a \.npy"):
        open_source("rows.npz")


def of_method(path: str, name: str, method: int) -> None:
    """A zip whose member is said to be compressed in some other way."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, npy("{}"))
    data = bytearray(Path(path).read_bytes())
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = data.index(mark) + place
        data[at : at + 2] = struct.pack("<H", method)
    Path(path).write_bytes(data)


@pytest.mark.parametrize("method", [0, 1, 12, 99])
def test_an_archive_that_is_compressed_in_some_other_way(method):
    of_method("rows.npz", "rows.npy", method)
    with pytest.raises(SourceError):
        open_source("rows.npz").read(0, 1)
    of_method("rows.zip", "rows.npy", method)
    with pytest.raises(SourceError, match="damaged"):
        unpack(Path("rows.zip"), "rows.npy", Path("out.npy"))
    assert not list(Path().glob("out*"))


def test_names_of_any_length_in_an_archive():
    with zipfile.ZipFile("rows.zip", "w") as archive:
        archive.writestr("x" * 4000, npy("{}"))
    data = bytearray(Path("rows.zip").read_bytes())
    data[40] = 0  # the name in front of the member: another one than in the directory
    Path("rows.zip").write_bytes(data)
    with pytest.raises(SourceError, match="damaged") as found:
        unpack(Path("rows.zip"), "x" * 4000, Path("out.npy"))
    assert len(str(found.value)) < 300


def test_names_in_an_archive_that_are_no_text():
    with zipfile.ZipFile("rows.zip", "w") as archive:
        archive.writestr("größe.npy", npy("{}"))
    data = Path("rows.zip").read_bytes().replace("größe".encode(), b"gr\xee(\xff(e")
    Path("rows.zip").write_bytes(data)
    Path("rows.npz").write_bytes(data)
    with pytest.raises(SourceError, match="damaged"):
        unpack(Path("rows.zip"), "größe.npy", Path("out.npy"))
    with pytest.raises(SourceError, match="damaged"):
        open_source("rows.npz")


def tar_of_size(name: str, size: bytes) -> None:
    """A tape whose member is said to have a size, as a binary number."""
    entry = tarfile.TarInfo(name)
    entry.size = 4
    head = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    head[124:136] = size
    total = sum(head[:148]) + sum(head[156:512]) + 8 * 32
    head[148:156] = b"%06o\0 " % total
    Path("rows.tar.gz").write_bytes(gzip.compress(bytes(head) + bytes(2048)))


@pytest.mark.parametrize("size", [b"\x80" + b"\xff" * 11, b"\xff" * 11 + b"\xfe", b"77777777777\0"])
def test_members_of_a_tape_that_are_said_to_be_huge(size):
    tar_of_size("data_batch_1.bin", size)
    with pytest.raises(SourceError):
        unpack(Path("rows.tar.gz"), "data_batch_1.bin", Path("out"))
    with pytest.raises(SourceError):
        open_source("rows.tar.gz")
    assert not list(Path().glob("out*"))


def test_members_before_the_beginning_of_an_archive():
    with zipfile.ZipFile("rows.zip", "w") as archive:
        archive.writestr("rows.npy", npy("{}"))
    data = bytearray(Path("rows.zip").read_bytes())
    at = data.index(b"PK\x05\x06") + 16  # where the directory begins: later than it does
    data[at : at + 4] = struct.pack("<I", struct.unpack("<I", data[at : at + 4])[0] + 50)
    Path("rows.zip").write_bytes(data)
    with pytest.raises(SourceError, match="damaged"):
        unpack(Path("rows.zip"), "rows.npy", Path("out.npy"))


def test_lists_of_a_pickle_that_hold_themselves():
    """Lists in lists, ten each time: few bytes, and 10**30 labels."""
    labels = [1] * 10
    for _ in range(30):
        labels = [labels] * 10
    content = {b"data": np.zeros((10, 3072), np.uint8), b"labels": labels}
    Path("data_batch_1").write_bytes(pickle.dumps(content))
    with pytest.raises(SourceError, match="not a CIFAR-10 batch"):
        open_source("data_batch_1")
    content = {b"data": labels, b"labels": [1] * 10}
    Path("data_batch_1").write_bytes(pickle.dumps(content))
    with pytest.raises(SourceError, match="not a CIFAR-10 batch"):
        open_source("data_batch_1")


def test_line_ends_in_values_and_names_stay_out_of_messages():
    Path("rows.csv").write_text('a,b\n1,2\n"x\ny\nz",3,4\n5,6\n')
    with pytest.raises(SourceError, match="3 values") as found:
        open_source("rows.csv")
    assert "\n" not in str(found.value)
    Path("rows.csv").write_text('a,"b\nc"\n1,x\n')
    with pytest.raises(SourceError, match="not numbers") as found:
        open_source("rows.csv")
    assert "\n" not in str(found.value)


def test_labels_outside_of_the_dictionary_of_an_arrow_file():
    indices = pa.array([0, 1, 1 << 20] * 10, pa.int32())
    kinds = pa.DictionaryArray.from_arrays(indices, pa.array(["x", "y"]), safe=False)
    write_ipc(Path("rows.arrow"), pa.table({"a": range(30), "kind": kinds}))
    with pytest.raises(SourceError, match="damaged"):
        open_column("rows.arrow:kind").read(0, 30)


def test_tables_without_columns():
    write_ipc(Path("rows.arrow"), pa.table({"a": [1]}).select([]))
    pq.write_table(pa.table({"a": [1]}).select([]), "rows.parquet")
    for locator in ("rows.arrow", "rows.parquet"):
        with pytest.raises(SourceError, match="no columns"):
            open_source(locator)


def write_hdf5(**options) -> bytearray:
    with h5py.File("rows.h5", "w") as file:
        file.create_dataset("data", data=ROWS, **options)
    return bytearray(Path("rows.h5").read_bytes())


@pytest.mark.parametrize("name", ["", ":data"])
def test_an_object_of_hdf5_that_is_none(name):
    data = write_hdf5()
    with h5py.File("rows.h5") as file:
        at = h5py.h5o.get_info(file["data"].id).addr
    data[at] = 99  # the version of the dataset's header
    Path("rows.h5").write_bytes(data)
    with pytest.raises(SourceError, match="damaged"):
        open_source(f"rows.h5{name}")


def test_a_chunk_of_hdf5_that_is_said_to_be_larger_than_the_file():
    data = write_hdf5(chunks=(40, 3), compression="gzip")
    with h5py.File("rows.h5") as file:
        size = struct.pack("<I", file["data"].id.get_chunk_info(0).size)
    key = size + bytes(4)  # size and mask of the filters, in the tree of the chunks
    at = data.index(key, data.index(b"TREE\x01"))
    data[at : at + 4] = struct.pack("<I", (1 << 32) - 1)
    Path("rows.h5").write_bytes(data)
    with pytest.raises(SourceError, match="a chunk of 4294967295 bytes"):
        open_source("rows.h5")


@pytest.mark.parametrize("n_bytes", [0, 3])
def test_a_chunk_of_hdf5_that_is_shorter_than_its_checksum(n_bytes):
    """HDF5 looks for the checksum before the chunk's beginning, and crashes."""
    data = write_hdf5(chunks=(40, 3), fletcher32=True)
    size = struct.pack("<I", ROWS.nbytes + 4)
    at = data.index(size + bytes(4), data.index(b"TREE\x01"))
    data[at : at + 4] = struct.pack("<I", n_bytes)
    Path("rows.h5").write_bytes(data)
    with pytest.raises(SourceError, match=f"a chunk of {n_bytes} bytes"):
        open_source("rows.h5")


@pytest.mark.parametrize(
    ("options", "place"), [({"compression": "lzf"}, 2), ({"scaleoffset": 3}, 2),
                           ({"scaleoffset": 3}, 4)],
)  # fmt: skip
def test_a_filter_of_hdf5_that_is_of_other_chunks(options, place):
    data = write_hdf5(chunks=(40, 3), **options)
    with h5py.File("rows.h5") as file:
        parameters = file["data"].id.get_create_plist().get_filter(0)[2]
    Path("whole.h5").write_bytes(data)
    assert len(open_source("whole.h5").read(0, 40)) == 40
    packed = struct.pack(f"<{len(parameters)}I", *parameters)
    at = data.index(packed) + 4 * place
    data[at : at + 4] = struct.pack("<I", 1 << 28)
    Path("rows.h5").write_bytes(data)
    with pytest.raises(SourceError, match="a filter is of chunks of another size"):
        open_source("rows.h5")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory")
def test_names_of_hdf5_that_are_said_to_be_endless():
    """HDF5 makes zeros of what a list of names has beyond the file, until memory is full."""
    data = write_hdf5()
    at = data.index(b"HEAP") + 8
    data[at : at + 8] = struct.pack("<Q", 1 << 34)
    Path("rows.h5").write_bytes(data)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError, match="damaged"):
        open_source("rows.h5")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 320 << 10  # KiB
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_chunk_of_hdf5_that_inflates_to_more_than_it_is():
    with h5py.File("rows.h5", "w") as file:
        dataset = file.create_dataset(
            "data", shape=(40, 3), dtype="f4", chunks=(40, 3), compression="gzip"
        )
        dataset.id.write_direct_chunk((0, 0), zlib.compress(bytes(100 << 20), 9))
    source = open_source("rows.h5")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError, match="damaged"):
        source.read(0, 40)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 << 10  # KiB


def test_pickles_in_the_chunks_of_a_zarr_array_are_refused():
    zarr.create_array("rows.zarr", shape=(4, 3), dtype="f4", zarr_format=2, fill_value=0)
    pickled = {"id": "pickle", "protocol": 5}
    for key, value in (("compressor", pickled), ("filters", [pickled])):
        kept = Path("rows.zarr/.zarray").read_text()
        altered("rows.zarr/.zarray", key, to=value)
        with pytest.raises(SourceError, match="pickle"):
            streamkm.KMeans(2).fit("rows.zarr")
        Path("rows.zarr/.zarray").write_text(kept)


def altered(path: str, *keys: str | int, to: object) -> None:
    """Set a value in a JSON file."""
    document = json.loads(Path(path).read_text())
    parent = document
    for key in keys[:-1]:
        parent = parent[key]
    parent[keys[-1]] = to
    Path(path).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["codecs"], 1),
        (["codecs", 0, "configuration", "endian_"], "little"),
        (["fill_value"], []),
        (["chunk_key_encoding"], 5),
        (["node_type"], "x"),
        (["chunk_grid", "configuration", "chunk_shape"], [0, 3]),
        (["chunk_grid", "configuration", "chunk_shape"], [8]),
        (["shape"], {"a": 1}),
        (["zarr_format"], 4),
    ],
)
def test_metadata_of_zarr_that_are_none(keys, value):
    zarr.create_array("rows.zarr", shape=ROWS.shape, dtype="f4", chunks=(8, 3))[:] = ROWS
    altered("rows.zarr/zarr.json", *keys, to=value)
    with pytest.raises(SourceError):
        open_source("rows.zarr")
    streamkm.convert(ROWS, "store.zarr")
    altered("store.zarr/X/zarr.json", *keys, to=value)
    with pytest.raises(StoreError):
        streamkm.Dataset("store.zarr")


def test_json_that_is_too_deep():
    for name in ("rows.zarr", "run"):
        Path(name).mkdir()
    Path("rows.zarr/zarr.json").write_text(DEEP)
    assert kind_of("rows.zarr") is None
    for read in (streamkm.Dataset, streamkm.load_model):
        with pytest.raises(StoreError):
            read("rows.zarr")
    with pytest.raises(SourceError):
        open_source("rows.zarr")
    Path("run/run.json").write_text(DEEP)
    for look in (view_run, lambda path: RunDir(path).read()):
        with pytest.raises(StoreError):
            look("run")


def test_a_chunk_of_zarr_that_ends_too_early():
    array = zarr.create_array(
        "rows.zarr", shape=(40, 3), dtype="f4", chunks=(8, 3), zarr_format=2,
        compressors=numcodecs.GZip(), filters=[numcodecs.Delta("f4")],
    )  # fmt: skip
    array[:] = ROWS
    chunk = Path("rows.zarr/0.0")
    chunk.write_bytes(chunk.read_bytes()[:15])
    with pytest.raises(StoreError, match="damaged"):
        open_source("rows.zarr").read(0, 40)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n_rows", "40"), ("n_rows", -40), ("n_features", 3.0), ("chunk_rows", 0),
        ("dtype", "float3222"), ("dtype", "x" * 10_000), ("dtype", "|O"), ("dtype", 5),
        ("codec", []), ("sample_shape", [2, 5]), ("sample_shape", ["a"]), ("source", {}),
        ("shuffle_seed", "x"),
        ("n_dropped", -1), ("target_dtype", 7), ("fingerprint", 7), ("feature_names", ["a"]),
        ("feature_names", [1, 2, 3]), ("class_names", [None]), ("moments", None), ("moments", 3),
        ("moments", {}), ("format_version", "x" * 10_000),
    ],
)  # fmt: skip
def test_attributes_of_a_store_that_cannot_be(key, value):
    streamkm.convert(ROWS, "rows.zarr")
    altered("rows.zarr/zarr.json", "attributes", "streamkm", key, to=value)
    with pytest.raises(StoreError) as found:
        streamkm.Dataset("rows.zarr")
    assert len(str(found.value)) < 300


def test_moments_of_another_width():
    streamkm.convert(ROWS, "rows.zarr")
    place = ("attributes", "streamkm", "moments", "mean")
    altered("rows.zarr/zarr.json", *place, to=[1.0, 2.0])
    with pytest.raises(StoreError, match="moments"):
        streamkm.Dataset("rows.zarr")


@pytest.mark.parametrize("name", ["X", "y"])
def test_chunks_of_a_store_that_are_larger_than_it_is(name):
    streamkm.convert(ROWS, "rows.zarr", target=np.arange(40))
    path = f"rows.zarr/{name}/zarr.json"
    place = ("chunk_grid", "configuration", "chunk_shape", 0)
    altered(path, *place, to=10**12)
    with pytest.raises(StoreError, match="damaged, chunks of"):
        streamkm.Dataset("rows.zarr").labels.read(0, 40)


def saved(name: str) -> str:
    """Fit and save a small model."""
    rows = np.concatenate([ROWS, 1000 + ROWS])
    getattr(streamkm, name)(3, random_state=0, executor="serial").fit(rows).save("model.zarr")
    return "model.zarr"


def rewritten(name: str, values: np.ndarray) -> None:
    """Give a model another array."""
    group = zarr.open_group("model.zarr", mode="r+")
    group.create_array(name, data=values, overwrite=True, config={"write_empty_chunks": True})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("centers", np.zeros((3, 7))), ("centers", np.zeros(3)), ("centers", np.zeros((0, 3))),
        ("centers", np.full((3, 3), np.nan)), ("centers", np.zeros((3, 3), np.int8)),
        ("counts", np.zeros(2, np.int64)), ("counts", np.zeros(3)), ("frame_shift", np.zeros(2)),
        ("frame_shift", np.zeros((3, 3))),
    ],
)  # fmt: skip
def test_arrays_of_a_model_that_do_not_fit(name, values):
    path = saved("KMeans")
    rewritten(name, values)
    with pytest.raises(StoreError, match="damaged model"):
        streamkm.load_model(path)


@pytest.mark.parametrize(
    "children",
    [[[0, 1]], [[1 << 30, (1 << 30) + 1]], [[2, 1]], [[-1, 4]]],
    ids=["loop", "far", "turned", "no child"],
)
def test_a_tree_of_clusters_that_has_no_leaves(children):
    path = saved("BisectingKMeans")
    found = zarr.open_group(path, mode="r")["tree_children"][:]
    found[:1] = children
    rewritten("tree_children", found)
    if children == [[-1, 4]]:  # a leaf
        streamkm.load_model(path)
        return
    with pytest.raises(StoreError, match="tree of clusters is broken"):
        streamkm.load_model(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("parameters", []), ("parameters", {"x": 1}), ("algorithm", []), ("algorithm", "x"),
        ("seed", None), ("seed", 1e999), ("frame_scale", "x"), ("frame_scale", -1.0),
        ("n_iter", {}), ("sample_shape", 3), ("inertia", []),
    ],
)  # fmt: skip
def test_attributes_of_a_model_that_cannot_be(key, value):
    path = saved("KMeans")
    altered(f"{path}/zarr.json", "attributes", "streamkm", key, to=value)
    with pytest.raises(StoreError, match="damaged model"):
        streamkm.load_model(path)


@pytest.fixture
def run():
    streamkm.KMeans(2, random_state=0, run_dir="run").fit(np.concatenate([ROWS, 1000 + ROWS]))
    return RunDir("run")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("centers_0", np.zeros(3)), ("centers_0", np.zeros((2, 3), np.float32)),
        ("counts_0", np.zeros(5, np.int64)), ("counts_0", np.zeros(2)),
        ("n_history", np.zeros(3)), ("inertia", np.zeros(9)), ("n_iter", np.array(1)),
    ],
)  # fmt: skip
def test_a_checkpoint_that_does_not_fit_is_not_gone_on_from(name, values, run):
    for file in ("checkpoint.npz", "checkpoint-previous.npz"):
        with np.load(f"run/{file}") as found:
            arrays = dict(found)
        np.savez(f"run/{file}", **{**arrays, name: values})
    assert run.peek() is None


def test_a_checkpoint_that_is_no_archive_of_arrays(run):
    assert run.peek() is not None
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("n_iter", "no array")
        archive.writestr("inertia.npy", npy("{'descr': '<f4', 'shape': ("))
    for file in ("checkpoint.npz", "checkpoint-previous.npz"):
        Path("run", file).write_bytes(content.getvalue())
    assert run.peek() is None


@pytest.mark.parametrize("line", [b"\x80\xff", b"[1]", b"7", DEEP.encode()])
def test_lines_of_a_history_that_are_no_records(line, run):
    history = Path("run/history.jsonl")
    first = history.read_bytes().splitlines()[0]
    history.write_bytes(b"\n".join([first, *[line] * 99]))
    assert view_run("run").history == [json.loads(first)]
    with pytest.raises(StoreError, match="history is damaged"):
        run.load()


def test_what_a_run_says_of_its_rows_may_be_damaged(run):
    altered("run/run.json", "streamkm", "_about", to=[1])
    assert view_run("run").about == {}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_pickled_batch_is_made_of_its_bytes_and_nothing_else(protocol, rng):
    """NumPy's own unpickling takes a wrong dtype's word for it, and the process with it."""
    pixels = rng.integers(0, 256, (20, 3072), np.uint8)
    content = {b"labels": list(range(20)), b"data": pixels}
    whole = pickle.dumps(content, protocol=protocol)
    Path("data_batch_1").write_bytes(whole)
    source = open_source("data_batch_1")
    np.testing.assert_array_equal(source.read(3, 9), pixels[3:9])
    np.testing.assert_array_equal(source.labels.read(0, 20), range(20))
    place = whole.index(b"NNN")
    Path("data_batch_1").write_bytes(whole[:place] + b"\x80\x00" + whole[place + 2 :])
    np.testing.assert_array_equal(open_source("data_batch_1").read(3, 9), pixels[3:9])
    for array in (pixels.astype(object), pixels.astype("f8"), np.zeros(20, "V3072")):
        lying = pickle.dumps({**content, b"data": array}, protocol=protocol)
        Path("data_batch_1").write_bytes(lying)
        with pytest.raises(SourceError, match="data_batch_1: "):
            open_source("data_batch_1")


def test_labels_of_a_pickled_batch_may_be_an_array(rng):
    pixels = np.asfortranarray(rng.integers(0, 256, (20, 3072), np.uint8))
    batch = pickle.dumps({b"labels": np.arange(20, dtype=">i8"), b"data": pixels}, protocol=2)
    Path("data_batch_1").write_bytes(batch)
    source = open_source("data_batch_1")
    np.testing.assert_array_equal(source.labels.read(0, 20), range(20))
    np.testing.assert_array_equal(source.read(0, 20), pixels)


def test_a_header_of_idx_that_promises_more_than_a_number_says():
    sizes = struct.pack(">200I", *[1 << 31] * 200)
    Path("x.idx").write_bytes(b"\0\0\x08\xc8" + sizes + bytes(100))
    with pytest.raises(SourceError, match=r"2\^64 bytes or more") as caught:
        open_source("x.idx")
    assert len(str(caught.value)) < 200
    Path("x.idx").write_bytes(b"\0\0\x08\xc8" + sizes[:-4] + bytes(100))
    with pytest.raises(SourceError, match="holds no values") as caught:
        open_source("x.idx")
    assert len(str(caught.value)) < 200


def test_names_of_arrays_are_shown_in_one_line_and_not_at_any_length():
    np.savez("x.npz", **{"a\nb": ROWS, "c" * 3000: ROWS})
    for locator in ("x.npz", "x.npz:d"):
        with pytest.raises(SourceError, match="a b") as caught:
            open_source(locator)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400


def test_a_model_of_a_million_chunks_is_damaged(rng):
    model = streamkm.KMeans(2, random_state=0).fit(rng.normal(size=(20, 3)))
    model.save("m.zarr")
    about = Path("m.zarr/centers/zarr.json")
    values = json.loads(about.read_text())
    values["shape"][0] = 5_000_000
    about.write_text(json.dumps(values))
    with pytest.raises(StoreError, match="2500000 chunks"):
        streamkm.load_model("m.zarr")


def test_a_parquet_footer_with_less_than_no_rows_is_damaged():
    pq.write_table(pa.table({"a": [1.0, 2.0], "b": [3.0, 4.0]}), "x.parquet")
    content = Path("x.parquet").read_bytes()
    length = struct.unpack("<I", content[-8:-4])[0]
    footer = content[-8 - length : -8]
    # The row group ends in its number of rows: field 3 of a struct, a zigzag number.
    place = footer.rindex(b"\x16\x04", 0, footer.index(b"pandas") if b"pandas" in footer else None)
    changed = footer[:place] + b"\x16\x03" + footer[place + 2 :]
    Path("x.parquet").write_bytes(content[: -8 - length] + changed + content[-8:])
    with pytest.raises(SourceError, match="damaged, a row group has -2 rows"):
        open_source("x.parquet")


@pytest.mark.parametrize(
    ("values", "whole", "damaged"),
    [
        pytest.param(
            pa.array([[1.0, 2.0]] * 500, pa.list_(pa.float32(), 2)),
            b"\x29\x26\xe8\x07\xe8\x07", b"\x29\x16\xe8\x87\xe8\x07",
            id="a histogram of two counts has one, larger",
        ),
        pytest.param(
            pa.array(range(500), pa.int32()), b"\x1c\x15\x02\x19", b"\x1c\x15\x04\x19",
            id="a column has another type than in the schema",
        ),
    ],
)  # fmt: skip
def test_a_parquet_footer_that_contradicts_itself_does_not_end_the_process(values, whole, damaged):
    pq.write_table(pa.table({"x": values}), "x.parquet")
    content = Path("x.parquet").read_bytes()
    assert content.count(whole) == 1
    Path("x.parquet").write_bytes(content.replace(whole, damaged))
    with pytest.raises(SourceError, match="damaged"):
        open_source("x.parquet").read(0, 10)


def test_lists_of_a_length_below_one_are_no_features():
    lists = pa.array([[], []], pa.list_(pa.float32(), 0))
    pq.write_table(pa.table({"x": lists}), "x.parquet")
    with pytest.raises(SourceError, match="not numbers: x"):
        open_source("x.parquet")


def test_a_model_whose_parameter_is_no_number_is_refused(rng):
    rows = rng.normal(size=(60, 3))
    streamkm.SpectralClustering(2, n_landmarks=20, random_state=0).fit(rows).save("m.zarr")
    about = Path("m.zarr/zarr.json")
    text = about.read_text()
    assert streamkm.load_model("m.zarr").predict(rows).shape == (60,)
    about.write_text(text.replace('"n_neighbors": 5', '"n_neighbors": "5"'))
    assert about.read_text() != text
    with pytest.raises(SourceError, match="n_neighbors"):
        streamkm.load_model("m.zarr")
