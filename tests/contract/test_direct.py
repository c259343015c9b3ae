"""The direct reader and Zarr give the same bytes, or the same refusal."""

from __future__ import annotations

import itertools
import mmap
import pickle
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)

from streamkm.direct import open_direct
from streamkm.direct.buffers import Buffers
from streamkm.errors import StoreError
from streamkm.metering import metered
from streamkm.sources.zarr_array import from_array

N_ROWS = 103
COLUMNS = 7
CODECS = {
    "none": [],
    "crc": [Crc32cCodec()],
    "blosc-lz4": [BloscCodec(cname="lz4", shuffle="shuffle")],
    "blosc-zstd": [BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"), Crc32cCodec()],
    "zstd": [ZstdCodec(level=1), Crc32cCodec()],
    "zstd-sum": [ZstdCodec(level=0, checksum=True)],
    "gzip": [GzipCodec(level=1), Crc32cCodec()],
}
COMPRESSORS = {
    "none": None,
    "blosc": numcodecs.Blosc(cname="lz4"),
    "zstd": numcodecs.Zstd(1),
    "gzip": numcodecs.GZip(1),
    "zlib": numcodecs.Zlib(1),
}
LAYOUTS = {  # chunks, shards
    "rows": ((10, COLUMNS), None),
    "one": ((N_ROWS, COLUMNS), None),
    "features": ((10, 3), None),
    "wide": ((10, 9), None),
    "shards": ((10, COLUMNS), (30, COLUMNS)),
    "feature-shards": ((5, 4), (20, 8)),
}
DTYPES = ["<f4", ">f4", "f2", "u1", ">i2", "i2", "f8", "?", ">u8"]


def values(shape, dtype):
    rng = np.random.default_rng(0)
    return rng.integers(0, 200, shape).astype(dtype)


def write(path, version, dtype, codec, layout, shape=(N_ROWS, COLUMNS)):
    """An array in which some chunks are missing."""
    chunks, shards = LAYOUTS[layout]
    how = {"compressors": CODECS[codec] if version == 3 else COMPRESSORS[codec]}
    if version == 3 and np.dtype(dtype).itemsize > 1:
        how["serializer"] = BytesCodec(endian="big" if dtype[0] == ">" else "little")
    array = zarr.create_array(
        path,
        shape=shape,
        dtype=np.dtype(dtype).newbyteorder("=") if version == 3 else dtype,
        chunks=(*chunks, *shape[2:])[: len(shape)],
        shards=shards,
        fill_value=1,
        zarr_format=version,
        **how,
    )
    rows = values(shape, np.dtype(dtype).newbyteorder("="))
    array[:25] = rows[:25]
    array[60:] = rows[60:]
    return zarr.open_array(path, mode="r")


def check(array, reader, start, stop):
    found, expected = reader.read(start, stop), np.asarray(array[start:stop])
    expected = expected.astype(expected.dtype.newbyteorder("="))
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


CASES = [
    *((3, codec, layout) for codec, layout in itertools.product(CODECS, LAYOUTS)),
    *((2, codec, layout) for codec, layout in itertools.product(COMPRESSORS, list(LAYOUTS)[:4])),
]
TYPED = [
    *((*case, DTYPES[number % len(DTYPES)]) for number, case in enumerate(CASES)),
    *((version, "zstd", "features", dtype) for version in (2, 3) for dtype in DTYPES),
    *((version, "none", "rows", dtype) for version in (2, 3) for dtype in DTYPES),
]
RANGES = [(0, N_ROWS), (0, 10), (13, 14), (7, 95), (20, 30), (25, 60), (100, N_ROWS), (5, 5)]


@pytest.mark.parametrize(("version", "codec", "layout", "dtype"), TYPED)
def test_the_same_bytes_as_zarr(version, codec, layout, dtype, tmp_path):
    array = write(tmp_path / "x.zarr", version, dtype, codec, layout)
    reader = open_direct(array)
    assert reader is not None
    for start, stop in RANGES:
        check(array, reader, start, stop)
    check(array, pickle.loads(pickle.dumps(reader)), 0, 50)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("direct")
    arrays = [write(folder / f"{i}.zarr", v, "<f4", c, la) for i, (v, c, la) in enumerate(CASES)]
    return [(array, open_direct(array)) for array in arrays]


@given(st.data())
def test_any_range_of_rows(opened, data):
    array, reader = data.draw(st.sampled_from(opened))
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, N_ROWS)] * 2)))
    check(array, reader, start, stop)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("shape", [(N_ROWS,), (N_ROWS, COLUMNS, 4)])
def test_any_number_of_dimensions(version, shape, tmp_path):
    array = write(tmp_path / "x.zarr", version, "<f4", "zstd", "features", shape)
    for start, stop in RANGES:
        check(array, open_direct(array), start, stop)


def test_members_of_a_group_and_other_names_of_chunks(tmp_path):
    group = zarr.create_group(tmp_path / "g.zarr", zarr_format=3)
    keys = [{"name": "default", "separator": "."}, {"name": "v2", "separator": "/"},
            {"name": "v2", "separator": "."}]  # fmt: skip
    for number, key in enumerate(keys):
        array = group.create_array(
            f"deep/x{number}", shape=(9, 2), chunks=(2, 2), dtype="i4", chunk_key_encoding=key
        )
        array[:] = values((9, 2), "i4")
        check(array, open_direct(array), 1, 9)
    old = zarr.create_array(
        tmp_path / "old.zarr", shape=(9, 2), chunks=(2, 1), dtype="i4", zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )  # fmt: skip
    old[:] = values((9, 2), "i4")
    check(old, open_direct(old), 0, 8)


@pytest.mark.parametrize("fill", [None, np.nan, -np.inf, -0.0])
def test_what_was_never_written(fill, tmp_path):
    for version in (2, 3):
        if fill is None and version == 3:
            continue
        array = zarr.create_array(
            tmp_path / f"{version}", shape=(9, 2), chunks=(2, 2), dtype="f4", fill_value=fill,
            zarr_format=version,
        )  # fmt: skip
        check(array, open_direct(array), 0, 9)


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")  # slow, it says
def test_what_is_not_known_is_left_to_zarr(tmp_path):
    def make(name, **how):
        return zarr.create_array(
            tmp_path / name, shape=(8, 4), chunks=(4, 4), dtype="i4", **how
        )  # fmt: skip

    left = [
        make("transposed", filters=[TransposeCodec(order=(1, 0))]),
        make("nested", serializer=ShardingCodec(
            chunk_shape=(2, 4), codecs=[ShardingCodec(chunk_shape=(1, 4))]), compressors=None),
        make("checked-shard", serializer=ShardingCodec(chunk_shape=(2, 4)),
             compressors=[Crc32cCodec()]),
        make("twice", compressors=[ZstdCodec(), GzipCodec()]),
        make("columns", zarr_format=2, order="F"),
        make("filtered", zarr_format=2, filters=[numcodecs.Delta("i4")]),
        make("other", zarr_format=2, compressors=numcodecs.LZ4()),
        zarr.create_array(zarr.storage.MemoryStore(), shape=(8, 4), chunks=(4, 4), dtype="i4"),
    ]  # fmt: skip
    for array in left:
        assert open_direct(array) is None
        array[:] = values((8, 4), "i4")
        assert (from_array(array).read(1, 7) == array[1:7]).all()


def test_frames_that_do_not_say_how_long_they_are(tmp_path):
    """Zstandard written as a stream, gzip in two members: what other programs leave."""
    import gzip

    array = write(tmp_path / "x.zarr", 3, "u1", "gzip", "rows")
    array = zarr.create_array(
        tmp_path / "m.zarr", shape=(8, 4), chunks=(8, 4), dtype="u1", compressors=[GzipCodec()]
    )
    array[:] = values((8, 4), "u1")
    raw = array[:].tobytes()
    file = tmp_path / "m.zarr/c/0/0"
    file.write_bytes(gzip.compress(raw[:10]) + gzip.compress(raw[10:]))
    check(array, open_direct(array), 0, 8)
    # RFC 8878: magic, no size, a window of 1 KiB, one last raw block of 32 bytes.
    other = zarr.create_array(
        tmp_path / "z.zarr", shape=(8, 4), chunks=(8, 4), dtype="u1", compressors=[ZstdCodec()]
    )
    other[:] = values((8, 4), "u1")
    frame = b"\x28\xb5\x2f\xfd\x00\x00" + (32 << 3 | 1).to_bytes(3, "little") + raw
    Path(tmp_path, "z.zarr/c/0/0").write_bytes(frame)
    check(other, open_direct(other), 0, 8)


@pytest.mark.parametrize("layout", ["rows", "features", "shards"])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("n_left", [0, 3, 15, -1])
def test_a_chunk_that_is_cut_short_is_never_silent(codec, layout, n_left, tmp_path):
    array = write(tmp_path / "x.zarr", 3, "<f4", codec, layout)
    file = tmp_path / "x.zarr/c/0/0"
    file.write_bytes(file.read_bytes()[:n_left])
    source = from_array(array, "x.zarr")
    for start, stop in ((0, 10), (2, 6), (0, N_ROWS)):
        with pytest.raises(StoreError, match=f"x.zarr: rows {start} to {stop}: damaged"):
            source.read(start, stop)
    assert (source.read(60, N_ROWS) == array[60:]).all()


@pytest.mark.parametrize("layout", ["rows", "features", "shards"])
@pytest.mark.parametrize(
    "codec", [name for name, codecs in CODECS.items() if Crc32cCodec() in codecs]
)
def test_every_flipped_byte_is_found_where_there_is_a_checksum(codec, layout, tmp_path):
    array = write(tmp_path / "x.zarr", 3, "<f4", codec, layout)
    file = tmp_path / "x.zarr/c/0/0"
    whole = file.read_bytes()
    for place in range(len(whole)):
        raw = bytearray(whole)
        raw[place] ^= 1
        file.write_bytes(raw)
        with pytest.raises(StoreError, match="damaged"):
            from_array(array).read(0, 30)


@pytest.mark.parametrize("version", [2, 3])
def test_noise_ends_in_an_error_or_in_rows(version, tmp_path):
    names = CODECS if version == 3 else COMPRESSORS
    rng = np.random.default_rng(0)
    for codec in names:
        path = tmp_path / f"{codec}.zarr"
        array = write(path, version, "<f4", codec, "rows")
        file = path / ("c/0/0" if version == 3 else "0.0")
        whole = np.frombuffer(file.read_bytes(), np.uint8)
        for _ in range(100):
            raw = whole.copy()
            raw[rng.integers(0, min(len(raw), 40), 3)] = rng.integers(0, 256, 3)
            file.write_bytes(raw.tobytes())
            try:
                assert from_array(array).read(0, 10).shape == (10, COLUMNS)
            except StoreError:
                continue


def test_what_was_read_is_counted(tmp_path):
    array = write(tmp_path / "x.zarr", 3, "<f4", "crc", "rows")
    source = from_array(array)
    with metered() as meter:
        source.read(0, 15)
    assert meter.bytes_read == 2 * (10 * COLUMNS * 4 + 4)  # whole chunks and their checksums
    assert meter.bytes_decoded == 15 * COLUMNS * 4
    assert meter.fetch_s > 0.0
    plain = from_array(write(tmp_path / "p.zarr", 3, "<f4", "none", "rows"))
    with metered() as meter:
        plain.read(3, 15)
    assert meter.bytes_read == meter.bytes_decoded == 12 * COLUMNS * 4  # and no more


@given(sizes=st.lists(st.integers(1, 3 << 20), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_rows_that_are_in_use_are_never_written_over(sizes, seed):
    rng, buffers, held = np.random.default_rng(seed), Buffers(), []
    for number, size in enumerate(sizes):
        rows = buffers.rows((size // 4 + 1, 2), np.dtype("<i2"))
        rows[...] = number
        held.append((number, rows[:: rng.integers(1, 3), :1]))  # a view keeps all of it
        del rows
        while held and rng.random() < 0.5:
            held.pop(rng.integers(len(held)))
        assert all((view == value).all() for value, view in held)
    held.clear()
    assert (buffers._n_lent, buffers._rows) == (0, [])  # nothing lingers


def test_memory_of_rows_is_used_again():
    buffers, shape = Buffers(), (1 << 19, 1)
    kept = buffers.rows(shape, np.dtype("f4"))
    first = buffers.rows(shape, np.dtype("f4")).ctypes.data
    assert buffers.rows((500_000, 1), np.dtype("f4")).ctypes.data == first
    assert kept.ctypes.data != first
    small = buffers.rows((1 << 18, 1), np.dtype("f4"))  # to keep it keeps no more than its bytes
    assert small.ctypes.data != first


@pytest.mark.parametrize("n_rows", [1 << 18, 1 << 22, (16 << 20) + 1])
def test_memory_that_files_are_copied_to_begins_at_a_page(n_rows):
    buffers = Buffers()
    rows = [buffers.rows((n_rows, 1), np.dtype("f4")) for _ in range(3)]
    assert {part.ctypes.data % mmap.PAGESIZE for part in rows} == {0}
    with buffers.lend(4 * n_rows) as scratch:
        assert scratch.ctypes.data % mmap.PAGESIZE == 0


def test_memory_that_nobody_uses_is_bounded():
    buffers = Buffers()
    kept = buffers.rows((1 << 20, 1), np.dtype("f4"))
    many = [buffers.rows((8 << 20, 1), np.dtype("f4")) for _ in range(10)]
    del many
    assert sum(map(len, buffers._rows)) == 128 << 20
    del kept
    assert buffers._rows == []
