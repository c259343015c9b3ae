"""Every row of INITS: shape, seed, restarts that differ, data points where they must be."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm import KMeans
from streamkm.cluster.init import INITS
from streamkm.errors import SourceError


@pytest.fixture
def blobs(rng):
    centers = rng.uniform(-20, 20, (6, 3))
    return np.concatenate([c + rng.normal(size=(100, 3)) for c in centers])


def starts(X, init, n_init=3, seed=0, **fit):
    """The centers that enter the first pass, recorded through a callable-free fit."""
    from streamkm.cluster.init import Seeding, make_starts
    from streamkm.cluster.passes import Passes
    from streamkm.runtime.serial import SerialExecutor
    from streamkm.sources.array import MemorySource
    from streamkm.sources.columns import MemoryColumn

    weights = fit.get("weights")
    column = None if weights is None else MemoryColumn(weights)
    passes = Passes(MemorySource(X), column, SerialExecutor(), "1GiB", 1000)
    passes.look(12)
    return make_starts(init, Seeding(passes, 6, seed, range(n_init)))


@pytest.mark.parametrize("init", INITS)
def test_starts_are_a_function_of_the_seed_and_restarts_differ(init, blobs):
    a, b = starts(blobs, init), starts(blobs, init)
    for left, right in zip(a, b, strict=True):
        assert left.shape == (6, 3)
        assert left.tobytes() == right.tobytes()
    assert a[0].tobytes() != a[1].tobytes()
    assert a[0].tobytes() != starts(blobs, init, seed=1)[0].tobytes()


@pytest.mark.parametrize("init", INITS)
def test_a_restart_starts_alike_alone_or_among_others(init, blobs):
    assert starts(blobs, init, n_init=1)[0].tobytes() == starts(blobs, init, n_init=3)[0].tobytes()


@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_data_points_are_chosen_without_repetition(init, blobs):
    for start in starts(blobs, init):
        found = (start[:, None] == blobs).all(axis=2)
        assert found.any(axis=1).all()
        assert len(np.unique(start, axis=0)) == 6


@pytest.mark.parametrize("init", ["k-means++", "k-means||"])
def test_careful_starts_find_separated_blobs(init, blobs):
    """Each of six far blobs holds a center in most starts; random ones seldom manage."""
    blob_of = [
        len({int(((blobs - c) ** 2).sum(axis=1).argmin()) // 100 for c in start})
        for start in starts(blobs, init, n_init=10)
    ]
    assert np.mean(blob_of) > 5.5


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random"])
def test_rows_without_weight_are_never_chosen(init, blobs):
    weights = np.zeros(len(blobs))
    weights[::20] = 1.0
    chosen = starts(blobs, init, weights=weights)
    if init != "k-means||":  # reclustered means are no data points
        for start in chosen:
            assert (start[:, None] == blobs[::20]).all(axis=2).any(axis=1).all()
    spread = blobs[::20]
    for start in chosen:
        assert (start >= spread.min(axis=0) - 1e-9).all()
        assert (start <= spread.max(axis=0) + 1e-9).all()


def test_gaussian_starts_have_the_moments_of_the_data(blobs):
    many = np.concatenate(starts(blobs, "gaussian", n_init=300))
    np.testing.assert_allclose(many.mean(axis=0), blobs.mean(axis=0), atol=1.0)
    np.testing.assert_allclose(many.std(axis=0), blobs.std(axis=0), rtol=0.1)


def test_an_array_and_a_callable_are_taken_as_they_are(blobs):
    given = blobs[:6]
    one = KMeans(6, init=given, max_iter=5, tol=0).fit(blobs)
    two = KMeans(6, init=lambda X, n, random_state: X[:n], max_iter=5, tol=0).fit(blobs)
    assert one.cluster_centers_.tobytes() == two.cluster_centers_.tobytes()


@pytest.mark.parametrize(
    ("init", "says"),
    [
        (np.zeros((5, 3)), "does not match"),
        (np.full((6, 3), np.nan), "NaN"),
        ("best", "must be one of"),
    ],
)
def test_bad_starts_are_refused(init, says, blobs):
    with pytest.raises(SourceError, match=says):
        KMeans(6, init=init).fit(blobs)
