"""Cosine: k-means on the sphere, rows normalised in their tiles."""

from __future__ import annotations

import numpy as np
import pytest

import streamkm
from streamkm import KMeans, MiniBatchKMeans, StreamKM
from streamkm.errors import SourceError
from streamkm.kernels.tile import unit_rows

ALGORITHMS = [KMeans, MiniBatchKMeans, StreamKM]


@pytest.fixture
def X(rng):
    directions = rng.normal(size=(5, 12))
    labels = rng.integers(5, size=2000)
    lengths = rng.lognormal(0, 3, (2000, 1))  # which the metric must not see
    return (directions[labels] + 0.3 * rng.normal(size=(2000, 12))) * lengths


def spherical(X, centers, n_iter):
    """Spherical k-means in NumPy (Dhillon & Modha 2001)."""
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    for _ in range(n_iter):
        labels = (unit @ centers.T).argmax(axis=1)
        sums = np.stack([unit[labels == k].sum(axis=0) for k in range(len(centers))])
        centers = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return centers, 2 * (1 - (unit @ centers.T).max(axis=1)).sum()


def test_it_is_spherical_k_means(X):
    start = X[:5] / np.linalg.norm(X[:5], axis=1, keepdims=True)
    model = KMeans(5, init=X[:5], metric="cosine", tol=0, max_iter=4).fit(X)
    centers, inertia = spherical(X, start, model.n_iter_)
    np.testing.assert_allclose(model.cluster_centers_, centers, rtol=1e-9)
    assert model.inertia_ == pytest.approx(inertia, rel=1e-9)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_array_equal(model.labels_, (unit @ centers.T).argmax(axis=1))
    np.testing.assert_allclose(model.transform(X), 1 - unit @ centers.T, atol=1e-12)
    assert model.score(X) == pytest.approx(-inertia, rel=1e-9)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_lengths_of_rows_do_not_matter(algorithm, X):
    powers = np.ldexp(1.0, np.arange(len(X)) % 40 - 20)[:, None]
    found = [algorithm(5, metric="cosine", random_state=0).fit(rows) for rows in (X, X * powers)]
    assert found[0].cluster_centers_.tobytes() == found[1].cluster_centers_.tobytes()
    np.testing.assert_array_equal(found[0].labels_, found[1].labels_)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", ["f4", "f2", "u1"])
def test_the_bits_do_not_depend_on_executor_chunks_or_weights_kind(algorithm, dtype, executor, X):
    rows = np.clip(1 + np.abs(X) * 20, 0, 255).astype(dtype)
    weights = np.arange(len(rows)) % 3 + 0.5
    found = set()
    for chunk_rows, runner in ((64, executor), (999, "serial")):
        store = streamkm.convert(rows, f"{chunk_rows}.zarr", chunk_rows=chunk_rows)
        model = algorithm(4, metric="cosine", random_state=1, executor=runner)
        model.fit(store, sample_weight=weights)
        found.add((model.cluster_centers_.tobytes(), model.inertia_))
    assert len(found) == 1
    lengths = np.linalg.norm(model.cluster_centers_, axis=1)
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-15)


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random", "gaussian"])
@pytest.mark.parametrize("empty", ["farthest", "random"])
def test_every_start_and_empty_cluster_ends_on_the_sphere(init, empty, X):
    model = KMeans(8, init=init, metric="cosine", random_state=0, empty_cluster=empty).fit(X)
    np.testing.assert_allclose(np.linalg.norm(model.cluster_centers_, axis=1), 1.0, rtol=1e-15)
    assert (model.cluster_sizes_ > 0).all()


def test_empty_clusters_move_to_far_rows_exactly(X):
    start = np.concatenate([X[:3], -10 * X[:1], -20 * X[:1]])
    model = KMeans(5, init=start, metric="cosine", tol=0).fit(X)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    sums = np.stack([unit[model.labels_ == k].sum(axis=0) for k in range(5)])
    expected = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    np.testing.assert_allclose(model.cluster_centers_, expected, rtol=1e-9)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_rows_of_zeros_are_counted_and_said(algorithm, X):
    X[[3, 70]] = 0.0
    with pytest.warns(UserWarning, match="2 rows are all zeros"):
        model = algorithm(5, metric="cosine", random_state=0).fit(X)
    assert model.n_zero_rows_ == 2


def test_rows_of_zeros_pull_no_center(X):
    X[[3, 70]] = 0.0
    with pytest.warns(UserWarning, match="2 rows are all zeros"):
        model = KMeans(5, metric="cosine", random_state=0).fit(X)
    without = KMeans(5, init=model.cluster_centers_, metric="cosine", max_iter=1)
    without.fit(np.delete(X, [3, 70], axis=0))
    np.testing.assert_allclose(without.cluster_centers_, model.cluster_centers_, atol=1e-3)


def test_unit_rows_survive_huge_and_tiny_values():
    rows = np.array([[3e200, 4e200], [3e-320, 4e-320], [0.0, 0.0]])
    expected = [[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]]
    np.testing.assert_allclose(unit_rows(rows), expected, rtol=1e-3)


def test_nan_is_still_refused(X):
    X[5, 2] = np.nan
    np.save("x.npy", X)
    with pytest.raises(ValueError, match="1 rows hold NaN"):
        KMeans(3, metric="cosine").fit("x.npy")


def test_partial_fit_and_files_stay_on_the_sphere(X):
    model = MiniBatchKMeans(5, metric="cosine", random_state=0, half_life=500.0)
    for batch in np.split(X, 10):
        model.partial_fit(batch)
    np.testing.assert_allclose(np.linalg.norm(model.cluster_centers_, axis=1), 1.0, rtol=1e-15)
    model.save("model.zarr")
    loaded = streamkm.load_model("model.zarr")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    again = KMeans.from_centers(3.0 * model.cluster_centers_, metric="cosine")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    with pytest.raises(SourceError, match="cosine"):
        model.to_sklearn()


@pytest.mark.parametrize("coreset", ["tree", "sensitivity", "lightweight"])
def test_a_coreset_costs_what_the_rows_cost_on_the_sphere(coreset, X, rng):
    model = StreamKM(5, coreset=coreset, coreset_size=400, metric="cosine", random_state=0).fit(X)
    rows, weights = model.coreset_.rows, model.coreset_.weights
    for _ in range(20):
        centers = rng.normal(size=(5, 12))
        centers /= np.linalg.norm(centers, axis=1, keepdims=True)
        full = spherical(X, centers, 0)[1]
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cost = 2 * (weights * (1 - (unit @ centers.T).max(axis=1))).sum()
        assert cost == pytest.approx(full, rel=0.1)


def test_an_unknown_metric_is_named(X):
    with pytest.raises(ValueError, match="The 'metric' parameter"):
        KMeans(3, metric="manhattan").fit(X)
