"""Streams in any portions: they go on, refuse bad batches, and fade."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streamkm
from streamkm import KMeans, StreamKM
from streamkm.cluster.coreset_stream import CoresetStream
from streamkm.errors import SourceError
from streamkm.kernels.coreset import REDUCERS
from streamkm.kernels.coreset_tree import CoresetPlan
from tests.helpers import bits, cost, heavy_tailed, sets_of_centers

SMALL = {"n_clusters": 4, "coreset_size": 40, "random_state": 3, "n_init": 2}


STREAM = heavy_tailed(700, 3)


def model_bits(model):
    return (
        *bits(model.coreset_), model.cluster_centers_.tobytes(), model.inertia_, model.n_iter_,
        model.cluster_sizes_.tobytes(),
    )  # fmt: skip


@given(st.lists(st.integers(0, 700), max_size=12), st.sampled_from(list(REDUCERS)))
@settings(max_examples=30)
def test_partial_fit_in_any_portions_has_the_bits_of_fit(cuts, method):
    wanted = {**SMALL, "coreset": method, "coreset_size": 20}
    parts = [part for part in np.split(STREAM, sorted(cuts)) if len(part)]
    model = StreamKM(**wanted)
    for part in parts:
        model.partial_fit(part)
    expected = model_bits(StreamKM(**wanted, executor="serial").fit(STREAM))
    assert model_bits(model) == expected
    assert model_bits(StreamKM(**wanted).fit_stream(parts)) == expected


def test_rows_on_disk_are_taken_in_like_those_in_memory():
    store = streamkm.convert(STREAM, "x.zarr", chunk_rows=90)
    weights = np.random.default_rng(0).uniform(size=700)
    expected = StreamKM(**SMALL, executor="serial").fit(STREAM, sample_weight=weights)
    model = StreamKM(**SMALL).partial_fit(store, sample_weight=weights)
    assert model_bits(model) == model_bits(expected)


def test_an_endless_stream_takes_bounded_memory():
    def endless():
        rng = np.random.default_rng(0)
        while True:
            yield rng.normal(size=(37, 2)).astype(np.float32)

    model = StreamKM(**SMALL)
    for n_batches in (100, 400, 1600):
        model.fit_stream(itertools.islice(endless(), n_batches))
        stream = model._stream
        n_leaves = stream.n_rows / stream.plan.leaf_rows
        assert len(stream._tree.nodes) <= 2 * np.log2(n_leaves + 1)
        assert sum(len(rows) for rows, _ in stream._waiting) < stream.plan.leaf_rows
        assert all(len(rows) <= 40 for rows, _ in stream._tree.nodes.values())
    assert model.coreset_.weights.sum() == pytest.approx(2100 * 37)


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_a_fitted_or_loaded_model_goes_on(how, rng):
    places = rng.uniform(-20, 20, (4, 5))
    X = (places[rng.integers(4, size=4000)] + rng.normal(size=(4000, 5))).astype(np.float32)
    model = getattr(StreamKM(4, random_state=0), how)(X[:3000])
    ids = model.cluster_centers_
    model.save("model.zarr")
    loaded = streamkm.load_model("model.zarr")
    assert bits(loaded.coreset_) == bits(model.coreset_)
    assert loaded.coreset_.n_rows == 3000
    both = [loaded.partial_fit(X[3000:]), model.partial_fit(X[3000:])]
    if how == "fit":
        assert model_bits(loaded) == model_bits(model)
    for after in both:
        assert (after.coreset_.n_rows, after.coreset_.rows.dtype) == (4000, X.dtype)
        assert cost(X, after.cluster_centers_) <= 1.1 * KMeans(4, random_state=0).fit(X).inertia_
        for centers in sets_of_centers(X, rng, 20, 4):
            made = after.coreset_
            ours = cost(made.rows, centers, made.weights)
            assert ours == pytest.approx(cost(X, centers), rel=0.1)
        assert np.abs(after.cluster_centers_ - ids).max() < 1.0  # an id keeps its cluster
    loaded.save("model.zarr", overwrite=True)
    assert bits(streamkm.load_model("model.zarr").coreset_) == bits(loaded.coreset_)


def test_a_model_made_from_centers_saves_and_goes_on(rng):
    centers = rng.uniform(-20, 20, (3, 2))
    model = StreamKM.from_centers(centers, random_state=0)
    model.save("model.zarr")
    loaded = streamkm.load_model("model.zarr")
    for made in (model, loaded):
        made.partial_fit(np.repeat(centers, 50, axis=0) + rng.normal(size=(150, 2)) * 0.1)
        np.testing.assert_allclose(made.cluster_centers_, centers, atol=0.2)


def bad_batches():
    nan = np.ones((600, 3), np.float32)
    nan[500, 1] = np.nan
    wide = np.ones((10, 4), np.float32)
    return {"NaN": nan, "features": wide}


@pytest.mark.parametrize("says", bad_batches())
@pytest.mark.parametrize("kind", ["memory", "dask", "zarr"])
def test_a_bad_batch_is_one_error_and_leaves_the_model_as_it_was(says, kind):
    import dask.array as da
    import zarr

    batch = bad_batches()[says]
    if kind == "dask":
        batch = da.from_array(batch, chunks=(100, -1))
    if kind == "zarr":
        batch = zarr.create_array("bad", data=batch, chunks=(100, batch.shape[1]))
    model = StreamKM(**SMALL)
    with pytest.raises(ValueError, match="NaN" if says == "NaN" else "missing|expecting"):
        StreamKM(**SMALL).partial_fit(STREAM[:50]).partial_fit(batch)
    if says == "NaN":
        with pytest.raises(ValueError, match="NaN"):
            model.partial_fit(batch)
        assert not model.__sklearn_is_fitted__()
    model.partial_fit(STREAM[:400])
    before = model_bits(model)
    with pytest.raises(ValueError, match="NaN" if says == "NaN" else "expecting"):
        model.partial_fit(batch)
    assert model_bits(model) == before
    expected = StreamKM(**SMALL, executor="serial").fit(STREAM)
    assert bits(model.partial_fit(STREAM[400:]).coreset_) == bits(expected.coreset_)


def test_bad_weights_in_a_store_are_refused_by_partial_fit(rng):
    X = rng.normal(size=(100, 2))
    streamkm.make_coreset(X, 2, random_state=0).save("c.zarr")
    import zarr

    zarr.open_group("c.zarr")["sample_weight"][50] = -1.0
    model = StreamKM(**SMALL)
    with pytest.raises(SourceError, match="not negative"):
        model.partial_fit("c.zarr")
    assert not model.__sklearn_is_fitted__()


@pytest.mark.parametrize("unit", ["rows", "batches"])
def test_a_half_life_halves_the_weight(unit, rng):
    X, mass = rng.normal(size=(90, 2)), rng.uniform(1, 2, 90)
    half_life = 20.0 if unit == "rows" else 2.0
    model = StreamKM(2, coreset_size=100, half_life=half_life, time_unit=unit, random_state=0)
    for begin in range(0, 90, 15):
        model.partial_fit(X[begin : begin + 15], sample_weight=mass[begin : begin + 15])
    age = np.arange(89, -1, -1) if unit == "rows" else 5 - np.arange(90) // 15
    np.testing.assert_array_equal(model.coreset_.rows, X)
    np.testing.assert_allclose(model.coreset_.weights, mass * 0.5 ** (age / half_life), rtol=1e-12)


@given(st.lists(st.integers(0, 700), max_size=8), st.sampled_from([0.3, 1.0, 7.0, 100.0, 1e5]))
@settings(max_examples=30)
def test_fading_in_rows_does_not_depend_on_portions(cuts, half_life):
    wanted = {**SMALL, "half_life": half_life, "coreset_size": 20}
    model = StreamKM(**wanted)
    for part in np.split(STREAM, sorted(cuts)):
        if len(part):
            model.partial_fit(part)
    assert bits(model.coreset_) == bits(StreamKM(**wanted).partial_fit(STREAM).coreset_)
    weights = model.coreset_.weights
    assert np.isfinite(weights).all()
    assert (weights > 0).all()
    expected = (0.5 ** (np.arange(700) / half_life)).sum()
    assert weights.sum() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("unit", ["rows", "batches"])
@pytest.mark.parametrize("method", REDUCERS)
def test_very_long_streams_have_finite_weights(unit, method, rng):
    half_life = 10.0 if unit == "rows" else 0.25
    stream = CoresetStream(CoresetPlan(20, method, 2, 0), half_life, by_batch=unit == "batches")
    for _ in range(600):
        stream.add(rng.normal(size=(50, 2)), np.ones(50), is_new_batch=True)
    rows, weights = stream.result()
    assert np.isfinite(weights).all()
    assert (weights > 0).all()
    assert len(rows) <= 20
    per_batch = 0.5 ** (np.arange(30_000) / half_life) if unit == "rows" else 50 / (1 - 0.5**4)
    tolerance = 1e-9 if method == "tree" else 0.5
    assert weights.sum() == pytest.approx(np.sum(per_batch), rel=tolerance)


def after_the_jump(half_lives, unit="rows", half_life=1000.0):
    """How far the worst of five centers is, and what share of the weight is from before."""
    rng = np.random.default_rng(1)
    model = StreamKM(5, random_state=0, half_life=half_life, time_unit=unit)
    places = rng.uniform(-20, 20, (2, 5, 4))
    for centers, n_batches in zip(places, (40, 2 * half_lives), strict=True):
        for _ in range(n_batches):
            model.partial_fit(centers[rng.integers(5, size=500)] + rng.normal(size=(500, 4)))
    gaps = ((centers[:, None] - model.cluster_centers_) ** 2).sum(axis=2)
    made = model.coreset_
    before, now = (
        np.min([((made.rows - c) ** 2).sum(axis=1) for c in each], axis=0) for each in places
    )
    return np.sqrt(gaps.min(axis=1).max()), made.weights[before < now].sum() / made.weights.sum()


@pytest.mark.parametrize(("unit", "half_life"), [("rows", 1000.0), ("batches", 2.0)])
def test_what_was_before_a_jump_fades_as_the_half_life_says(unit, half_life):
    """The centers follow once what was weighs little against its distance: 8 half-lives here."""
    for half_lives in (1, 2, 4, 8):
        gap, share = after_the_jump(half_lives, unit, half_life)
        assert share == pytest.approx(0.5**half_lives, rel=0.05)
    assert gap < 0.5
    gap, share = after_the_jump(8, unit, None)
    assert gap > 5.0
    assert share == pytest.approx(40 / 56, rel=0.05)


def test_ids_stay_where_they_are_from_call_to_call(rng):
    places = rng.uniform(-20, 20, (6, 3))
    model = StreamKM(6, half_life=2000.0, random_state=0)
    model.partial_fit(places[rng.integers(6, size=500)] + rng.normal(size=(500, 3)))
    first = model.cluster_centers_
    for _ in range(20):
        model.partial_fit(places[rng.integers(6, size=500)] + rng.normal(size=(500, 3)))
        assert np.abs(model.cluster_centers_ - first).max() < 2.0
