"""Matching of clusters: a permutation, the cheapest, and stable where there is a choice."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamkm.cluster.matching import match


def centers_of(n_rows, seed):
    return np.random.default_rng(seed).normal(size=(n_rows, 3))


@given(st.integers(1, 6), st.integers(0, 1000))
def test_it_is_the_cheapest_permutation(n_clusters, seed):
    new, old = centers_of(n_clusters, seed), centers_of(n_clusters, seed + 1)
    order = match(new, old)
    assert sorted(order) == list(range(n_clusters))
    costs = [
        ((new[list(chosen)] - old) ** 2).sum()
        for chosen in itertools.permutations(range(n_clusters))
    ]
    assert np.isclose(((new[order] - old) ** 2).sum(), min(costs))


@given(st.permutations(range(9)))
def test_centers_that_only_changed_places_go_back(places):
    old = centers_of(9, 0)
    np.testing.assert_array_equal(old[places][match(old[places], old)], old)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 100))
def test_with_other_numbers_it_is_a_permutation_of_the_new(n_new, n_old, seed):
    order = match(centers_of(n_new, seed), centers_of(n_old, seed + 1))
    assert sorted(order) == list(range(n_new))


def test_more_clusters_take_the_ids_behind():
    old = np.array([[0.0], [10.0], [20.0]])
    new = np.array([[100.0], [20.1], [50.0], [0.1], [10.1]])
    assert match(new, old).tolist() == [3, 4, 1, 0, 2]


def test_fewer_clusters_keep_the_ids_that_there_still_are():
    old = np.array([[0.0], [10.0], [20.0], [30.0]])
    new = np.array([[30.1], [10.1]])  # 30 had the id 3, which is gone: it takes the free 0
    assert match(new, old).tolist() == [0, 1]
