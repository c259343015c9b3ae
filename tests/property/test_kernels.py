"""Any position in a block, any blocking, any dtype: the float64 reference's labels and sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamkm.kernels.accumulate import LloydAccumulator
from streamkm.kernels.assign import assign
from streamkm.kernels.centers import prepare
from streamkm.kernels.frame import Frame
from streamkm.kernels.lloyd import PartialSums
from streamkm.kernels.moments import Moments, MomentsAccumulator, first_shift
from streamkm.kernels.select import SelectedRows
from tests.helpers import heavy_tailed

DTYPES = ["u1", "i2", "u4", "f2", "f4", "f8", "i8", "?"]


def summary_of(rows, weights=None):
    moments = MomentsAccumulator(first_shift(rows[:256]))
    moments.add(rows, weights, 0)
    return moments.result().summary()


def reference_labels(rows, centers):
    wide = rows.astype(np.float64)
    return np.array([((row - centers) ** 2).sum(axis=1).argmin() for row in wide])


def make_rows(dtype, n_rows=300, n_features=7, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(100.0, 30.0, (n_rows, n_features))
    return np.clip(values, 0, 250).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_clusters", [1, 2, 3, 5, 8])
def test_labels_are_the_float64_reference_in_every_dtype(dtype, n_clusters):
    rows = make_rows(dtype)
    centers = make_rows("f8", n_clusters, seed=1)
    labels, sq_dist = assign(rows, prepare(centers, summary_of(rows).frame()))
    expected = reference_labels(rows, centers)
    np.testing.assert_array_equal(labels, expected)
    wide = rows.astype(np.float64)
    np.testing.assert_allclose(sq_dist, ((wide - centers[expected]) ** 2).sum(axis=1), rtol=1e-13)


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 9)),
               elements=st.floats(-8, 8, width=16)),
    st.integers(1, 6),
)  # fmt: skip
def test_near_ties_are_decided_as_in_float64(rows, n_clusters):
    """Coarse values make ties common; the lowest index wins them."""
    centers = np.resize(rows[::-1], (n_clusters, rows.shape[1])).astype(np.float64)
    labels, _ = assign(rows, prepare(centers, summary_of(rows).frame()))
    np.testing.assert_array_equal(labels, reference_labels(rows, centers))


SHAPES = [
    (1, 1),
    (3, 7),
    (16, 20),
    (24, 33),
    (64, 65),
    (100, 170),
    (255, 9),
    (256, 3),
    (300, 31),
    (300, 33),
]


@pytest.mark.parametrize(("n_features", "n_clusters"), SHAPES)
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_every_tile_labels_as_float64(n_features, n_clusters, dtype):
    """Lanes of features, rows or centers, none of them full, and ties among whole numbers."""
    rng = np.random.default_rng(n_features)
    values = rng.integers(0, 4 if n_features < 9 else 250, (n_clusters + 230, n_features))
    rows = values[n_clusters:].astype(dtype)
    centers = values[:n_clusters].astype(np.float64)
    centers[n_clusters // 2 :: 3] = centers[0]
    ready = prepare(centers, summary_of(rows).frame(), rng.permutation(n_clusters))
    for stop in (1, 15, 33, 230):
        labels, sq_dist = assign(rows[:stop], ready)
        expected = reference_labels(rows[:stop], centers)
        np.testing.assert_array_equal(labels, expected)
        wide = rows[:stop].astype(np.float64)
        np.testing.assert_array_equal(sq_dist, ((wide - centers[expected]) ** 2).sum(axis=1))


@pytest.mark.parametrize(("n_features", "n_clusters"), [(200, 2), (300, 2), (300, 40)])
def test_rows_near_the_mean_are_not_labeled_by_rounding(n_features, n_clusters):
    """Norms far larger than the products with a row: each rounds once, not once a feature."""
    centers = np.full((n_clusters, n_features), 0.0705)
    centers[0], centers[1] = 0.07, -(0.07 - 3e-8)
    rows = np.full((5, n_features), 1e-7)
    labels, _ = assign(rows, prepare(centers, Frame(np.zeros(n_features), 1.0)))
    np.testing.assert_array_equal(labels, reference_labels(rows, centers))


@pytest.mark.parametrize("n_features", [20, 300])
def test_centers_may_lie_column_by_column(n_features, rng):
    rows = rng.normal(size=(50, n_features))
    frame = Frame(np.zeros(n_features), 1.0)
    found = [assign(rows, prepare(c, frame))[0] for c in (rows[:9], np.asfortranarray(rows[:9]))]
    np.testing.assert_array_equal(*found)


def test_centers_that_differ_by_less_than_float32_are_told_apart(rng):
    rows = rng.normal(size=(2000, 5))
    base = rng.normal(size=5)
    centers = np.stack([base, base + 1e-10, base - 1e-10])
    labels, _ = assign(rows, prepare(centers, summary_of(rows).frame()))
    np.testing.assert_array_equal(labels, reference_labels(rows, centers))
    assert len(np.unique(labels)) > 1


@given(st.lists(st.integers(0, 500), max_size=5), st.sampled_from(["u1", "f4", "f8", "f2"]))
def test_any_blocking_gives_the_same_sums(cuts, dtype):
    rows = heavy_tailed(500, 4).clip(-6e4, 6e4).astype(dtype, casting="unsafe")
    summary = summary_of(rows)
    centers = prepare(rows[:3].astype(np.float64), summary.frame())
    grids = summary.grids(rows.dtype, is_weighted=False)
    edges = [0, *sorted(cuts), 500]
    parts, labels = [], []
    for a, b in zip(edges, edges[1:], strict=False):
        one = LloydAccumulator(centers, grids)
        labels.append(one.add(rows[a:b], None))
        parts.append(one.result())
    whole = LloydAccumulator(centers, grids)
    whole_labels = whole.add(rows, None)
    merged = PartialSums.merge_all(parts)
    assert merged.sums.limbs.tobytes() == whole.result().sums.limbs.tobytes()
    np.testing.assert_array_equal(merged.counts, whole.result().counts)
    np.testing.assert_array_equal(np.concatenate(labels), whole_labels)


def test_sums_equal_numpy_on_integers(rng):
    rows = rng.integers(0, 256, (40_000, 3), np.uint8)
    summary = summary_of(rows)
    centers = rows[:4].astype(np.float64)
    one = LloydAccumulator(
        prepare(centers, summary.frame()), summary.grids(rows.dtype, is_weighted=False)
    )
    labels = one.add(rows, None)
    for k in range(4):
        np.testing.assert_array_equal(
            one.result().sums.value()[k], rows[labels == k].sum(axis=0, dtype=np.int64)
        )


@given(st.integers(0, 2**32 - 1))
def test_a_whole_weight_equals_repeated_rows(seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(30, 3))
    weights = rng.integers(0, 4, 30)
    repeated = np.repeat(rows, weights, axis=0)
    if not len(repeated):
        return
    summary = summary_of(rows)
    centers = prepare(rows[:2], summary.frame())
    grids = summary_of(rows, weights.astype(float)).grids(
        rows.dtype, is_weighted=True, most_weight=4.0
    )
    weighted = LloydAccumulator(centers, grids)
    weighted.add(rows, weights.astype(float))
    plain = LloydAccumulator(centers, grids)
    plain.add(repeated, np.ones(len(repeated)))
    a, b = weighted.result(), plain.result()
    np.testing.assert_array_equal(a.mass(), b.mass())
    np.testing.assert_allclose(a.sums.value(), b.sums.value(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", ["u1", "f2", "f4", "f8"])
def test_moments_equal_numpy(dtype):
    rows = make_rows(dtype, 5000, 3)
    wide = rows.astype(np.float64)
    summary = summary_of(rows)
    np.testing.assert_allclose(summary.mean, wide.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(summary.m2, wide.var(axis=0) * len(rows), rtol=1e-11)
    np.testing.assert_array_equal(summary.minimum, wide.min(axis=0))
    np.testing.assert_array_equal(summary.maximum, wide.max(axis=0))


def test_moments_of_an_offset_lose_no_digit(rng):
    rows = np.round(rng.normal(size=(4000, 2)) * 2**20) / 2**20
    moved = rows + 2.0**30  # exact: the fractions still fit
    a, b = summary_of(rows), summary_of(moved)
    np.testing.assert_allclose(a.m2, b.m2, rtol=1e-12)
    np.testing.assert_array_equal(a.mean + 2.0**30, b.mean)


@given(
    st.sampled_from(["u1", "i1", "?"]),
    st.integers(1, 1500),
    st.integers(1, 40),
    st.lists(st.integers(0, 1500), max_size=3),
)
def test_moments_of_bytes_are_those_of_whole_numbers(dtype, n_rows, n_features, cuts):
    rng = np.random.default_rng(n_rows)
    rows = rng.integers(0, 256, (n_rows, n_features), np.uint8)
    rows[rng.random(rows.shape) < 0.5] = 255  # the largest squares
    rows = rows > 100 if dtype == "?" else rows.view(dtype)
    edges = [0, *sorted(min(cut, n_rows) for cut in cuts), n_rows]
    parts = []
    for a, b in zip(edges, edges[1:], strict=False):
        parts.append(MomentsAccumulator(first_shift(rows[:256])))
        parts[-1].add(rows[a:b], None, a)
    found = Moments.merge_all([part.result() for part in parts]).summary()
    whole = rows.astype(np.int64)
    np.testing.assert_array_equal(found.mean, whole.sum(axis=0) / n_rows)
    np.testing.assert_array_equal(found.minimum, whole.min(axis=0))
    np.testing.assert_array_equal(found.maximum, whole.max(axis=0))
    exact = n_rows * (whole**2).sum(axis=0) - whole.sum(axis=0) ** 2
    np.testing.assert_array_equal(found.m2, exact / n_rows)


@given(
    st.sampled_from(["i2", "f4", "f8"]),
    st.integers(1, 900),
    st.integers(1, 600),
    st.lists(st.integers(0, 900), max_size=3),
    st.booleans(),
)
def test_plain_moments_are_those_of_weights_of_one(dtype, n_rows, n_features, cuts, has_bad):
    rng = np.random.default_rng(n_rows)
    rows = (rng.normal(size=(n_rows, n_features)) * 10.0 ** rng.integers(0, 4)).astype(dtype)
    if has_bad and dtype != "i2":
        rows[rng.integers(n_rows), rng.integers(n_features)] = np.inf
    edges = [0, *sorted(min(cut, n_rows) for cut in cuts), n_rows]
    weighted, *parts = (MomentsAccumulator(first_shift(rows[:256])) for _ in edges)
    weighted.add(rows, np.ones(n_rows), 0)
    for part, a, b in zip(parts, edges, edges[1:], strict=False):
        part.add(rows[a:b], None, a)
    found = Moments.merge_all([part.result() for part in parts])
    assert found.summary().to_json() == weighted.result().summary().to_json()
    assert found.bad_rows.tolist() == weighted.result().bad_rows.tolist()


@pytest.mark.parametrize("dtype", ["u1", "f2", "f4"])
@pytest.mark.parametrize("weights", [None, np.empty(0)])
def test_no_rows_add_nothing_to_moments(dtype, weights):
    moments = MomentsAccumulator(np.zeros(3))
    moments.add(np.empty((0, 3), dtype), weights, 0)
    assert moments.result().count == 0


@given(st.permutations(range(6)))
def test_moments_merge_in_any_order(order):
    rows = heavy_tailed(600, 2).astype(np.float64)
    rows[[3, 77]] = np.nan
    shift = first_shift(rows[:256])
    parts = []
    for i in range(6):
        one = MomentsAccumulator(shift)
        one.add(rows[100 * i : 100 * (i + 1)], None, 100 * i)
        parts.append(one.result())
    merged = Moments.merge_all([parts[i] for i in order])
    straight = Moments.merge_all(parts)
    assert merged.n_bad == 2
    assert merged.bad_rows.tolist() == [3, 77]
    assert merged.summary().to_json() == straight.summary().to_json()


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, np.inf]), min_size=1, max_size=40),
       st.integers(1, 8), st.integers(0, 40))  # fmt: skip
def test_selected_rows_are_the_smallest_keys_then_rows(keys, capacity, cut):
    keys = np.array(keys)
    rows = np.arange(len(keys), dtype=np.int16)[:, None]
    cut = min(cut, len(keys))
    parts = [
        SelectedRows.pick(capacity, keys[cut:], cut, rows[cut:]),
        SelectedRows.pick(capacity, keys[:cut], 0, rows[:cut]),
    ]
    merged = SelectedRows.merge_all(parts)
    expected = sorted((key, i) for i, key in enumerate(keys) if np.isfinite(key))[:capacity]
    assert list(zip(merged.keys, merged.indices, strict=True)) == expected
    np.testing.assert_array_equal(merged.rows[:, 0], merged.indices)


def test_a_row_with_nan_has_no_label():
    rows = np.array([[0.0, 1.0], [np.nan, 0.0], [np.inf, 1.0]])
    labels, sq_dist = assign(rows, prepare(np.eye(2), summary_of(rows[:1]).frame()))
    assert labels.tolist() == [1, -1, -1]
    assert np.isnan(sq_dist[1:]).all()


def test_twenty_million_rows_in_one_cluster_are_counted_exactly():
    """float32 counters stop at 2**24 = 16.8 million."""
    rows = np.ones((1_000_000, 1), np.uint8)
    summary = summary_of(rows)
    centers = prepare(np.array([[1.0], [200.0]]), summary.frame())
    one = LloydAccumulator(centers, summary.grids(rows.dtype, is_weighted=False))
    for _ in range(20):
        one.add(rows, None)
    assert one.result().counts.tolist() == [20_000_000, 0]
    assert one.result().sums.value()[0, 0] == 20_000_000.0
