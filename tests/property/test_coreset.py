"""Coresets cost what all rows cost, and one tree comes out whoever merges it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans as Reference

import streamkm
from streamkm import Coreset, KMeans, StreamKM, make_coreset
from streamkm.errors import SourceError, StoreError, StoreExistsError
from streamkm.kernels.coreset import REDUCERS, reduce_rows
from streamkm.kernels.coreset_tree import CoresetPlan, CoresetTree
from tests.helpers import bits, cost, sets_of_centers, with_outliers


def row_set(rows):
    return {row.tobytes() for row in rows}


@pytest.mark.parametrize("method", ["tree", "sensitivity"])
@pytest.mark.parametrize("seed", range(3))
def test_any_centers_cost_the_same_on_a_coreset_within_a_tenth(method, seed):
    rng = np.random.default_rng(seed)
    X = with_outliers(rng)
    made = make_coreset(X, 8, coreset=method, random_state=seed)
    for centers in sets_of_centers(X, rng):
        assert cost(made.rows, centers, made.weights) == pytest.approx(cost(X, centers), rel=0.1)


def near_the_mean(seed, n_rows=20_000, n_small=50):
    """Two far, tight clusters, and a few rows in a third beside the mean of all."""
    rng = np.random.default_rng(seed)
    places = np.array([[100.0, 0, 0], [-100.0, 0, 0], [0, 1, 0]])
    labels = np.arange(n_rows) % 2
    labels[rng.choice(n_rows, n_small, replace=False)] = 2
    return places[labels] + rng.normal(size=(n_rows, 3)) * 0.01, places


def test_lightweight_misses_a_small_cluster_beside_the_mean_and_the_others_do_not():
    errors = {name: [] for name in REDUCERS}
    for seed in range(12):
        X, places = near_the_mean(seed)
        for name, found in errors.items():
            made = make_coreset(X, 3, coreset=name, random_state=seed)
            # Without a center there, the small cluster is nearly all of the cost.
            ours = cost(made.rows, places[:2], made.weights)
            found.append(abs(ours / cost(X, places[:2]) - 1.0))
    assert max(errors["tree"]) < 0.001
    assert max(errors["sensitivity"]) < 0.001
    assert min(errors["lightweight"]) > 0.1
    assert np.median(errors["lightweight"]) > 0.5


@given(
    st.integers(1, 300), st.integers(1, 80), st.integers(1, 5), st.sampled_from(list(REDUCERS)),
    st.sampled_from(["f4", "f8", "f2", "u1", "i8", "?"]), st.integers(0, 9),
)  # fmt: skip
def test_a_coreset_is_some_of_the_rows(n_rows, size, n_clusters, method, dtype, seed):
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(n_rows, 2)) * 50).astype(dtype)
    weights = rng.lognormal(0, 3, n_rows) * (rng.random(n_rows) < 0.8)
    chosen, masses = reduce_rows(rows, weights, size, method, n_clusters, rng)
    has_weight, kept = weights > 0, rows[chosen]
    assert len(np.unique(chosen)) == len(chosen)
    assert len(kept) == len(masses) <= size
    assert row_set(kept) <= row_set(rows[has_weight])
    assert (masses > 0).all()
    assert np.isfinite(masses).all()
    if has_weight.sum() <= size:
        np.testing.assert_array_equal(kept, rows[has_weight])
        np.testing.assert_array_equal(masses, weights[has_weight])
    if method == "tree":
        assert masses.sum() == pytest.approx(weights.sum(), rel=1e-12)


@pytest.mark.parametrize("method", ["sensitivity", "lightweight"])
def test_the_total_weight_is_kept_in_expectation(method, rng):
    X, weights = rng.normal(size=(500, 2)), rng.lognormal(size=500)
    totals = [
        reduce_rows(X, weights, 50, method, 3, np.random.default_rng(seed))[1].sum()
        for seed in range(400)
    ]
    error = np.std(totals) / np.sqrt(len(totals))
    assert np.mean(totals) == pytest.approx(weights.sum(), abs=4 * error)


def test_a_weight_is_so_many_rows(rng):
    X = rng.normal(size=(1500, 3))
    times = rng.integers(0, 8, 1500)
    sets = list(sets_of_centers(X, rng, 20))
    for name in ("tree", "sensitivity"):
        weighted = make_coreset(X, 4, coreset=name, sample_weight=times, random_state=0)
        repeated = make_coreset(np.repeat(X, times, axis=0), 4, coreset=name, random_state=0)
        for centers in sets:
            expected = cost(X, centers, times)
            for made in (weighted, repeated):
                assert cost(made.rows, centers, made.weights) == pytest.approx(expected, rel=0.1)


PLAN = CoresetPlan(6, "tree", 2, 5)


def leaves(n_leaves):
    X = np.random.default_rng(n_leaves).normal(size=(n_leaves * PLAN.leaf_rows - 5, 2))
    return np.split(X, range(PLAN.leaf_rows, len(X), PLAN.leaf_rows))


@given(st.integers(1, 40), st.data())
def test_merging_in_any_partition_and_order_gives_the_same_bits(n_leaves, data):
    parts = leaves(n_leaves)
    one_by_one = CoresetTree(PLAN)
    for i, rows in enumerate(parts):
        one_by_one = one_by_one.with_leaf(i, rows, np.ones(len(rows)))
    assert len(one_by_one.nodes) <= 2 * np.log2(n_leaves + 1)
    order = data.draw(st.permutations(range(n_leaves)))
    trees = [CoresetTree(PLAN).with_leaf(i, parts[i], np.ones(len(parts[i]))) for i in order]
    while len(trees) > 1:
        n_joined = data.draw(st.integers(2, len(trees)))
        begin = data.draw(st.integers(0, len(trees) - n_joined))
        joined = CoresetTree.merge_all(trees[begin : begin + n_joined])
        trees[begin : begin + n_joined] = [joined]
    assert trees[0].nodes.keys() == one_by_one.nodes.keys()
    for ours, theirs in zip(trees[0].result(), one_by_one.result(), strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_two_halves_added_cost_what_the_whole_costs(rng):
    X = with_outliers(rng)
    halves = [make_coreset(part, 8, random_state=s) for s, part in enumerate(np.split(X, 2))]
    both = halves[0] + halves[1]
    assert (both.n_rows, len(both.rows)) == (len(X), 1600)
    for centers in sets_of_centers(X, rng):
        assert cost(both.rows, centers, both.weights) == pytest.approx(cost(X, centers), rel=0.1)


@pytest.mark.parametrize("dtype", ["f4", "f2", "u1", "?"])
def test_a_saved_coreset_comes_back(dtype, rng):
    X = (rng.normal(size=(3000, 16)) * 20 + 90).astype(dtype)
    made = make_coreset(X.reshape(3000, 16), 3, random_state=0)
    made.save("c.zarr")
    again = Coreset.open("c.zarr")
    assert bits(again) == bits(made)
    assert (again.n_rows, again.plan, again.rows.dtype) == (3000, made.plan, X.dtype)
    assert again.sample_shape == made.sample_shape
    with pytest.raises(StoreExistsError):
        made.save("c.zarr")
    made.save("c.zarr", overwrite=True)
    assert bits(again + again) == bits(made + made)
    streamkm.convert(X, "x.zarr")
    with pytest.raises(StoreError, match="not of a coreset"):
        Coreset.open("x.zarr")


def test_a_saved_coreset_is_fitted_for_any_k_as_scikit_learn_would(rng):
    X = with_outliers(rng)
    make_coreset(X, 8, random_state=0).save("c.zarr")
    made = Coreset.open("c.zarr")
    rows = made.rows.astype(np.float64)
    for k in (2, 5, 8, 12):
        start = rows[rng.choice(len(rows), k, replace=False)]
        ours = KMeans(k, init=start, n_init=1, tol=0).fit("c.zarr")
        theirs = Reference(k, init=start, n_init=1, tol=0).fit(rows, sample_weight=made.weights)
        assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-6)
        assert cost(X, ours.cluster_centers_) == pytest.approx(ours.inertia_, rel=0.1)


def test_what_does_not_fit_together_is_one_clear_error(rng):
    X = rng.normal(size=(50, 3))
    made = make_coreset(X, 2, random_state=0)
    for other in (X[:, :2], X.astype(np.float32)):
        with pytest.raises(SourceError, match="cannot be added"):
            made + make_coreset(other, 2, random_state=0)
    for bad in ({"n_clusters": 0}, {"coreset": "none"}, {"coreset_size": 0}):
        with pytest.raises(SourceError, match="must be at least 1"):
            make_coreset(X, **{"n_clusters": 2, **bad})
    with pytest.raises(SourceError, match="weights are zero"):
        make_coreset(X, 2, sample_weight=np.zeros(50))
    with pytest.raises(SourceError, match="weights are zero"):
        StreamKM(2).fit(X, sample_weight=np.zeros(50))
    with pytest.raises(SourceError):
        make_coreset(X[:0], 2)
