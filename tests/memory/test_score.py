"""Twenty million rows are judged by every measure, in one pass, under half a GiB."""

from __future__ import annotations

import json

import pytest

from tests.helpers import run_measured

LIMIT = "512MiB"
LIMIT_BYTES = 512 << 20
ROWS = "blobs:20000000x4?centers=3"  # 305 MiB, beside 250 of Python and its libraries


@pytest.mark.timeout(600)
def test_twenty_million_rows_are_scored_in_one_pass(tmp_path):
    limit = ("--memory-limit", LIMIT)
    convert = ["convert", ROWS, "x.zarr", "--codec", "none", "--chunk-rows", "262144", *limit]
    fit = ["fit", "kmeans", "x.zarr", "m.zarr", "-k", "3", "--max-iter", "1", *limit]
    for words in (convert, [*fit, "--random-state", "0"]):
        assert run_measured(words, tmp_path).status == 0
    found = run_measured(["score", "m.zarr", "x.zarr", "--json", *limit], tmp_path)
    assert found.status == 0, found.err
    assert found.peak_bytes < LIMIT_BYTES
    facts = json.loads(found.out)
    assert (facts["rows"], facts["passes"], facts["undefined"]) == (20_000_000, 1, {})
    assert facts["read_bytes"] < 1.01 * 20_000_000 * (4 * 4 + 4)  # rows and labels, once
    assert facts["silhouette"] > 0.5
    assert facts["adjusted_mutual_info"] > 0.5
