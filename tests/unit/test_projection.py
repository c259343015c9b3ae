"""Principal axes: scikit-learn's, whatever the rows are and however they are shared out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

import streamkm
from streamkm import KMeans, SpectralClustering, project
from streamkm.errors import BadRowsError, SourceError
from streamkm.kernels.covariance import CovarianceAccumulator, CovarianceSums, ProductGrid
from tests.helpers import heavy_tailed


def data(kind, n=700, d=9):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) * np.logspace(2, -2, d)
    if kind == "uint8":
        return rng.integers(0, 255, (n, d)).astype(np.uint8)
    if kind == "float16":
        return (X / 100).astype(np.float16)
    return (X + rng.uniform(-1e4, 1e4, d)).astype(kind)  # far from zero


def same_axes(found, expected):
    """Axes have no sign of their own."""
    signs = np.sign((found * expected).sum(axis=1, keepdims=True))
    return np.abs(signs * found - expected).max()


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "uint8"])
def test_axes_and_shares_are_scikit_learns(kind):
    X = data(kind)
    model = KMeans(4, max_iter=2, random_state=0).fit(X)
    found = project(model, X, n_rows=50)
    pca = PCA(2, svd_solver="full").fit(X.astype(np.float64))
    assert same_axes(found.axes, pca.components_) < 1e-6
    assert np.allclose(found.explained, pca.explained_variance_ratio_, rtol=1e-6)
    assert np.array_equal(found.labels, model.predict(found.rows))
    assert np.allclose(found.points, (found.rows - X.mean(axis=0, dtype=float)) @ found.axes.T)
    moved = (model.cluster_centers_ - X.mean(axis=0, dtype=float)) @ found.axes.T
    assert found.centers == pytest.approx(moved, rel=1e-9, abs=1e-6 * np.abs(moved).max())
    assert len(found.points) == 50
    assert found.is_exact


def test_every_executor_and_any_chunks_give_the_same_bits(executor, tmp_path):
    X = heavy_tailed(1500, 6)
    model = KMeans(3, max_iter=2, random_state=0).fit(X)
    stores = [
        streamkm.convert(X, tmp_path / f"{rows}.zarr", chunk_rows=rows) for rows in (100, 1500)
    ]
    found = [project(model, store, 40, executor=executor) for store in stores]
    found.append(project(model, stores[0], 40, executor="serial", memory_limit="600MiB"))
    for other in found[1:]:
        assert other.axes.tobytes() == found[0].axes.tobytes()
        assert other.explained.tobytes() == found[0].explained.tobytes()
        assert other.points.tobytes() == found[0].points.tobytes()


@settings(max_examples=20)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_grouping_or_order(lengths, random):
    rows = heavy_tailed(sum(lengths), 4)
    mean, reach = rows.mean(axis=0, dtype=float), np.ptp(rows, axis=0).astype(float)
    grid = ProductGrid.of(mean, reach, len(rows))
    edges = np.cumsum([0, *lengths])
    parts = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        sums = CovarianceAccumulator(grid)
        sums.add(rows[start:stop], None)
        parts.append(sums.result())
    random.shuffle(parts)
    before = [part.high.copy() for part in parts]
    merged = CovarianceSums.merge_all(parts)
    nested = CovarianceSums.merge_all([parts[0], *([CovarianceSums.merge_all(parts[1:])]
                                                   if parts[1:] else [])])  # fmt: skip
    whole = CovarianceAccumulator(grid)
    whole.add(rows, None)
    for other in (nested, whole.result()):
        assert np.array_equal(merged.high, other.high)
        assert np.array_equal(merged.low, other.low)
        assert merged.n_rows == other.n_rows == len(rows)
    assert all(np.array_equal(b, p.high) for b, p in zip(before, parts, strict=True))
    expected = np.cov(rows.T.astype(float), bias=True)
    assert np.allclose(grid.covariance(merged, len(rows)), expected, atol=1e-9 * expected.max())


def test_weights_of_a_store_count(tmp_path):
    X = data("float32", n=400)
    coreset = streamkm.make_coreset(X, 3, coreset_size=100, random_state=0)
    coreset.save(tmp_path / "weighted.zarr")
    mass, rows = coreset.weights, coreset.rows.astype(np.float64)
    assert len(np.unique(mass)) > 1
    found = project(KMeans(3, max_iter=2, random_state=0).fit(X), tmp_path / "weighted.zarr")
    centered = rows - np.average(rows, axis=0, weights=mass)
    values, vectors = np.linalg.eigh((centered * mass[:, None]).T @ centered)
    assert same_axes(found.axes, vectors.T[::-1][:2]) < 1e-6
    assert np.allclose(found.explained, values[::-1][:2] / values.sum(), rtol=1e-6)


def test_cosine_models_see_rows_of_unit_length():
    X = data("float64") + 100.0
    model = KMeans(3, max_iter=2, random_state=0, metric="cosine").fit(X)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    pca = PCA(2, svd_solver="full").fit(unit)
    found = project(model, X)
    assert same_axes(found.axes, pca.components_) < 1e-6
    assert {row.tobytes() for row in found.rows} <= {row.tobytes() for row in X}
    shown = found.rows / np.linalg.norm(found.rows, axis=1, keepdims=True)
    assert np.allclose(found.points, (shown - found.mean) @ found.axes.T)


def test_axes_of_wide_rows_are_those_of_a_sample():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2049)) * np.r_[20.0, 10.0, np.ones(2047)]
    model = KMeans(2, max_iter=1, random_state=0).fit(X)
    found = project(model, X)
    assert found.n_used == 60
    pca = PCA(2, svd_solver="full").fit(X)
    assert same_axes(found.axes, pca.components_) < 1e-6
    assert np.allclose(found.explained, pca.explained_variance_ratio_, rtol=1e-6)


def test_centers_of_another_space_are_not_drawn():
    X = np.random.default_rng(0).normal(size=(300, 3))
    model = SpectralClustering(2, n_landmarks=20, random_state=0).fit(X)
    found = project(model, X, 30)
    assert found.centers is None
    assert found.n_clusters == 2


def test_one_feature_or_one_place_has_no_second_axis():
    X = np.arange(20.0)[:, None]
    found = project(KMeans(2, random_state=0).fit(X), X)
    assert found.explained.tolist() == [1.0, 0.0]
    assert not found.axes[1].any()
    still = project(KMeans(1, random_state=0).fit(np.ones((5, 3))), np.ones((5, 3)))
    assert not still.points.any()
    assert not still.explained.any()


def test_bad_input_is_one_clear_error():
    X = data("float64")
    model = KMeans(2, max_iter=1, random_state=0).fit(X)
    with pytest.raises(SourceError, match="X has 3 features, but KMeans is expecting 9"):
        project(model, X[:, :3])
    with pytest.raises(SourceError, match="n_rows must be at least 1"):
        project(model, X, 0)
    X[5, 2] = np.nan
    with pytest.raises(BadRowsError, match="rows 5"):
        project(model, X)
