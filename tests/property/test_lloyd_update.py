"""Laws of the arithmetic between two passes, and of the bounds that it widens."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamkm
from streamkm.errors import SourceError
from streamkm.kernels.exact_sum import ExactSum, float_grid, integer_grid
from streamkm.kernels.open_sum import add_labeled
from streamkm.kernels.update import change_of_squares, means_of, squared_moves, writable
from streamkm.kernels.widening import list_open, widened

seeds = st.integers(0, 2**32 - 1)


def clusters(seed, n_clusters, n_features, is_whole):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(200, n_features)) * 10.0 ** rng.integers(-3, 4)
    rows = np.rint(rows) if is_whole else rows
    labels = rng.integers(0, n_clusters, 200).astype(np.int32)
    grid = integer_grid(n_features) if is_whole else float_grid(np.abs(rows).max(axis=0))
    total = ExactSum.zeros((n_clusters, n_features), grid)
    add_labeled(total, rows, labels)
    return rows, labels, total, np.bincount(labels, minlength=n_clusters).astype(np.float64)


@given(seeds, st.integers(1, 90), st.integers(1, 40), st.booleans())
def test_an_update_is_that_of_numpy(seed, n_clusters, n_features, is_whole):
    rows, labels, total, mass = clusters(seed, n_clusters, n_features, is_whole)
    centers = rows[:n_clusters]
    means = means_of(total, mass, centers)
    for k in range(n_clusters):
        mine = rows[labels == k]
        expected = mine.mean(axis=0) if len(mine) else centers[k]
        np.testing.assert_allclose(means[k], expected, rtol=1e-12, atol=1e-12 * np.abs(rows).max())
    shift = rows.mean(axis=0)
    change = change_of_squares(total, mass, centers, shift)
    for k in range(n_clusters):
        mine = rows[labels == k]
        to_center, to_shift = ((mine - at) ** 2 for at in (centers[k], shift))
        assert change[k] == pytest.approx(
            to_center.sum() - to_shift.sum(), rel=1e-9, abs=1e-11 * (rows**2).sum()
        )
    np.testing.assert_allclose(
        squared_moves(centers, means, 0.5), ((means - centers) ** 2).sum(axis=1) / 4, rtol=1e-12
    )


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "int32", "uint32"])
def test_integers_as_large_as_their_dtype_allows_are_summed_exactly(dtype):
    rng = np.random.default_rng(0)
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    X = np.where(rng.random((80_000, 3)) < 0.9, high, low).astype(dtype)  # past a flush or two
    X[::2, 0] = low
    start = X[:2].astype(float)
    start[:, 0] = low, 0.75 * low + 0.25 * high  # rows move from one to the other
    expected, wide = start, X.astype(np.int64)
    for _ in range(3):
        labels = ((X[:, None] - expected) ** 2).sum(axis=2).argmin(axis=1)
        expected = np.stack([wide[labels == k].sum(axis=0) / (labels == k).sum() for k in (0, 1)])
    found = streamkm.KMeans(2, init=start, max_iter=3, tol=0).fit(X)
    np.testing.assert_array_equal(found.cluster_centers_, expected)
    turned = streamkm.KMeans(2, init=start[:, ::-1], max_iter=3, tol=0, columns=[2, 1, 0]).fit(X)
    np.testing.assert_array_equal(turned.cluster_centers_, expected[:, ::-1])


@pytest.mark.parametrize("claimed", ["uint8", "int32"])
def test_rows_that_are_no_integers_as_their_source_said_are_refused(claimed):
    X = np.random.default_rng(0).random((600, 3))
    chunks = da.from_array(X, chunks=(100, 3))
    lying = da.map_blocks(lambda rows: rows, chunks, dtype=claimed, meta=np.empty((0, 0), claimed))
    with pytest.raises(SourceError, match=r"came as float64.* at most (16|32) bits"):
        streamkm.KMeans(2, random_state=0).fit(lying)


def test_the_smallest_moves_do_not_vanish():
    before, after = np.zeros((1, 9)), np.full((1, 9), 1e-170)
    assert squared_moves(before, after, 2.0**565)[0] == pytest.approx(9 * (1e-170 * 2.0**565) ** 2)


def test_what_was_sent_is_copied_and_nothing_else():
    values = np.arange(12.0).reshape(3, 4)
    assert writable(values) is values
    sent = np.frombuffer(values.tobytes()).reshape(3, 4)
    assert writable(sent).flags.writeable
    np.testing.assert_array_equal(writable(values.T), values.T)
    assert writable(values.T).flags.c_contiguous


@given(seeds, st.integers(1, 90), st.sampled_from([1, 3]), st.integers(0, 200))
def test_rows_are_open_where_their_bounds_no_longer_hold(seed, n_clusters, n_groups, n_rows):
    """By the rule in float64: rows within rounding of it may be either."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, n_clusters, n_rows).astype(np.int32)
    upper, lower = rng.random(n_rows, np.float32), rng.random((n_rows, n_groups), np.float32) * 2
    own, most, others, half = (
        rng.random(n, np.float32) / 4 for n in (n_clusters, n_groups, n_clusters, n_clusters)
    )
    group_of = rng.integers(0, n_groups, n_clusters).astype(np.int32)
    known = labels, upper.copy(), lower.copy()
    is_open = widened(False, (own, most, others, half), group_of, known)
    is_own = group_of[labels][:, None] == np.arange(n_groups)
    reach = upper.astype("f8") + own[labels]
    below = lower.astype("f8") - np.where(is_own, others[labels][:, None], most)
    room = np.maximum(below.min(axis=1), half[labels]) - reach
    known_rows = labels >= 0
    assert is_open[:n_rows][~known_rows].all()
    assert is_open[:n_rows][known_rows & (room < -1e-5)].all()
    assert not is_open[:n_rows][known_rows & (room > 1e-5)].any()
    assert (known[1] >= reach)[known_rows].all()
    assert (known[2] <= below)[known_rows].all()
    listed, limits = np.empty(16, np.int64), np.empty(16, np.float32)
    at, found = 0, []
    while at < n_rows:
        at, n = list_open(at, half, known, is_open, listed, limits)
        found += listed[:n].tolist()
        for i, limit in zip(listed[:n], limits[:n], strict=True):
            expected = max(known[2][i].min(), half[labels[i]]) if labels[i] >= 0 else 0.0
            assert limit == expected
    np.testing.assert_array_equal(found, np.flatnonzero(is_open[:n_rows]))
