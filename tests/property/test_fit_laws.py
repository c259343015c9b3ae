"""Laws of the fit: weights, offsets, falling inertia, empty clusters, stopping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans as SklearnKMeans

from streamkm import KMeans
from streamkm.errors import EmptyClusterError
from tests.helpers import heavy_tailed


def float64_inertia(X, model):
    wide = np.asarray(X, np.float64)
    return ((wide - model.cluster_centers_[model.predict(X)]) ** 2).sum()


@given(st.integers(0, 2**31), st.integers(1, 6))
def test_weights_equal_repetitions_from_a_fixed_start(seed, n_clusters):
    """Replaces scikit-learn's check of weights, which its own KMeans is expected to fail."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 2))
    weights = rng.integers(1, 5, 40)
    start = X[:n_clusters]
    settings = {"n_clusters": n_clusters, "init": start, "tol": 0, "executor": "serial"}
    a = KMeans(**settings).fit(X, sample_weight=weights)
    b = KMeans(**settings).fit(np.repeat(X, weights, axis=0))
    np.testing.assert_allclose(a.cluster_centers_, b.cluster_centers_, rtol=0, atol=1e-12)
    assert a.inertia_ == pytest.approx(b.inertia_, rel=1e-12)
    np.testing.assert_array_equal(np.repeat(a.labels_, weights), b.labels_)


@given(st.integers(0, 2**31), st.integers(2, 8), st.sampled_from(["u1", "f4", "f8"]))
def test_inertia_never_rises(seed, n_clusters, dtype):
    rng = np.random.default_rng(seed)
    X = (rng.normal(100, 40, (200, 3))).clip(0, 255).astype(dtype)
    model = KMeans(
        n_clusters, init="random", random_state=seed, tol=0, executor="serial", n_init=2
    ).fit(X)
    for restart in range(2):
        inertia = [
            r["inertia"][r["restarts"].index(restart)]
            for r in model.history_
            if r["stage"] == "assign" and restart in r["restarts"]
        ]
        assert all(b <= a * (1 + 1e-12) for a, b in zip(inertia, inertia[1:], strict=False))
    assert model.inertia_ == pytest.approx(float64_inertia(X, model), rel=1e-11)


@given(st.integers(0, 2**31), st.integers(1, 3), st.sampled_from(["u1", "f4"]), st.booleans())
def test_labels_are_those_of_the_final_centers(seed, n_init, dtype, is_stopped):
    rng = np.random.default_rng(seed)
    X = rng.normal(100, 30, (300, 3)).clip(0, 255).astype(dtype)
    model = KMeans(
        5, n_init=n_init, random_state=seed, tol=0, max_iter=3 if is_stopped else 300
    ).fit(X, like=X[:5].astype("f8"))
    sq_dist = ((X[:, None].astype("f8") - model.cluster_centers_) ** 2).sum(axis=2)
    np.testing.assert_array_equal(model.labels_, sq_dist.argmin(axis=1))
    assert model.labels_.dtype == np.int32


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_same_fixed_point_as_scikit_learn(dtype, rng):
    X = np.concatenate([rng.normal(size=(300, 5)) + 4 * i for i in range(4)]).astype(dtype)
    start = X[[0, 350, 700, 1000]]
    ours = KMeans(4, init=start, tol=0).fit(X)
    theirs = SklearnKMeans(4, init=start.astype("f8"), tol=0, n_init=1).fit(X.astype("f8"))
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-12)
    assert ours.n_iter_ == theirs.n_iter_


def test_an_offset_of_a_million_changes_nothing(rng):
    X = np.concatenate([rng.normal(size=(500, 4)) + 3 * i for i in range(3)])
    near = KMeans(3, init=X[[0, 600, 1200]], tol=0).fit(X)
    far = KMeans(3, init=X[[0, 600, 1200]] + 1e6, tol=0).fit(X + 1e6)
    np.testing.assert_array_equal(near.labels_, far.labels_)
    assert far.inertia_ == pytest.approx(near.inertia_, rel=1e-9)
    assert near.n_iter_ == far.n_iter_


def test_inertia_of_tight_clusters_is_not_lost_in_the_variance(rng):
    """Clusters a million times tighter than their distance: the formula alone would lose it."""
    X = np.concatenate([rng.normal(size=(50, 3)) * 1e-6 + 10 * i for i in range(3)])
    model = KMeans(3, init=X[[0, 60, 120]], tol=0).fit(X)
    assert model.inertia_ == pytest.approx(float64_inertia(X, model), rel=1e-9)


FAR = np.array([[1e3, 1e3]])


def with_an_empty_cluster(rule, X, **more):
    start = np.concatenate([X[:2], FAR])  # nothing is near the third
    return KMeans(3, init=start, empty_cluster=rule, tol=0, executor="serial", **more)


def test_an_empty_cluster_moves_to_the_farthest_row(rng):
    X = rng.normal(size=(50, 2))
    model = with_an_empty_cluster("farthest", X, max_iter=1).fit(X)
    sq_dist = ((X[:, None] - X[:2]) ** 2).sum(axis=2)
    farthest = int(sq_dist.min(axis=1).argmax())
    np.testing.assert_allclose(model.cluster_centers_[2], X[farthest], rtol=1e-15)
    # The row was taken back from the cluster that it left.
    left = sq_dist[farthest].argmin()
    stayed = (sq_dist.argmin(axis=1) == left) & (np.arange(50) != farthest)
    np.testing.assert_allclose(model.cluster_centers_[left], X[stayed].mean(axis=0), rtol=1e-13)


def test_an_empty_cluster_never_jumps_to_the_origin(rng):
    X = rng.normal(size=(50, 2)) + 50
    for rule in ("farthest", "random"):
        model = with_an_empty_cluster(rule, X, random_state=0).fit(X)
        assert (model.cluster_centers_ > 40).all()
        assert (model.cluster_sizes_ > 0).all()


def test_empty_clusters_are_dropped_or_refused_on_request(rng):
    X = rng.normal(size=(50, 2))
    with pytest.warns(UserWarning, match="distinct clusters"):
        model = with_an_empty_cluster("drop", X).fit(X)
    assert model.cluster_centers_.shape == (2, 2)
    with pytest.raises(EmptyClusterError, match=r"clusters \[2\]"):
        with_an_empty_cluster("error", X).fit(X)


def test_a_row_alone_in_its_cluster_is_not_taken(rng):
    X = np.array([[0.0], [0.1], [0.2], [100.0]])
    model = KMeans(
        3, init=np.array([[0.1], [90.0], [1e6]]), tol=0, max_iter=1, executor="serial"
    ).fit(X)
    assert 100.0 in model.cluster_centers_


def test_tol_is_relative_to_the_variance(rng):
    X = rng.normal(size=(500, 3))
    loose = KMeans(5, init=X[:5], tol=1e-2).fit(X)
    scaled = KMeans(5, init=X[:5] * 1e4, tol=1e-2).fit(X * 1e4)
    assert loose.n_iter_ == scaled.n_iter_ < KMeans(5, init=X[:5], tol=0).fit(X).n_iter_


def test_time_ends_a_fit(rng):
    X = heavy_tailed(2000, 3)
    model = KMeans(20, random_state=0, tol=0, max_time_s=1e-9).fit(X)
    assert model.n_iter_ == 1


def test_a_model_of_one_cluster_is_the_mean(rng):
    X = rng.normal(size=(1000, 3)) + 7
    model = KMeans(1, random_state=0).fit(X)
    np.testing.assert_allclose(model.cluster_centers_[0], X.mean(axis=0), rtol=1e-14)
    assert model.inertia_ == pytest.approx(((X - X.mean(axis=0)) ** 2).sum(), rel=1e-12)


def test_transform_and_score_equal_numpy(rng):
    X = rng.normal(size=(300, 4)).astype(np.float32)
    model = KMeans(3, random_state=0).fit(X)
    wide = X.astype(np.float64)
    expected = np.sqrt(((wide[:, None] - model.cluster_centers_) ** 2).sum(axis=2))
    np.testing.assert_allclose(model.transform(X), expected, rtol=1e-12)
    weights = rng.uniform(0, 3, 300)
    score = -(weights * expected.min(axis=1) ** 2).sum()
    assert model.score(X, sample_weight=weights) == pytest.approx(score, rel=1e-12)


def test_history_has_one_record_a_pass(rng):
    X = rng.normal(size=(300, 4))
    model = KMeans(3, random_state=0, n_init=2).fit(X)
    assert [r["pass"] for r in model.history_] == list(range(1, len(model.history_) + 1))
    stages = [r["stage"] for r in model.history_]
    assert stages[0] == "survey"
    assert stages.count("assign") == max(max(r["n_iter"]) for r in model.history_ if "n_iter" in r)
