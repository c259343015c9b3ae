"""The measured peak of whole commands stays under the limit that they were given."""

from __future__ import annotations

import pytest

from tests.helpers import run_measured

LIMIT = "512MiB"
LIMIT_BYTES = 512 << 20
ROWS = "blobs:4200000x64?centers=10"  # 1.0 GiB of float32


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_gibibyte_goes_through_half_of_it(shuffle, tmp_path):
    convert = ["convert", ROWS, "x.zarr", "--memory-limit", LIMIT]
    found = run_measured([*convert, "--shuffle"] if shuffle else convert, tmp_path)
    assert found.status == 0, found.err
    assert found.peak_bytes < LIMIT_BYTES
    if shuffle:
        return
    fit = ["fit", "kmeans", "x.zarr", "m.zarr", "-k", "10", "--max-iter", "3", "--n-init", "2"]
    found = run_measured([*fit, "--random-state", "0", "--memory-limit", LIMIT], tmp_path)
    assert found.status == 0, found.err
    assert found.peak_bytes < LIMIT_BYTES
    predict = ["predict", "m.zarr", "x.zarr", "labels.npy", "--memory-limit", LIMIT]
    found = run_measured(predict, tmp_path)
    assert found.status == 0, found.err
    assert found.peak_bytes < LIMIT_BYTES


def test_one_large_row_group_goes_through_half_a_gibibyte(tmp_path):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    schema = pa.schema([(name, pa.float64()) for name in "abcdefgh"])
    with pq.ParquetWriter(tmp_path / "x.parquet", schema) as writer:
        columns = [rng.integers(0, 1000, 2_000_000) / 8 for _ in schema.names]
        writer.write_table(pa.table(columns, schema=schema), row_group_size=1 << 40)
    del columns
    assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups == 1  # of 128 MB
    words = ["convert", "x.parquet", "x.zarr", "--memory-limit", LIMIT]
    found = run_measured(words, tmp_path)
    assert found.status == 0, found.err
    assert found.peak_bytes < LIMIT_BYTES
