"""One pass of StreamKM takes the same memory for ten times the rows."""

from __future__ import annotations

import pytest

from tests.helpers import run_measured

LIMIT_BYTES = 600 << 20


@pytest.mark.timeout(600)
def test_the_peak_does_not_grow_with_the_rows(tmp_path):
    peaks = []
    for n_rows in (250_000, 2_500_000):  # 61 and 610 MiB of float32
        convert = ["convert", f"blobs:{n_rows}x64?centers=10", "x.zarr", "--chunk-rows", "16384"]
        found = run_measured([*convert, "--codec", "none", "--overwrite"], tmp_path)
        assert found.status == 0, found.err
        fit = ["fit", "streamkm", "x.zarr", "m.zarr", "-k", "10", "--random-state", "0"]
        found = run_measured([*fit, "--overwrite", "--memory-limit", "600MiB"], tmp_path)
        assert found.status == 0, found.err
        peaks.append(found.peak_bytes)
    assert max(peaks) < LIMIT_BYTES
    assert peaks[1] < 1.15 * peaks[0]
