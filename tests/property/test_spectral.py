"""Laws of SpectralClustering: its matrices, its bits, the shapes it parts, interruptions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits, make_circles, make_moons
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

import streamkm
from streamkm import KMeans, SpectralClustering
from streamkm.cluster.landmarks import METHODS, place_landmarks
from streamkm.cluster.passes import Passes
from streamkm.data.layout import plan_groups
from streamkm.errors import SourceError, StoreError, StoreExistsError
from streamkm.kernels.affinity import Landmarks
from streamkm.kernels.exact_sum import float_grid
from streamkm.kernels.frame import Frame
from streamkm.kernels.products import ProductSums
from streamkm.runtime import make_executor
from streamkm.runtime.events import PassStarted
from streamkm.runtime.serial import SerialExecutor
from streamkm.sources.array import MemorySource
from streamkm.sources.columns import MemoryColumn
from streamkm.tasks.spectral import AffinityContext, products
from tests.helpers import heavy_tailed

SHAPES = {
    "moons": lambda n: make_moons(n, noise=0.05, random_state=0),
    "rings": lambda n: make_circles(n, factor=0.5, noise=0.05, random_state=0),
}


def landmarks(points, n_neighbors, bandwidth=1.0):
    points = np.asarray(points, np.float64)
    return Landmarks(points, Frame(points.mean(axis=0), 1.0), bandwidth, n_neighbors)


def dense_affinities(X, placed):
    """Z by NumPy: Gaussian to the nearest landmarks, rows that sum to one."""
    scale = 2 * placed.bandwidth**2
    sq = ((X[:, None].astype(np.float64) - placed.points) ** 2).sum(axis=2)
    nearest = np.argsort(sq, axis=1, kind="stable")[:, : placed.n_neighbors]
    Z = np.zeros_like(sq)
    np.put_along_axis(Z, nearest, np.exp(-np.take_along_axis(sq, nearest, 1) / scale), 1)
    return Z / Z.sum(axis=1, keepdims=True)


def summed(X, placed, weights=None, block_rows=7, executor=None, bound=None):
    """The task over groups of any size, merged by any executor."""
    most = 1.0 if weights is None else weights.max()
    grid = float_grid(np.full(len(placed.points), bound or most))
    mass = None if weights is None else MemoryColumn(weights)
    context = AffinityContext(MemorySource(X), mass, placed, grid)
    groups = plan_groups(len(X), 8, block_rows)
    return (executor or SerialExecutor()).map_merge(products, groups, context).parts[0]


@pytest.mark.parametrize("dtype", ["u1", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("n_neighbors", [1, 3, 20])
def test_products_of_affinities_equal_numpy(dtype, n_neighbors, rng):
    X = (rng.normal(100, 20, (303, 5))).astype(dtype)
    placed = landmarks(X[:20].astype(np.float64) + 0.5, n_neighbors, 12.0)
    Z = dense_affinities(X, placed)
    upper = np.triu(Z.T @ Z)
    np.testing.assert_allclose(summed(X, placed).value(), upper, rtol=1e-12, atol=1e-15)
    weights = rng.uniform(0, 3, 303)
    upper = np.triu((Z.T * weights) @ Z)
    found = summed(X, placed, weights)
    np.testing.assert_allclose(found.value(), upper, rtol=1e-12, atol=1e-15)


@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 400), st.floats(1e-3, 1e6))
def test_nearest_landmarks_are_those_of_float64(seed, n_neighbors, n_rows, offset):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n_rows, 6)) + offset).astype(np.float32)
    placed = landmarks(X[rng.integers(0, n_rows, 13)] + rng.normal(size=(13, 6)), n_neighbors)
    index, sq_dist = placed.neighbors(X)
    exact = ((X[:, None].astype(np.float64) - placed.points) ** 2).sum(axis=2)
    order = np.argsort(exact, axis=1, kind="stable")[:, :n_neighbors]
    np.testing.assert_allclose(sq_dist, np.take_along_axis(exact, order, 1), rtol=1e-13)
    np.testing.assert_allclose(np.take_along_axis(exact, index.astype(int), 1), sq_dist, rtol=1e-13)


@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 100))
def test_no_order_and_no_blocks_change_a_bit(seed, n_neighbors, block_rows):
    rng = np.random.default_rng(seed)
    X = heavy_tailed(200, 3, seed)
    placed = landmarks(X[:9], n_neighbors, 2.0)
    weights = rng.lognormal(0, 4, 200)
    whole = summed(X, placed, weights, 200)
    order = rng.permutation(200)
    again = summed(X[order], placed, weights[order], block_rows)
    assert again.limbs.tobytes() == whole.limbs.tobytes()


@given(st.integers(0, 2**31), st.sampled_from([2, 9]))
def test_a_weight_is_a_repetition(seed, n_neighbors):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 3))
    placed = landmarks(X[:9], n_neighbors)
    weights = rng.integers(0, 5, 60)
    weighted = summed(X, placed, weights.astype(np.float64), bound=4.0).value()
    repeated = summed(np.repeat(X, weights, axis=0), placed, bound=4.0).value()
    np.testing.assert_allclose(weighted, repeated, rtol=1e-15, atol=60 * 4 * 2.0**-58)


def test_products_beyond_one_flush_stay_exact(rng):
    values = np.full((1 << 10, 3), 0.7)
    index = np.tile(np.arange(3, dtype=np.int32), (1 << 10, 1))
    sums = ProductSums(float_grid(np.ones(3)))
    for _ in range(40):
        sums.add(index, values, np.ones(1 << 10))
    expected = np.triu(np.full((3, 3), 40 * 1024 * (0.7 * 0.7)))
    np.testing.assert_allclose(sums.result().value(), expected, rtol=1e-14)


def passes_over(X, weights=None):
    made = Passes(MemorySource(X), weights, SerialExecutor(), "1GiB", 10_000)
    made.look(200)
    return made


def unit(E):
    return E / np.linalg.norm(E, axis=1, keepdims=True)


def test_landmark_embedding_spans_the_eigenvectors_of_the_dense_graph(rng):
    """The oracle: eigenvectors of the n x n matrix Z D^-1 Z^T itself."""
    X = rng.normal(size=(300, 3))
    passes = passes_over(X)
    placed = place_landmarks(passes, 40, 4, None, 0)
    embedding = METHODS["landmarks"](passes, placed, 5)
    Z = dense_affinities(X, placed)
    W = (Z / Z.sum(axis=0)) @ Z.T
    np.testing.assert_allclose(W.sum(axis=1), 1.0)
    vectors = np.linalg.eigh(W)[1][:, :-6:-1]
    found, expected = embedding.embed(X), unit(vectors)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)


def test_nystrom_embedding_spans_the_eigenvectors_of_the_dense_graph(rng):
    """The oracle: D^-1/2 C A^+ C^T D^-1/2 with the degrees of C A^+ C^T."""
    X = rng.normal(size=(300, 3))
    passes = passes_over(X)
    placed = replace(place_landmarks(passes, 30, 4, None, 0), bandwidth=0.8)
    embedding = METHODS["nystrom"](passes, placed, 4)

    def kernel(a, b):
        return np.exp(-((a[:, None] - b) ** 2).sum(axis=2) / (2 * 0.8**2))

    C = kernel(X, placed.points)
    W = C @ np.linalg.pinv(kernel(placed.points, placed.points)) @ C.T
    root = np.sqrt(W.sum(axis=1))
    vectors = np.linalg.eigh(W / root[:, None] / root)[1][:, :-5:-1]
    found, expected = embedding.embed(X), unit(vectors)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)


def test_embedding_of_a_row_does_not_depend_on_its_block(rng):
    X = rng.normal(size=(1100, 5)).astype(np.float16)
    for n_neighbors in (3, 30):
        placed = landmarks(X[:30], n_neighbors)
        embedding = METHODS["landmarks"](passes_over(X), placed, 4)
        whole = embedding.embed(X)
        for start, stop in ((0, 1), (3, 700), (511, 513), (999, 1100)):
            assert embedding.embed(X[start:stop]).tobytes() == whole[start:stop].tobytes()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_that_k_means_cannot_part(shape, method):
    X, y = SHAPES[shape](20_000)
    settings = {"n_landmarks": 200} if method == "nystrom" else {}
    model = SpectralClustering(2, method=method, random_state=0, **settings).fit(X)
    assert adjusted_rand_score(y, model.labels_) > 0.98
    assert adjusted_rand_score(y, KMeans(2, random_state=0, n_init=4).fit(X).labels_) < 0.6
    fresh, classes = SHAPES[shape](3001)
    assert adjusted_rand_score(classes, model.predict(fresh)) > 0.98


def test_digits_are_told_apart_better_than_by_k_means():
    X, y = load_digits(return_X_y=True)
    ours = SpectralClustering(10, n_landmarks=300, random_state=0).fit(X)
    plain = KMeans(10, random_state=0, n_init=4).fit(X)
    gain = normalized_mutual_info_score(y, ours.labels_) - normalized_mutual_info_score(
        y, plain.labels_
    )
    assert gain > 0.05


SETTINGS = {"n_clusters": 4, "n_landmarks": 60, "n_init": 3, "random_state": 2}


def fit_bits(data, executor="serial", method="landmarks", **more):
    model = SpectralClustering(**SETTINGS, method=method, executor=executor, **more).fit(data)
    model.predict(data, out="labels.npy", overwrite=True)
    return (
        model.cluster_centers_.tobytes(),
        model.projection_.tobytes(),
        model.cluster_sizes_.tobytes(),
        np.load("labels.npy").tobytes(),
        model.n_iter_,
        model.inertia_,
    )


@pytest.mark.parametrize("method", METHODS)
def test_one_result_from_every_executor_chunking_and_limit(method, rng):
    X = np.concatenate([rng.normal(size=(5000, 6)) + 3 * i for i in range(4)]).astype(np.float32)
    for chunk_rows in (20_000, 3001, 512):
        streamkm.convert(X, f"{chunk_rows}.zarr", chunk_rows=chunk_rows)
    expected = fit_bits("20000.zarr", method=method)
    sizes = np.frombuffer(expected[2], np.int64)
    labels = np.frombuffer(expected[3], np.int32)
    np.testing.assert_array_equal(np.bincount(labels, minlength=4), sizes)
    assert fit_bits("3001.zarr", make_executor("threads", 3), method) == expected
    assert fit_bits("512.zarr", "threads", method, memory_limit="512MiB") == expected
    assert fit_bits("512.zarr", "processes", method, run_dir="run") == expected
    np.save("rows.npy", X)
    assert fit_bits("rows.npy", "threads", method, embedding="kept.npy") == expected
    assert not list(Path("run").glob("embedding*"))


def test_dask_arrays_of_uneven_chunks_give_the_same_bits(rng):
    da = pytest.importorskip("dask.array")
    X = rng.normal(size=(3000, 4))
    model = SpectralClustering(**SETTINGS, executor="serial").fit(X)
    lazy = da.from_array(X, chunks=((700, 1000, 1300), 4))
    again = SpectralClustering(**SETTINGS, executor="threads").fit(lazy)
    assert again.cluster_centers_.tobytes() == model.cluster_centers_.tobytes()
    np.testing.assert_array_equal(again.predict(lazy).compute(), model.labels_)
    np.testing.assert_array_equal(again.transform(lazy).compute(), model.transform(X))


def test_integer_weights_part_rows_as_repetitions_do(rng):
    X, y = SHAPES["rings"](3000)
    weights = rng.integers(1, 4, 3000)
    model = SpectralClustering(2, n_landmarks=100, random_state=0).fit(X, sample_weight=weights)
    assert adjusted_rand_score(y, model.labels_) > 0.98
    again = SpectralClustering(2, n_landmarks=100, random_state=0).fit(
        X, sample_weight=weights * 1024.0
    )
    np.testing.assert_array_equal(again.labels_, model.labels_)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("stop_at", range(1, 7))
def test_killed_at_any_pass_it_goes_on_to_the_same_history(stop_at, rng):
    X = rng.normal(size=(2000, 3))
    streamkm.convert(X, "x.zarr")
    expected = fit_bits("x.zarr")
    executor, seen = SerialExecutor(), []

    def listen(event):
        seen.append(isinstance(event, PassStarted))
        if sum(seen) > stop_at:
            raise Killed

    executor.listener = listen
    with pytest.raises(Killed):
        SpectralClustering(**SETTINGS, executor=executor, run_dir="run").fit("x.zarr")
    assert fit_bits("x.zarr", "threads", run_dir="run") == expected
    again = SpectralClustering(**SETTINGS, run_dir="run").fit("x.zarr")
    whole = SpectralClustering(**SETTINGS).fit("x.zarr")
    assert [r["stage"] for r in again.history_] == [r["stage"] for r in whole.history_]


def test_the_embedding_is_kept_where_it_is_asked_for_and_replaces_nothing(rng):
    X = rng.normal(size=(500, 3))
    model = SpectralClustering(**SETTINGS, embedding="kept.zarr").fit(X)
    kept = streamkm.open_source("kept.zarr")
    rows = kept.read(0, 500)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-6)
    sq = ((rows[:, None] - model.cluster_centers_) ** 2).sum(axis=2)
    np.testing.assert_array_equal(sq.argmin(axis=1), model.labels_)
    np.testing.assert_allclose(model.transform(X), np.sqrt(sq), atol=1e-7)
    assert model.inertia_ == pytest.approx(sq.min(axis=1).sum(), rel=1e-9)
    with pytest.raises(StoreExistsError, match=r"kept\.zarr exists"):
        SpectralClustering(**SETTINGS, embedding="kept.zarr").fit(X)
    with pytest.raises(SourceError, match="'embedding' parameter"):
        SpectralClustering(**SETTINGS, embedding="kept.csv").fit(X)


def test_a_run_does_not_go_on_over_other_rows(rng):
    X = rng.normal(size=(500, 3))
    executor, seen = SerialExecutor(), []

    def listen(event):
        seen.append(isinstance(event, PassStarted))
        if sum(seen) > 4:
            raise Killed

    executor.listener = listen
    with pytest.raises(Killed):
        SpectralClustering(**SETTINGS, executor=executor, run_dir="run").fit(X)
    streamkm.convert(rng.normal(size=(500, 4)), "other.zarr")
    with pytest.raises(StoreError, match="does not hold this run's embedding"):
        SpectralClustering(**SETTINGS, run_dir="run", embedding="other.zarr").fit(X)


def test_rows_far_from_all_landmarks_are_labeled_and_bad_rows_are_not(rng):
    X = np.concatenate([rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) + 50])
    for method in METHODS:
        model = SpectralClustering(2, method=method, n_landmarks=20, random_state=0).fit(X)
        assert adjusted_rand_score(np.repeat([0, 1], 200), model.labels_) == 1.0
        far = model.predict(np.array([[-1e4, 0.0], [1e4, 50.0]]))
        np.testing.assert_array_equal(far, model.labels_[[0, 300]])
        bad = np.array([[0.0, 1.0], [np.nan, 0.0], [np.inf, 0.0]])
        assert model.labeler_.assign(bad)[0].tolist()[1:] == [-1, -1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_landmarks", 0), ("n_neighbors", 1.5), ("n_init", 0), ("bandwidth", 0.0),
        ("method", "dense"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(name, value, rng):
    with pytest.raises(SourceError, match=f"The '{name}' parameter"):
        SpectralClustering(**{**SETTINGS, name: value}).fit(rng.normal(size=(50, 2)))
