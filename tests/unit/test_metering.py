"""What reading cost: every moment counts once, and decoding is what was no waiting."""

from __future__ import annotations

import numpy as np
import pytest

import streamkm
from streamkm import KMeans, MiniBatchKMeans, metering
from streamkm.metering import fetching, metered, reading
from streamkm.tasks.base import PassResult, PassStats


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves when it is told to."""
    now = [0.0]
    monkeypatch.setattr(metering.time, "perf_counter", lambda: now[0])

    def pass_s(seconds):
        now[0] += seconds

    return pass_s


def test_waits_that_overlap_count_once_and_the_rest_is_decoding(clock):
    with metered() as meter:
        with reading():
            clock(1.0)
            with fetching():
                clock(2.0)
                with fetching():
                    clock(4.0)
                clock(8.0)
            clock(16.0)
        assert meter.read_s == 14.0
        assert meter.decode_s == 17.0
        clock(32.0)  # between two reads
        with reading(), fetching():
            clock(64.0)
    assert meter.read_s == 78.0
    assert meter.decode_s == 17.0


def test_what_cannot_be_told_apart_is_reading(clock):
    with metered() as meter, reading():
        clock(3.0)
    assert (meter.read_s, meter.decode_s) == (3.0, 0.0)
    with reading(), fetching():
        clock(1.0)  # outside of any task
    assert meter.read_s == 3.0


def test_merging_adds_all_costs_and_its_own_time():
    parts = [PassResult((), PassStats(1, 2, 3, 0.5, 0.25, 4.0, 8.0)) for _ in range(3)]
    stats = PassResult.merge_all(parts).stats
    assert (stats.bytes_read, stats.bytes_decoded, stats.n_rows) == (3, 6, 9)
    assert (stats.read_s, stats.decode_s, stats.compute_s) == (1.5, 0.75, 12.0)
    assert stats.merge_s >= 24.0


@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans])
def test_the_history_tells_decoding_from_reading_for_stores_alone(kind, executor, tmp_path):
    X = np.random.default_rng(0).normal(size=(4000, 16)).astype(np.float32)
    store = streamkm.convert(X, tmp_path / "x.zarr", chunk_rows=500)
    np.save(tmp_path / "x.npy", X)
    costs = {}
    for name, rows in (("store", store), ("file", tmp_path / "x.npy")):
        model = kind(3, max_iter=2, random_state=0, executor=executor).fit(rows)
        names = ("read_s", "decode_s", "compute_s", "merge_s")
        costs[name] = {n: sum(record[n] for record in model.history_) for n in names}
        assert costs[name]["compute_s"] > 0.0
        assert costs[name]["read_s"] > 0.0
    assert costs["store"]["decode_s"] > 0.0
    assert costs["file"]["decode_s"] == 0.0
