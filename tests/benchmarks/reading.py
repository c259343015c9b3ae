"""Reading at the disk's speed: Zarr beside the direct reader, and one codec beside another.

Run as `python -m tests.benchmarks.reading [readers] [codecs]` with
STREAMKM_DATA set; prints Markdown tables of medians in decoded MB/s, with
one and with two threads. What is compared takes turns in every round.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

import streamkm
from streamkm.data.store import CODECS, stored_bytes
from streamkm.direct import open_direct
from streamkm.runtime.memory import return_freed_memory
from tests.benchmarks.shared import cifar, data, head, row, run

N_BYTES = 1 << 30
N_FEATURES = 64
CHUNK_ROWS = (16 << 20) // (4 * N_FEATURES)
ROUNDS = 5
STORED = {
    "none": [],
    "none, crc32c": [Crc32cCodec()],
    "blosc lz4 shuffle": [BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")],
    "blosc zstd-1 bitshuffle": [BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")],
}


def embeddings(n_bytes, path=None, codecs=()):
    """Rows near a plane of 16 dimensions: what compresses badly, in memory or as an array."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((16, N_FEATURES), np.float32)
    n_rows = n_bytes // (4 * N_FEATURES)
    shape = (n_rows, N_FEATURES)
    out = np.empty(shape, np.float32) if path is None else zarr.create_array(
        path, shape=shape, chunks=(CHUNK_ROWS, N_FEATURES), dtype="f4", compressors=codecs or None
    )  # fmt: skip
    for start in range(0, n_rows, CHUNK_ROWS):
        rows = rng.standard_normal((CHUNK_ROWS, 16), np.float32) @ mixing
        rows += np.float32(0.1) * rng.standard_normal(rows.shape, np.float32)
        out[start : start + CHUNK_ROWS] = rows[: n_rows - start]
    return out


def speed(read, n_rows, row_bytes, step, n_threads):
    begin = time.perf_counter()
    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(lambda a: len(read(a, min(a + step, n_rows))), range(0, n_rows, step)))
    return 1e-6 * n_rows * row_bytes / (time.perf_counter() - begin)


def in_turns(readers, n_rows, row_bytes, step, before=lambda: None):
    """Speeds of every reader with 1 and 2 threads: one round to warm up, then `ROUNDS`."""
    found = {(name, n): [] for name in readers for n in (1, 2)}
    for again in range(ROUNDS + 1):
        for (name, n_threads), values in found.items():
            before()
            value = speed(readers[name], n_rows, row_bytes, step, n_threads)
            if again:
                values.append(value)
    return found


def readers() -> None:
    head("codec", "stored", "zarr 1", "direct 1", "ratio", "zarr 2", "direct 2", "ratio")
    for name, codecs in STORED.items():
        array = embeddings(N_BYTES, "x.zarr", codecs)
        ways = {"zarr": lambda a, b, array=array: array[a:b], "direct": open_direct(array).read}
        found = in_turns(ways, array.shape[0], 4 * N_FEATURES, CHUNK_ROWS)
        cells = []
        for n in (1, 2):
            cells += [f"{np.median(found[way, n]):.0f}" for way in ways]
            cells += [f"{np.median(np.divide(found['direct', n], found['zarr', n])):.2f}"]
        row(name, f"{stored_bytes('x.zarr', ['c']) / array.nbytes:.2f}", *cells)
        shutil.rmtree("x.zarr")


def codecs() -> None:
    import h5py

    with h5py.File(data() / "hdf5" / "worm_neuron_cell.h5") as file:
        table = next(v for v in _datasets(file) if v.ndim == 2 and v.dtype == np.float64)[:2000]
    digits = streamkm.convert(str(data() / "mnist" / "train-images-idx3-ubyte.gz"), "digits.zarr")
    sets = {
        "CIFAR-10, uint8": cifar().read(0, 20000),
        "MNIST, uint8": digits.read(0, 60000),
        "embeddings, float32": embeddings(1 << 28),
        "worm neurons, float64": table,
    }
    head("data", "codec", "stored", "convert, s", "warm 1", "warm 2", "cold 1", "cold 2")
    for title, rows in sets.items():
        spent, stores = {}, {}
        for codec in CODECS:
            begin = time.perf_counter()
            stores[codec] = streamkm.convert(rows, f"{codec}.zarr", codec=codec, overwrite=True)
            spent[codec] = time.perf_counter() - begin
        ways = {codec: store.read for codec, store in stores.items()}
        how = len(rows), rows.nbytes // len(rows), next(iter(stores.values())).spec.chunk_rows
        warm = in_turns(ways, *how)
        cold = in_turns(ways, *how, before=forget_pages)
        for codec in CODECS:
            cells = [np.median(found[codec, n]) for found in (warm, cold) for n in (1, 2)]
            row(title, codec, f"{stored_bytes(f'{codec}.zarr', ['X']) / rows.nbytes:.2f}",
                f"{spent[codec]:.2f}", *(f"{c:.0f}" for c in cells))  # fmt: skip


def _datasets(file):
    found = []
    file.visititems(lambda name, item: found.append(item) if hasattr(item, "dtype") else None)
    return found


def forget_pages():
    """Have the system drop the stores' pages, as if they had not been read yet."""
    os.sync()
    for file in Path().rglob("*"):
        if file.is_file():
            with open(file, "rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    return_freed_memory()  # as every fit under a limit does
    run({"readers": readers, "codecs": codecs}, sys.argv[1:])
