"""Figures of the data's README, reproduced; scikit-learn on float64 is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans as SklearnKMeans

import streamkm
from streamkm import KMeans
from streamkm.sources import open_source

pytestmark = pytest.mark.real_data


def mnist_per_digit(data_dir, seed, per_digit=100):
    """Rows drawn from the training images, so many of each digit, as x / 255 in float32."""
    source = open_source(data_dir / "mnist" / "train-images-idx3-ubyte.gz")
    labels = source.labels.read(0, 60_000)
    draws = np.random.default_rng(seed)
    chosen = [draws.choice(np.flatnonzero(labels == d), per_digit, False) for d in range(10)]
    return (source.read(0, 60_000)[np.concatenate(chosen)] / 255.0).astype(np.float32)


def mean_distance(X, model):
    """J_clust: the mean distance (not squared) to the nearest center."""
    return float(model.transform(X).min(axis=1).mean())


def test_figure_2_mnist_test_images_twenty_iterations(data_dir):
    store = streamkm.convert(data_dir / "mnist" / "t10k-images-idx3-ubyte.gz", "t10k.zarr")
    assert store.dtype == np.uint8
    for seed in range(10):
        model = KMeans(10, init="random", max_iter=20, tol=0, random_state=seed).fit(store)
        assert 389300 < model.inertia_ / 255**2 < 1.01 * 391911, seed


@pytest.mark.parametrize(("n_clusters", "expected"), [(20, 5.828), (5, 6.541)])
def test_figure_3_mean_distance_of_a_thousand_digits(n_clusters, expected, data_dir):
    found = []
    for seed in range(10):
        X = mnist_per_digit(data_dir, seed)
        model = KMeans(n_clusters, init="random", tol=0, random_state=seed).fit(X)
        found.append(mean_distance(X, model))
    assert np.median(found) == pytest.approx(expected, rel=0.02)


@pytest.mark.timeout(900)
def test_cifar_ends_where_scikit_learn_ends(data_dir):
    """Two batches, K = 3, three starts, to convergence: the same labels, and inertia to 1e-9."""
    store = streamkm.convert(data_dir / "cifar10", "cifar.zarr")
    X = store.read(0, 20_000).astype(np.float64)
    for seed in range(3):
        start = X[np.random.default_rng(seed).choice(20_000, 3, replace=False)]
        ours = KMeans(3, init=start, tol=0).fit(store)
        theirs = SklearnKMeans(3, init=start, tol=0, n_init=1, max_iter=300).fit(X)
        ours.predict(store, out="labels.npy", overwrite=True)
        labels = np.load("labels.npy")
        np.testing.assert_array_equal(labels, theirs.labels_)
        recomputed = ((X - ours.cluster_centers_[labels]) ** 2).sum()
        reference = ((X - theirs.cluster_centers_[theirs.labels_]) ** 2).sum()
        assert recomputed == pytest.approx(reference, rel=1e-9)
        assert ours.inertia_ == pytest.approx(reference, rel=1e-9)
        known = (188200884889.4164, 188201418926.9922)  # the two fixed points of the README
        assert min(abs(ours.inertia_ / value - 1) for value in known) < 1e-5


def test_cifar_with_one_cluster(data_dir):
    source = open_source(data_dir / "cifar10")
    X = source.read(0, 20_000)
    assert KMeans(1).fit(X).inertia_ == pytest.approx(248683800548.1794, rel=1e-12)
