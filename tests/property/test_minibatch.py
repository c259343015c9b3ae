"""Mini-batches: scikit-learn's steps, one order for every executor, streams that drift."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import MiniBatchKMeans as Reference

import streamkm
from streamkm import KMeans, MiniBatchKMeans
from streamkm.cluster.nested import standard_errors
from streamkm.cluster.passes import Passes
from streamkm.cluster.stream import Stream
from streamkm.cluster.stream_order import RUNS, StreamOrder
from streamkm.cluster.streaming import warn_of_unmixed
from streamkm.errors import BadRowsError
from streamkm.kernels.accumulate import LloydAccumulator
from streamkm.kernels.centers import prepare
from streamkm.kernels.exact_sum import ExactSum, float_grid, integer_grid
from streamkm.kernels.frame import Frame
from streamkm.kernels.lloyd import Grids, PartialSums
from streamkm.runtime import make_executor
from streamkm.runtime.serial import SerialExecutor
from tests.helpers import heavy_tailed


def blobs(rng, n_rows=3000, n_clusters=6, n_features=5):
    labels = np.sort(rng.integers(n_clusters, size=n_rows))
    centers = rng.uniform(-20, 20, (n_clusters, n_features))
    return centers[labels] + rng.normal(size=(n_rows, n_features))


@given(st.integers(1, 5000), st.integers(1, 200), st.integers(0, 5))
def test_a_stream_meets_every_row_once(n_rows, run_rows, seed):
    order = StreamOrder.spread(n_rows, run_rows, np.random.default_rng(seed))
    rows = [np.arange(b.start, b.stop) for b in order.ranges(0, n_rows)]
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(n_rows))
    middle = n_rows // 3
    parts = order.ranges(0, middle + 1) + order.ranges(middle + 1, n_rows) if n_rows > 1 else []
    again = [np.arange(b.start, b.stop) for b in parts if b.stop > b.start]
    if again and middle + 1 < n_rows:
        np.testing.assert_array_equal(np.concatenate(again), np.concatenate(rows))


def test_runs_in_a_row_come_from_all_over_sorted_data():
    order = StreamOrder.spread(64_000, 10, np.random.default_rng(0))
    classes = np.arange(64_000) // 6_400
    for begin in range(0, 64_000, 10 * RUNS):
        ranges = order.ranges(begin, begin + 10 * RUNS)
        counts = np.bincount(np.concatenate([classes[b.start : b.stop] for b in ranges]))
        assert len(counts) == 10
        assert np.abs(counts - 64).max() <= 20  # a part at each end may be of two classes


def test_partial_fit_over_a_stores_blocks_is_scikit_learns(rng):
    X = heavy_tailed(4000, 6).astype(np.float64)
    store = streamkm.convert(X, "x.zarr")
    start = X[rng.choice(len(X), 7, replace=False)]
    settings = {"n_clusters": 7, "init": start, "n_init": 1, "reassignment_ratio": 0.0}
    ours, theirs = MiniBatchKMeans(**settings), Reference(**settings)
    for begin in range(0, 4000, 300):
        block = store.read(begin, min(begin + 300, 4000))
        weights = rng.uniform(0.5, 2.0, len(block))
        ours.partial_fit(block, sample_weight=weights)
        theirs.partial_fit(block, sample_weight=weights)
        np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-6)
    assert ours.inertia_ == pytest.approx(theirs.inertia_)
    assert ours.n_steps_ == theirs.n_steps_


@pytest.mark.parametrize("rate", ["sculley", "sqrt"])
def test_a_step_is_five_lines_of_numpy(rng, rate):
    X, start = rng.normal(size=(900, 3)), rng.normal(size=(4, 3))
    settings = {"init": start, "learning_rate": rate, "reassignment_ratio": 0.0}
    model = MiniBatchKMeans(4, **settings)
    centers, seen = start.copy(), np.zeros(4)
    for batch in np.split(X, 9):
        model.partial_fit(batch)
        nearest = ((batch[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
        for k in range(4):
            part = batch[nearest == k]
            seen[k] += len(part)
            alpha = np.sqrt(len(part) / 100) if rate == "sqrt" else len(part) / max(seen[k], 1)
            if len(part):
                centers[k] = (1 - alpha) * centers[k] + alpha * part.mean(axis=0)
    np.testing.assert_allclose(model.cluster_centers_, centers, rtol=1e-12)
    np.testing.assert_array_equal(model.cluster_sizes_, seen)


@pytest.mark.parametrize("kind", ["uint8", "heavy", "weighted", "mixed"])
def test_the_bits_do_not_depend_on_executor_chunks_or_memory(rng, executor, kind):
    X = heavy_tailed(3000, 8)
    if kind == "uint8":
        X = rng.integers(0, 256, (3000, 8), dtype=np.uint8)
    weights = rng.uniform(0, 3, 3000) if kind == "weighted" else None
    settings = {"n_clusters": 5, "random_state": 3, "batch_size": 128, "shuffle_buffer": 600}
    found = set()
    for chunk_rows, runner, limit in ((100, executor, None), (777, "serial", "600 MiB")):
        store = streamkm.convert(
            X, f"{chunk_rows}.zarr", chunk_rows=chunk_rows, shuffle=kind == "mixed"
        )
        for more in ({}, {"batch_size": 700}, {"batches": "nested", "max_iter": 30}):
            model = MiniBatchKMeans(**settings | more, executor=runner, memory_limit=limit)
            model.fit(store, sample_weight=weights)
            name = f"{sorted(more.items())}"
            found.add((name, model.cluster_centers_.tobytes(), model.inertia_, model.n_steps_))
    assert len(found) == 3


def test_data_sorted_by_class_does_no_worse_than_mixed_data(rng):
    X = blobs(rng, 20_000, 10)
    found = {}
    for name, rows in (("sorted", X), ("mixed", X[rng.permutation(len(X))])):
        models = [
            MiniBatchKMeans(10, random_state=s, shuffle_buffer=2000, batch_size=250).fit(rows)
            for s in range(5)
        ]
        found[name] = np.median([model.inertia_ for model in models])
    assert found["sorted"] <= 1.02 * found["mixed"]


def test_a_batch_of_all_rows_is_lloyd(rng):
    X = blobs(rng)
    start = X[rng.choice(len(X), 6, replace=False)]
    lloyd = KMeans(6, init=start, tol=0, max_iter=3).fit(X)
    for batches in ("nested", "stream"):
        model = MiniBatchKMeans(
            6, init=start, batches=batches, batch_size=len(X), max_iter=3, learning_rate="sqrt"
        ).fit(X)
        if batches == "nested":
            assert model.cluster_centers_.tobytes() == lloyd.cluster_centers_.tobytes()
            assert model.inertia_ == lloyd.inertia_
        assert [r["n_rows"] for r in model.history_[1:4]] == [len(X)] * 3


def test_the_standard_error_is_that_of_the_textbook(rng):
    X = rng.normal(size=(40, 3))
    labels = np.arange(40) % 2
    sums = PartialSums(np.bincount(labels), None, ExactSum.zeros((2, 3), integer_grid(3)))
    spread = np.array([((X[labels == k] - X[labels == k].mean(0)) ** 2).sum() for k in range(2)])
    expected = [X[labels == k].var(axis=0, ddof=1).sum() / 20 for k in range(2)]
    np.testing.assert_allclose(standard_errors(sums, spread), expected)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([0.0, 100.0, -3e4]))
def test_the_spread_is_the_weighted_squared_distance_to_the_centers(seed, is_weighted, offset):
    rng = np.random.default_rng(seed)
    X, centers = rng.normal(size=(200, 6)) + offset, rng.normal(size=(3, 6)) + offset
    weights = rng.random(200) if is_weighted else None
    frame = Frame.about(X.mean(axis=0), 10.0)
    weights_grid = float_grid(np.ones(1)) if is_weighted else None
    grids = Grids(float_grid(np.abs(X).max(axis=0)), weights_grid, float_grid(np.array([1e3])))
    sums = LloydAccumulator(prepare(centers, frame), grids)
    sums.add(X, weights)
    gaps = ((X[:, None] - centers) ** 2).sum(axis=2)
    mass = np.ones(200) if weights is None else weights
    expected = np.bincount(gaps.argmin(axis=1), mass * gaps.min(axis=1), minlength=3)
    found = sums.result().spread(centers, frame.shift)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_values_that_turn_bad_after_the_first_look_are_refused(rng):
    X = blobs(rng)
    model = MiniBatchKMeans(6, batches="nested", init=X[:6])
    begin = model.iterate

    def spoiled(*given):
        X[7, 2] = np.nan
        return begin(*given)

    model.iterate = spoiled
    with pytest.raises(BadRowsError, match="were finite before"):
        model.fit(X)


def test_nested_ends_near_converged_lloyd_in_fewer_rows(rng):
    X = blobs(rng, 30_000, 12)[rng.permutation(30_000)]
    start = X[rng.choice(len(X), 12, replace=False)]
    lloyd = KMeans(12, init=start, tol=0).fit(X)
    model = MiniBatchKMeans(12, init=start, batches="nested", batch_size=1000).fit(X)
    assert model.inertia_ <= 1.01 * lloyd.inertia_ or model.n_iter_ < lloyd.n_iter_
    sizes = [record["rows"] for record in model.history_ if record["stage"] == "nested"]
    assert sizes[0] == 1000  # of which 32 * 12 would do
    assert sizes[-1] == 30_000
    assert all(b in (a, min(2 * a, 30_000)) for a, b in zip(sizes, sizes[1:], strict=False))


def followed(half_life, unit="rows", n_batches=40):
    """How far the worst of five centers is, two half-lives after all have jumped."""
    rng = np.random.default_rng(1)
    model = MiniBatchKMeans(5, random_state=0, half_life=half_life, time_unit=unit)
    for centers in rng.uniform(-20, 20, (2, 5, 4)):
        for _ in range(n_batches):
            model.partial_fit(centers[rng.integers(5, size=500)] + rng.normal(size=(500, 4)))
    gaps = ((centers[:, None] - model.cluster_centers_) ** 2).sum(axis=2)
    return np.sqrt(gaps.min(axis=1).max())


def test_a_half_life_follows_centers_that_jump_and_without_it_they_are_lost():
    assert followed(10_000.0) < 0.5
    assert followed(20.0, "batches") < 0.5
    assert followed(None) > 5.0


def test_ids_stay_where_nothing_changes(rng):
    centers = rng.uniform(-20, 20, (6, 3))
    model = MiniBatchKMeans(6, init=centers, half_life=1000.0)
    for _ in range(30):
        model.partial_fit(centers[rng.integers(6, size=200)] + rng.normal(size=(200, 3)))
    assert np.abs(model.cluster_centers_ - centers).max() < 0.5
    assert model.weight_sums_.sum() == pytest.approx(200 / (1 - 2 ** (-0.2)), rel=0.02)


@pytest.mark.parametrize("batches", ["stream", "nested"])
def test_a_weight_is_so_many_rows_from_a_fixed_start(rng, batches):
    X, times = blobs(rng, 600), rng.integers(1, 5, 600)
    settings = {"init": X[::100], "reassignment_ratio": 0.0, "batches": batches}
    if batches == "stream":
        weighted = MiniBatchKMeans(6, **settings).partial_fit(X, sample_weight=times)
        repeated = MiniBatchKMeans(6, **settings).partial_fit(np.repeat(X, times, axis=0))
    else:
        settings |= {"batch_size": 10_000, "max_iter": 1}  # its stop counts rows
        weighted = MiniBatchKMeans(6, **settings).fit(X, sample_weight=times)
        repeated = MiniBatchKMeans(6, **settings).fit(np.repeat(X, times, axis=0))
    np.testing.assert_allclose(
        weighted.cluster_centers_, repeated.cluster_centers_, rtol=1e-13, atol=1e-13
    )


def test_a_saved_model_goes_on_as_if_it_had_not_been_saved(rng):
    batches = np.split(blobs(rng)[rng.permutation(3000)], 6)
    model = MiniBatchKMeans(6, random_state=0)
    for batch in batches[:3]:
        model.partial_fit(batch)
    model.save("model.zarr")
    loaded = streamkm.load_model("model.zarr")
    for batch in batches[3:]:
        model.partial_fit(batch)
        loaded.partial_fit(batch)
    assert loaded.cluster_centers_.tobytes() == model.cluster_centers_.tobytes()
    assert loaded.n_steps_ == model.n_steps_


def test_given_centers_are_saved_and_go_on(rng):
    X = blobs(rng)
    model = MiniBatchKMeans.from_centers(KMeans(6, random_state=0).fit(X))
    model.save("model.zarr")
    loaded = streamkm.load_model("model.zarr").partial_fit(X[:500])
    assert loaded.n_steps_ == 1
    assert np.abs(loaded.cluster_centers_ - model.cluster_centers_).max() < 1.0


def test_the_stream_goes_at_most_max_iter_times_through_the_data(rng):
    for n_rows, batch in ((3000, 700), (3000, 3000), (1000, 999)):
        settings = {"max_iter": 2, "max_no_improvement": None, "batch_size": batch}
        model = MiniBatchKMeans(6, random_state=0, **settings).fit(blobs(rng, n_rows))
        assert model.n_iter_ == 2


@pytest.mark.parametrize(("chunk_rows", "times"), [(100, 2.6), (6400, 101.0)])
def test_runs_shorter_than_chunks_are_told_in_reads(rng, chunk_rows, times):
    store = streamkm.convert(blobs(rng, 12_800), "x.zarr", chunk_rows=chunk_rows)
    passes = Passes(store, None, make_executor("processes", 2), None, 100)
    stream = Stream(passes, 64, 4096, 6)
    assert stream.reads == pytest.approx(times, abs=1.0)
    mixed = streamkm.convert(blobs(rng, 12_800), "m.zarr", chunk_rows=chunk_rows, shuffle=True)
    passes = Passes(mixed, None, make_executor("processes", 2), None, 100)
    assert Stream(passes, 64, 4096, 6).reads == 1.0


def test_many_reads_of_large_data_warn_and_name_what_spares_them():
    large = SimpleNamespace(reads=17.0, n_bytes=1 << 30, buffer_rows=512)
    with pytest.warns(UserWarning, match=r"about 17 times over.*convert --shuffle.*512 rows"):
        warn_of_unmixed(large)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unmixed(SimpleNamespace(reads=17.0, n_bytes=1 << 20, buffer_rows=512))
        warn_of_unmixed(SimpleNamespace(reads=2.0, n_bytes=1 << 30, buffer_rows=512))


def test_without_labels_the_rows_are_not_read_once_more(rng):
    X = blobs(rng)
    model = MiniBatchKMeans(6, random_state=0, compute_labels=False, batch_size=500)
    model.fit(streamkm.convert(X, "x.zarr"))
    assert "close" not in {record["stage"] for record in model.history_}
    assert model.inertia_ == pytest.approx(-model.score(X), rel=0.2)


def test_a_small_batch_on_a_cluster_warns_once_and_names_a_good_one(rng):
    class Cluster(SerialExecutor):
        name = "distributed"

    X = blobs(rng)
    with pytest.warns(UserWarning, match=r"executor='threads'") as seen:
        MiniBatchKMeans(6, batch_size=100, executor=Cluster()).fit(X)
    assert len(seen) == 1
