"""Active-set Lloyd: the bits of plain Lloyd, and fewer full passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamkm
from streamkm import KMeans
from streamkm.cluster import active
from streamkm.kernels.accumulate import LloydAccumulator
from streamkm.kernels.active_rows import ActiveAccumulator, ActivePass, ActiveSums
from streamkm.kernels.centers import prepare
from streamkm.kernels.exact_sum import float_grid
from streamkm.kernels.frame import Frame
from streamkm.kernels.grouping import order_neighbors
from streamkm.kernels.kept_rows import KeptRows, groups_for
from streamkm.kernels.lasting import BINS, lasting_of
from streamkm.kernels.lloyd import Grids
from streamkm.kernels.register_tile import WIDTH
from streamkm.kernels.sketch import Sketch
from tests.helpers import heavy_tailed


def blobs(rng, n_rows=6000, n_clusters=8, n_features=6, spread=1.0):
    centers = rng.uniform(-6, 6, (n_clusters, n_features))
    noise = spread * rng.normal(size=(n_rows, n_features))
    return (centers[rng.integers(n_clusters, size=n_rows)] + noise).astype(np.float32)


def flat(rng, n_rows, n_features, n_clusters=8):
    """Clusters that overlap in a few dimensions, and noise in all others, in bytes."""
    spanned = blobs(rng, n_rows, n_clusters, 5, spread=2.0) @ rng.normal(size=(5, n_features))
    noise = rng.normal(size=(n_rows, n_features))
    return np.clip(128 + 6 * spanned + 6 * noise, 0, 255).astype(np.uint8)


def drawn(seed, dtype, n_clusters):
    """The generator, 300 rows and the same in float64, and some of them as centers."""
    rng = np.random.default_rng(seed)
    X = flat(rng, 300, 40, n_clusters).astype(dtype)
    wide = X.astype("f8")
    return rng, X, wide, wide[rng.choice(300, n_clusters, replace=False)]


DATA = {
    "blobs": blobs,
    "wide": lambda rng: blobs(rng, spread=4.0),
    "bytes": lambda rng: rng.integers(1, 7, (5000, 5), np.uint8),
    "heavy tails": lambda rng: heavy_tailed(5000, 4),
    "copies": lambda rng: np.repeat(rng.normal(size=(40, 3)), 120, axis=0),
    "far away": lambda rng: rng.normal(size=(5000, 4)) + 1e7,
    "many features": lambda rng: blobs(rng, 3000, n_features=260, spread=4.0),
    "features of few dimensions": lambda rng: flat(rng, 3000, 260),
    "sorted": lambda rng: np.sort(blobs(rng), axis=0),
}


def bits(model):
    return (
        model.cluster_centers_.tobytes(), model.inertia_, model.n_iter_,
        model.cluster_sizes_.tolist(),
    )  # fmt: skip


def full_passes(model):
    n_rows = model.cluster_sizes_.sum()
    return sum(r["stage"] == "assign" and r["n_rows"] == n_rows for r in model.history_)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("more", [
    {}, {"metric": "cosine"}, {"scale": "standard"}, {"columns": [2, 0]}, {"weights": True},
    {"empty_cluster": "drop"},
], ids=str)  # fmt: skip
def test_the_bits_are_those_of_lloyd(tight, kind, more, executor, rng):
    X = DATA[kind](rng)
    weights = rng.random(len(X)) if more.pop("weights", False) else None
    store = streamkm.convert(X, "x.zarr", chunk_rows=700)
    settings = {"n_clusters": 8, "tol": 0, "random_state": 3, "executor": executor, **more}
    tight(0.0)
    plain = KMeans(algorithm="lloyd", **settings).fit(store, sample_weight=weights)
    for share in (0.05, 0.3, 0.9):
        tight(share)
        model = KMeans(**settings).fit(store, sample_weight=weights)
        assert bits(model) == bits(plain)
        assert full_passes(model) <= plain.n_iter_


def test_most_iterations_of_well_behaved_data_read_nothing(tight, rng):
    store = streamkm.convert(blobs(rng, 20_000, 8, spread=1.5), "x.zarr", chunk_rows=1000)
    start = rng.uniform(-6, 6, (8, 6))
    tight(0.4)
    model = KMeans(8, init=start, tol=0, max_iter=1000).fit(store)
    assert model.n_iter_ > 20
    assert full_passes(model) <= model.n_iter_ / 2
    read = [r["bytes_read"] for r in model.history_ if r["stage"] == "assign"]
    assert sum(size > 0 for size in read) == full_passes(model)


@given(
    st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.integers(1, 3),
    st.sampled_from([np.inf, 2.0, 0.2]),
)  # fmt: skip
def test_rows_that_are_not_held_have_the_room_that_is_told(seed, share, n_groups, most):
    rng = np.random.default_rng(seed)
    X, centers = blobs(rng, 400, 20), rng.uniform(-6, 6, (20, 6))
    frame = Frame.about(X.mean(axis=0, dtype=np.float64), float(np.abs(X).max()))
    ready = prepare(centers, frame, order_neighbors(centers, WIDTH))
    pace = rng.random(20)
    parts = []
    grids = Grids(float_grid(np.abs(X).max(axis=0).astype("f8")), None)
    cut = int(rng.integers(1, 400))
    for a, b in ((0, cut), (cut, 400)):
        passed = ActivePass(ready, min(n_groups, 2), pace, share, most=most)
        made = ActiveAccumulator(passed, grids, b - a)
        middle = int(rng.integers(a, b + 1))
        for start, stop in ((a, middle), (middle, b)):
            made.add(start, X[start:stop], None)
        parts.append(made.result())
    found = ActiveSums.merge_all(parts)
    whole = LloydAccumulator(prepare(centers, frame), grids)
    labels = whole.add(X, None)
    assert found.whole.sums.value().tobytes() == whole.result().sums.value().tobytes()
    assert found.lasting.sum() == 400
    gaps = np.sort(np.sqrt(((X[:, None].astype("f8") - centers) ** 2).sum(axis=2)), axis=1)
    room = (gaps[:, 1] - gaps[:, 0]) * frame.scale
    held = {row.tobytes() for part in found.held for row in part.rows}
    is_held = np.array([row.tobytes() in held for row in X])
    assert is_held.sum() == sum(len(part.rows) for part in found.held)
    n_fitting = int(share * cut) + int(share * (400 - cut))
    assert is_held.sum() == n_fitting if most == np.inf else is_held.sum() <= n_fitting
    assert ((room / pace[labels])[is_held] <= most * (1 + 1e-3) + 1e-3).all()
    for k in range(20):
        rest = room[~is_held & (labels == k)]
        if not len(rest):
            assert found.room[k] == np.inf
        else:  # told low by no more than the rounding of float32: 2e-6 of a square, two distances
            assert rest.min() - 3e-5 <= found.room[k] <= rest.min()
    for part, (a, b) in zip(found.held, ((0, cut), (cut, 400)), strict=False):
        if part.rows is not None and share < 1.0 and len(found.held) == 2:
            lasts = (room / pace[labels])[a:b]
            mine = is_held[a:b]
            assert lasts[mine].max() <= lasts[~mine].min() * (1 + 1e-3) + 1e-3


def test_a_sketch_reads_less_than_room_alone_would_have(tight, rng, monkeypatch):
    rows = flat(rng, 12_000, 400, 10).astype("f4")
    store = streamkm.convert(rows, "x.zarr", chunk_rows=1000)
    start = store.read(0, 10).astype("f8")
    tight(0.3)

    def passes_of():
        model = KMeans(10, init=start, tol=0, max_iter=300).fit(store)
        return full_passes(model), bits(model)

    asked = []
    is_settled = Sketch.is_settled
    monkeypatch.setattr(Sketch, "is_settled", lambda *a: asked.append(is_settled(*a)) or asked[-1])
    n_sketched, sketched = passes_of()
    assert sum(asked) >= 5
    assert sum(asked) < len(asked)
    monkeypatch.setattr(active, "MOST_DIRECTIONS", 0)
    n_told, told = passes_of()
    assert sketched == told
    assert n_sketched < n_told


@pytest.mark.parametrize("n_clusters", [10, 30])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_full_passes_that_go_on_from_what_is_kept_change_no_bit(
    tight, rng, monkeypatch, n_clusters, is_weighted
):
    store = streamkm.convert(
        flat(rng, 6000, 500, n_clusters).astype("f4"), "x.zarr", chunk_rows=700
    )
    start = store.read(0, n_clusters).astype("f8")
    weights = rng.uniform(0.5, 3.0, 6000) if is_weighted else None
    tight(0.4)
    going_on, seen = [], []
    see, label = Sketch.see, ActiveAccumulator._label

    def spy(self, rows, mass, known):
        found = label(self, rows, mass, known)
        going_on.append(self.passed.motion is not None)
        return found

    def spy_see(self, rows, chosen):
        seen.append(len(chosen) / len(rows))
        return see(self, rows, chosen)

    monkeypatch.setattr(ActiveAccumulator, "_label", spy)
    monkeypatch.setattr(Sketch, "see", spy_see)

    def fit(algorithm):
        model = KMeans(n_clusters, init=start, tol=0, max_iter=100, algorithm=algorithm)
        return bits(model.fit(store, sample_weight=weights))

    assert fit("auto") == fit("lloyd")
    assert sum(going_on) >= 9
    assert min(seen) < 1.0


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["f4", "f8", "u1"]),
    st.sampled_from([1e-4, 1e-3, 1e-2, 0.1]),
    st.integers(1, 12),
)
def test_a_row_that_a_sketch_tells_of_keeps_its_label(seed, dtype, step, n_clusters):
    rng, X, wide, centers = drawn(seed, dtype, n_clusters)
    frame = Frame.about(wide.mean(axis=0), 255.0)
    before = centers + rng.normal(size=centers.shape)
    ready = prepare(centers, frame, order_neighbors(centers, WIDTH))
    labels = reference_labels(wide, centers)
    after = centers + 255.0 * step * rng.normal(size=centers.shape)
    changed = np.flatnonzero(labels != reference_labels(wide, after))
    sketch = Sketch.make(300, ready, before)
    sketch.seen[:], sketch.labels[:] = sketch.see(X, np.arange(300)), labels
    assert (sketch.foresee(sketch.seen, labels) >= 0.0).all()
    now = prepare(after, frame, order_neighbors(centers, WIDTH))
    if len(changed):
        assert not sketch.is_settled(now)
    sketch.labels[changed] = -1
    gaps = np.sort(((wide[:, None] - after) ** 2).sum(axis=2), axis=1)
    near = gaps[:, min(1, n_clusters - 1)] - gaps[:, 0] < 0.1 * gaps[:, 0]
    if n_clusters > 1 and step <= 1e-3:
        sketch.labels[near] = -1  # of all others it can tell: they are not close
        assert sketch.is_settled(now)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["f4", "f8", "u1"]),
    st.integers(2, 40),
    st.floats(0, 1),
)
def test_labels_by_a_sketch_are_the_references_whatever_they_were(seed, dtype, n_clusters, share):
    rng, X, wide, centers = drawn(seed, dtype, n_clusters)
    centers[0] = centers[-1]  # ties
    frame = Frame.about(wide.mean(axis=0), 256.0)
    sketch = Sketch.make(0, prepare(centers, frame, order_neighbors(centers, WIDTH)), centers + 1.0)
    chosen = np.flatnonzero(rng.random(300) < share)
    before = rng.integers(n_clusters, size=300).astype(np.int32)
    known = KeptRows.empty(300, np.arange(n_clusters), groups_for("auto", n_clusters, 40)).part(
        0, 300
    )
    known[0][:], known[1][:], known[2][:] = before, 7.0, 3.0
    seen = np.zeros((300, sketch.seen.shape[1]), np.float32)
    seen[chosen] = sketch.see(X, chosen)
    sketch.assign(X, chosen, seen, known)
    expected = before.copy()
    expected[chosen] = reference_labels(wide, centers)[chosen]
    assert known[0].tolist() == expected.tolist()
    apart = np.sqrt(((wide[:, None] - centers) ** 2).sum(axis=2)) * frame.scale
    own = apart[np.arange(300), expected]
    apart[np.arange(300), expected] = np.inf
    assert (known[1] >= own)[chosen].all()
    assert (known[2].min(axis=1) <= apart.min(axis=1))[chosen].all()
    rest = np.delete(np.arange(300), chosen)
    assert (known[1][rest] == 7.0).all()
    assert (known[2][rest] == 3.0).all()


def reference_labels(wide, centers):
    return ((wide[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1).astype(np.int32)


def test_one_cluster_out_of_core_is_the_mean(tight, rng):
    X = rng.normal(size=(3000, 40)).astype("f4")
    tight(0.3)
    model = KMeans(1, tol=0, random_state=0).fit(streamkm.convert(X, "x.zarr", chunk_rows=500))
    np.testing.assert_allclose(model.cluster_centers_[0], X.mean(axis=0, dtype="f8"), rtol=1e-12)


def test_how_long_rows_last_is_read_off_the_counts():
    lasting = np.zeros(BINS, np.int64)
    lasting[64] = 10  # one iteration
    lasting[72] = 90  # four
    assert lasting_of(lasting, 0) == 1.0
    assert lasting_of(lasting, 9) == 1.0
    assert lasting_of(lasting, 10) == 4.0
    assert lasting_of(lasting, 1000) > 2**14
