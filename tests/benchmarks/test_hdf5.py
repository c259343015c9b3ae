"""Converting awkward HDF5 files against reading them once with h5py, in the same run."""

from __future__ import annotations

import itertools

import h5py
import pytest

import streamkm

FILES = {"blocked by column": "usps.h5:train/data", "one gzip chunk": "worm_neuron_cell.h5:X"}


@pytest.mark.real_data
@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
@pytest.mark.parametrize("way", ["read with h5py", "convert"])
def test_hdf5(way, file, data_dir, benchmark):
    path, _, name = file.partition(":")
    path = str(data_dir / "hdf5" / path)

    def read():
        with h5py.File(path) as handle:
            return handle[name][:].shape

    numbers = itertools.count()

    def convert():
        target = f"{next(numbers)}.zarr"  # a new one each time: deleting is not converting
        return streamkm.convert(f"{path}:{name}", target, memory_limit="1GiB").shape

    body = read if way.startswith("read") else convert
    shape = benchmark.pedantic(body, rounds=7, warmup_rounds=1)
    assert shape[0] > 4000
