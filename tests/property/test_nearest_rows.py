"""The nearest, farthest and drawn members of clusters, against NumPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import streamkm
from streamkm import KMeans, nearest_rows
from streamkm.kernels.cluster_rows import ClusterRows
from streamkm.kernels.hashing import uniform_rows
from streamkm.keyed import MEMBERS, row_key


def model_and_rows(seed, n_rows=200):
    """Small whole numbers: many rows are equally far."""
    draws = np.random.default_rng(seed)
    X = draws.integers(0, 6, (n_rows, 2)).astype(np.float32)
    return KMeans.from_centers(draws.integers(0, 6, (int(draws.integers(1, 7)), 2)) + 0.5), X


def expected_rows(X, model, m, kind):
    """By sorting all rows of each cluster, ties to the lowest row number."""
    labels = model.predict(X)
    away = model.transform(X)[np.arange(len(X)), labels]
    keys = {"nearest": away, "farthest": -away}.get(kind)
    if keys is None:
        keys = uniform_rows(row_key(0, MEMBERS), 0, len(X))
    found = []
    for k in range(len(model.cluster_centers_)):
        mine = np.flatnonzero(labels == k)
        found += mine[np.lexsort((mine, keys[mine]))][:m].tolist()
    return labels[found], np.array(found, np.int64), away[found]


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 300),
    st.sampled_from(["nearest", "farthest", "typical"]),
)
def test_they_are_those_that_sorting_finds(seed, m, kind):
    model, X = model_and_rows(seed)
    found = nearest_rows(model, X, m, kind=kind, with_rows=True)
    labels, numbers, away = expected_rows(X, model, m, kind)
    np.testing.assert_array_equal(found.clusters, labels)
    np.testing.assert_array_equal(found.numbers, numbers)
    np.testing.assert_allclose(found.distances, away, rtol=1e-12)
    np.testing.assert_array_equal(found.rows, X[numbers])
    fewer = nearest_rows(model, X, 1, kind=kind)
    begins = np.searchsorted(labels, np.unique(labels))
    np.testing.assert_array_equal(fewer.numbers, numbers[begins])


@given(st.integers(0, 2**32 - 1), st.permutations(range(4)), st.integers(1, 9))
def test_any_order_and_grouping_merges_to_the_same(seed, order, capacity):
    model, X = model_and_rows(seed, 120)
    labels, sq_dist = model.labeler_.assign(X)
    parts = [
        ClusterRows.pick(capacity, labels[a : a + 30], sq_dist[a : a + 30], sq_dist[a : a + 30], a,
                         X[a : a + 30])
        for a in (30 * i for i in order)
    ]  # fmt: skip
    left = ClusterRows.merge_all(
        [ClusterRows.merge_all(parts[:2]), ClusterRows.merge_all(parts[2:])]
    )
    whole = ClusterRows.pick(capacity, labels, sq_dist, sq_dist, 0, X)
    for name in ("labels", "keys", "indices", "distances", "rows"):
        np.testing.assert_array_equal(getattr(left, name), getattr(whole, name))


def test_any_executor_and_chunks_find_the_same(executor, rng):
    X = rng.normal(size=(500, 4)).astype("f4")
    model = KMeans(5, metric="cosine", random_state=0).fit(X)
    for kind in ("farthest", "typical"):
        expected = expected_rows(X, model, 3, kind)
        for chunk_rows in (23, 500):
            store = streamkm.convert(X, "x.zarr", chunk_rows=chunk_rows, overwrite=True)
            found = nearest_rows(model, store, 3, kind=kind, executor=executor, with_rows=True)
            np.testing.assert_array_equal(found.clusters, expected[0])
            np.testing.assert_array_equal(found.numbers, expected[1])
            np.testing.assert_allclose(found.distances, expected[2], rtol=1e-9)  # 1 - cosine
            np.testing.assert_array_equal(found.rows, X[expected[1]])


def test_a_draw_is_uniform_over_members():
    """Each of 40 members is among the 10 drawn in a quarter of 400 draws."""
    X = np.zeros((80, 1))
    X[40:] = 9.0
    model = KMeans.from_centers([[0.0], [9.0]])
    hits = np.zeros(80)
    for seed in range(400):
        hits[nearest_rows(model, X, 10, kind="typical", random_state=seed).numbers] += 1
    assert hits.sum() == 400 * 20
    assert (np.abs(hits - 100) < 5 * np.sqrt(400 * 0.25 * 0.75)).all()


def test_one_cluster_of_many(rng):
    model, X = model_and_rows(3)
    found = nearest_rows(model, X, 4, with_rows=True)
    for k in range(len(model.cluster_centers_)):
        mine = found.of(k)
        assert set(mine.clusters.tolist()) <= {k}
        assert len(mine.numbers) == min(4, int((model.predict(X) == k).sum()))
        np.testing.assert_array_equal(mine.rows, X[mine.numbers])
    rows = found.to_json()
    assert [row["row"] for row in rows] == found.numbers.tolist()
    assert all(row["rank"] < 4 for row in rows)
