"""Rows that are whole numbers from 0 to 255 are gone through in bytes; no bit depends on it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamkm
from streamkm import KMeans
from streamkm.cluster import passes as passes_module
from streamkm.cluster.passes import Passes
from streamkm.data import sampling
from streamkm.errors import BadRowsError
from streamkm.kernels.moments import Moments, MomentsAccumulator, first_shift
from streamkm.kernels.narrowing import NarrowedMoments, take_bytes

OTHERS = [-1.0, 256.0, 0.5, 254.99998, 1e-40, 1e30, np.nan, np.inf, -np.inf]


def pixels(dtype, n_rows=2000, n_features=24):
    rng = np.random.default_rng(3)
    kinds = rng.integers(0, 200, (5, n_features))
    noise = rng.integers(0, 56, (n_rows, n_features))
    return (kinds[rng.integers(5, size=n_rows)] + noise).astype(dtype)


@pytest.fixture
def narrowed(monkeypatch):
    """Narrow rows however few they are; return the rows of each fit in bytes."""
    found = []
    narrow = Passes.narrow

    def noted(passes, rows):
        narrow(passes, rows)
        found.append(rows)

    monkeypatch.setattr(passes_module, "NARROW_FROM", 0)
    monkeypatch.setattr(Passes, "narrow", noted)
    return found


def bits(model):
    arrays = (model.cluster_centers_, model.cluster_sizes_, model.labels_)
    return [a.tobytes() for a in arrays], model.inertia_, model.n_iter_, str(model.frame_)


def fitted(rows, **more):
    given_ = {"n_clusters": 5, "init": "random", "random_state": 2, "tol": 0.0, "n_init": 2} | more
    return KMeans(**given_).fit(rows)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u2"])
@pytest.mark.parametrize(
    "more",
    [{}, {"scale": "standard"}, {"columns": [3, 1, 7]}, {"scale": "minmax", "normalize": "l2"}],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_bytes_give_the_bits_of_the_rows_as_they_are(dtype, more, order, narrowed, monkeypatch):
    monkeypatch.setattr(sampling, "SAMPLE_BYTES", 1 << 14)  # a sample of some rows, not of all
    rows = np.asarray(pixels(dtype), order=order)
    in_bytes = fitted(rows, **more)
    assert len(narrowed) == 1
    np.testing.assert_array_equal(narrowed[0], rows)
    monkeypatch.setattr(passes_module, "NARROW_FROM", 1 << 40)
    as_they_are = fitted(rows, **more)
    assert len(narrowed) == 1
    assert bits(in_bytes) == bits(as_they_are)
    store = streamkm.convert(rows, "rows.zarr")
    assert fitted(store, **more).cluster_centers_.tobytes() == in_bytes.cluster_centers_.tobytes()


@pytest.mark.parametrize("value", OTHERS)
def test_one_value_that_bytes_do_not_hold_leaves_rows_as_they_are(value, narrowed):
    rows = pixels("f4")
    rows[1500, 7] = value
    if np.isfinite(value):
        model = fitted(rows)
        weighted = fitted(rows, init=model.cluster_centers_, n_init=1, max_iter=1)
        assert model.n_features_in_ == rows.shape[1]
        expected = ((rows.astype("f8") - model.cluster_centers_[model.labels_]) ** 2).sum()
        assert model.inertia_ == pytest.approx(expected, rel=1e-9)
        assert weighted.inertia_ == pytest.approx(expected, rel=1e-9)
    else:
        with pytest.raises(BadRowsError, match="rows 1500"):
            fitted(rows)
    assert not narrowed


@pytest.mark.parametrize(
    "rows", [pixels("u1"), pixels("f2"), pixels("f4", n_rows=255), pixels("f4") / np.float32(255)]
)
def test_rows_that_gain_nothing_stay_as_they_are(rows, narrowed):
    fitted(rows)
    assert not narrowed


def test_weights_and_a_small_memory_limit_leave_rows_as_they_are(narrowed, monkeypatch):
    rows = pixels("f4")
    KMeans(3, random_state=0).fit(rows, sample_weight=np.ones(len(rows)))
    assert not narrowed
    plan_memory = passes_module.plan_memory

    def tight(*args, **more):
        plan = plan_memory(*args, **more)
        return type(plan)(**{
            name: rows.size if name == "cache_bytes" else getattr(plan, name)
            for name in plan.__dataclass_fields__
        })  # fmt: skip

    expected = bits(fitted(rows))
    assert narrowed
    narrowed.clear()
    monkeypatch.setattr(passes_module, "plan_memory", tight)
    assert bits(fitted(rows)) == expected
    assert not narrowed


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_fit_killed_after_parts_of_its_look_goes_on_to_the_same_bits(moment, narrowed, stopped):
    """What the journal knows was looked at by another process, which had bytes of its own."""
    rows = pixels("f4")
    expected = bits(fitted(rows))
    assert len(narrowed) == 1
    given_ = {"run_dir": "run", "checkpoint_every_s": 1e-9}
    assert stopped(lambda: fitted(rows, **given_), moment) == moment
    assert bits(fitted(rows, **given_)) == expected
    assert len(narrowed) == 1
    assert bits(fitted(rows, run_dir="another")) == expected
    assert len(narrowed) == 2  # too short to be parted


@given(
    st.sampled_from(["f4", "f8", "i8", "i2", "u4"]),
    st.integers(256, 900),
    st.integers(1, 40),
    st.sampled_from([1, 2, 17, 256]),
    st.lists(st.integers(0, 900), max_size=3),
)
def test_moments_of_narrowed_rows_are_those_of_the_rows(dtype, n_rows, n_features, span, cuts):
    rng = np.random.default_rng(n_rows + n_features)
    low = rng.integers(0, 257 - span, n_features)
    rows = (low + rng.integers(0, span, (n_rows, n_features))).astype(dtype)
    shift = first_shift(rows[:256])
    edges = [0, *sorted(min(cut, n_rows) for cut in cuts), n_rows]
    parts = []
    for a, b in zip(edges, edges[1:], strict=False):
        out = np.empty((b - a, n_features), np.uint8)
        parts.append(NarrowedMoments(shift))
        parts[-1].add(rows[a:b], out)
        np.testing.assert_array_equal(out, rows[a:b])
    as_they_are = MomentsAccumulator(shift)
    as_they_are.add(rows, None, 0)
    found = Moments.merge_all([part.result() for part in parts])
    assert found.is_exact
    assert found.summary().to_json() == as_they_are.result().summary().to_json()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("value", OTHERS)
@pytest.mark.parametrize("at", [0, 299])
def test_bytes_are_taken_of_bytes_alone(dtype, value, at):
    rows = pixels(dtype, n_rows=300)
    assert take_bytes(rows, np.empty(rows.shape, np.uint8))
    rows[at, -1] = value
    assert not take_bytes(rows, np.empty(rows.shape, np.uint8))
    part = NarrowedMoments(first_shift(pixels(dtype)[:256]))
    part.add(rows, np.empty(rows.shape, np.uint8))
    part.add(pixels(dtype), np.empty((2000, 24), np.uint8))  # a good block makes nothing good
    assert not part.result().is_exact
