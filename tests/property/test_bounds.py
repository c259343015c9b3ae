"""Bounds, and what is kept of rows, change the time of a fit and no bit of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamkm import KMeans
from streamkm.cluster.passes import Passes
from streamkm.errors import SourceError
from streamkm.kernels.accumulate import LloydAccumulator
from streamkm.kernels.assign import assign
from streamkm.kernels.bounds import assign_moved
from streamkm.kernels.centers import prepare
from streamkm.kernels.distance_bounds import reach_line
from streamkm.kernels.exact_sum import float_grid
from streamkm.kernels.frame import Frame
from streamkm.kernels.grouping import order_neighbors
from streamkm.kernels.kept_rows import KeptPass, KeptRows, directions_for, groups_for
from streamkm.kernels.kept_sums import KeptAccumulator, merged
from streamkm.kernels.lloyd import Grids
from streamkm.kernels.motion import group_count, group_slots, motion_of, moves
from streamkm.kernels.panels import make_scratch, score_panels
from streamkm.kernels.projection import (
    AT_ONCE,
    FACTS,
    far_from,
    keep_unseen,
    make_room,
    near_from,
    project,
    score_within,
)
from streamkm.kernels.register_tile import WIDTH
from streamkm.kernels.scores import score_row
from streamkm.kernels.shadows import assign_seen
from streamkm.kernels.subspace import Shadow, Subspace
from tests.helpers import heavy_tailed

ALGORITHMS = ("hamerly", "yinyang", "auto")
seeds = st.integers(0, 2**32 - 1)
any_width = st.integers(1, 40) | st.sampled_from([255, 256, 301, 513])  # of every tile


def frame_of(X):
    mean = X.mean(axis=0, dtype=np.float64)
    return Frame.about(mean, float(np.abs(X - mean).max()))


def walk(X, n_clusters, rng, n_steps=5):
    """Centers that move: by less in every step, one of them far, some not at all."""
    centers = X[rng.choice(len(X), n_clusters, replace=False)].astype(np.float64)
    scale = X.std() + 1e-9
    for step in range(n_steps):
        yield centers
        moves = rng.normal(size=centers.shape) * scale * 0.3**step
        moves[rng.random(n_clusters) < 0.3] = 0.0
        moves[rng.integers(n_clusters)] *= 20.0
        centers = centers + moves


def motion_since(before, centers, n_groups):
    return motion_of(moves(before, centers.exact, centers.frame), centers, n_groups)


def assign_bounded(rows, centers, before, known):
    motion = None if before is None else motion_since(before, centers, known[2].shape[1])
    assign_moved(rows, centers, motion, known)


def blank(n_rows, n_groups):
    return (
        np.full(n_rows, -1, np.int32),
        np.zeros(n_rows, np.float32),
        np.zeros((n_rows, n_groups), np.float32),
    )


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f2", "f4", "f8", "?"])
@pytest.mark.parametrize("n_clusters", [2, 9, 40])
@pytest.mark.parametrize("most_groups", [1, 64])
def test_labels_are_those_of_a_full_assignment(dtype, n_clusters, most_groups, rng):
    X = (rng.normal(size=(900, 6)) * 30 + 90).clip(0, 250).astype(dtype)
    order = order_neighbors(X[:n_clusters].astype("f8"), WIDTH)
    known, before = blank(len(X), group_count(n_clusters, most_groups)), None
    for centers in walk(X.astype("f4"), n_clusters, rng):
        ready = prepare(centers, frame_of(X), order)
        assign_bounded(X, ready, before, known)
        np.testing.assert_array_equal(known[0], assign(X, ready)[0])
        before = centers


@given(seeds, st.integers(2, 50), st.integers(1, 5), any_width)
def test_bounds_hold(seed, n_clusters, most_groups, n_features):
    """Each upper bound is one, each lower bound too, by distances in float64."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(120, n_features)), int(rng.integers(0, 4))) * 7 + 3
    n_clusters = min(n_clusters, len(X))
    n_groups = group_count(n_clusters, most_groups)
    frame, known, before = frame_of(X), blank(len(X), n_groups), None
    order = order_neighbors(X[:n_clusters], WIDTH)
    for centers in walk(X, n_clusters, rng):
        ready = prepare(centers, frame, order)
        assign_bounded(X, ready, before, known)
        before = centers
        check_bounds(X, centers, frame, known, order, n_groups)


def check_bounds(X, centers, frame, known, order, n_groups):
    """Assert that bounds are bounds, by distances in float64."""
    distances = np.sqrt(((X[:, None] - centers) ** 2).sum(axis=2)) * frame.scale
    labels, upper, lower = known
    assert (distances[np.arange(len(X)), labels] <= upper * (1 + 1e-12)).all()
    size = group_slots(len(centers), n_groups)
    for g, members in enumerate(np.array_split(order, range(0, len(centers), size)[1:])):
        others = distances[:, members].copy()
        others[labels[:, None] == members] = np.inf
        assert (others.min(axis=1) >= lower[:, g] * (1 - 1e-12)).all()


@given(seeds, st.integers(1, 70), any_width)
def test_the_best_two_scores_of_a_tile(seed, n_clusters, n_features):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_clusters, n_features))
    ready = prepare(centers, Frame(np.zeros(n_features), 1.0))
    scratch = make_scratch(ready.arrays)
    rows = rng.normal(size=(int(rng.integers(1, 60)), n_features)).astype("f4")
    scratch[0][: len(rows), :n_features] = rows
    score_panels(scratch[2], len(rows), ready.arrays, (0, len(ready.panels)), scratch)
    scores = np.sort((centers**2).sum(axis=1) - 2 * rows @ centers.T, axis=1)
    low, second, slot = (found[: len(rows)] for found in scratch[4])
    np.testing.assert_allclose(low, scores[:, 0], rtol=1e-3, atol=1e-4)
    if n_clusters > 1:
        np.testing.assert_allclose(second, scores[:, 1], rtol=1e-3, atol=1e-4)
    own = (centers[ready.slots[slot]] ** 2).sum(axis=1) - 2 * (rows * centers[slot]).sum(axis=1)
    np.testing.assert_allclose(own, low, rtol=1e-3, atol=1e-4)


@given(seeds, st.integers(1, 100), st.integers(1, 5), st.sampled_from([8, 16]))
def test_neighbors_are_ordered_into_groups_of_one_size(seed, n_clusters, n_features, width):
    rng = np.random.default_rng(seed)
    centers = np.round(rng.normal(size=(n_clusters, n_features)), 1)
    order = order_neighbors(centers, width)
    assert sorted(order) == list(range(n_clusters))


def check_labels(X, passed):
    """Bring labels up to date, and assert that they are those of a full assignment."""
    known = passed.rows.part(0, len(X))
    if passed.shadow is None:
        assign_moved(X, passed.centers, passed.motion, known)
    else:
        seen = passed.rows.seen
        assign_seen(X, passed.centers, passed.motion, known, passed.shadow, seen)
    np.testing.assert_array_equal(known[0], assign(X, passed.centers)[0])


@given(seeds, st.integers(2, 50), st.integers(1, 5), any_width, st.integers(1, 47))
def test_bounds_hold_where_rows_are_seen_in_a_subspace(
    seed, n_clusters, most_groups, n_features, n_directions
):
    """Labels are those of a full assignment, and bounds are bounds, in every subspace."""
    rng = np.random.default_rng(seed)
    spread = rng.normal(size=(int(rng.integers(1, 9)), n_features)) * 5.0
    X = rng.normal(size=(150, len(spread))) @ spread + rng.normal(size=(150, n_features)) * 0.1
    X = (np.round(X, int(rng.integers(0, 4))) * 10.0 ** rng.integers(-3, 4)).astype(
        rng.choice(["f4", "f8"])
    )
    frame, before, shadow, subspace = frame_of(X), None, None, None
    n_groups = group_count(n_clusters, most_groups)
    n_directions = min(n_directions, n_clusters, n_features)
    n_last = n_directions + int(rng.integers(0, 20))
    kept = KeptRows.make(len(X), X[:n_clusters].astype("f8"), n_groups, n_last)
    for step, centers in enumerate(walk(X, n_clusters, rng, 8)):
        if step == 1:
            subspace = Subspace.near(prepare(centers, frame), n_directions)
            kept.unsee()
        if step == 4 and n_last > n_directions:
            subspace = subspace.grown(prepare(centers, frame), before, n_last)
        passed = KeptPass.over(kept, centers, before, frame, subspace, shadow)
        check_labels(X, passed)
        shadow, before = passed.shadow, centers
        check_bounds(X, centers, frame, kept.part(0, len(X)), kept.order, n_groups)


@pytest.mark.parametrize("n_clusters", [400, 600])
def test_many_centers_are_seen_too(n_clusters, rng):
    """As many as are scored with a lane a center, and as directions are taken from a part of."""
    X = (rng.normal(size=(1500, 8)) @ rng.normal(size=(8, 260))).astype("f4")
    X += rng.normal(size=X.shape).astype("f4") * 0.3
    frame, before, shadow, subspace = frame_of(X), None, None, None
    kept = KeptRows.make(len(X), X[:n_clusters].astype("f8"), group_count(n_clusters, 16), 63)
    for step, centers in enumerate(walk(X, n_clusters, rng)):
        if step == 1:
            subspace = Subspace.near(prepare(centers, frame), 47)
            kept.unsee()
        if step == 3:
            subspace = subspace.grown(prepare(centers, frame), before, 63)
        passed = KeptPass.over(kept, centers, before, frame, subspace, shadow)
        check_labels(X, passed)
        shadow, before = passed.shadow, centers


def test_moves_too_small_to_be_squared_are_moves():
    before = np.array([[0.0, 0.0], [1e-170, 0.0]])
    frame = Frame(np.zeros(2), 2.0**560)
    np.testing.assert_allclose(
        moves(before, before + 1e-171, frame), np.sqrt(2) * 1e-171 * 2.0**560, rtol=1e-5
    )


@given(seeds, st.integers(2, 40), any_width, st.integers(1, 47), st.booleans())
@example(0, 7, 4001, 5, True)  # so wide that products are added in several pieces
def test_no_distance_is_longer_in_a_subspace(seed, n_clusters, n_features, n_directions, grows):
    """By the five lines of NumPy: a projection, and the length of what it leaves."""
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(60, n_features)) * 10.0 ** rng.integers(-2, 3)).astype("f4")
    frame, centers = frame_of(X), X[rng.choice(60, n_clusters, replace=False)].astype("f8")
    ready = prepare(centers, frame)
    subspace = Subspace.near(ready, min(n_directions, n_features))
    n_first = len(subspace.directions) if grows else 0
    if grows:
        before = centers + rng.normal(size=centers.shape) * np.abs(centers)
        subspace = subspace.grown(ready, before, n_first + int(rng.integers(1, 20)))
    shadow = Shadow.of(subspace, ready, None)
    W = subspace.directions
    framed = (X.astype("f8") - frame.shift) * frame.scale
    inside = framed @ W.T
    rest = np.linalg.norm(framed - inside @ W, axis=1)
    seen = np.empty((60, len(W) + 1 + FACTS), np.float32)
    tile, numbers = framed.astype("f4"), np.arange(60)
    for first in range(0, 60, 15):  # to some of the directions, then to the others
        for n_before, directions in (0, subspace.single[:n_first]), (n_first, subspace.single):
            room = make_room(directions)
            room[0][:] = np.arange(first, first + AT_ONCE)
            if n_before or len(directions):
                project(tile, 15, n_before, directions, seen, numbers, room)
    assert (seen[:, -FACTS] == len(W)).all()
    there, slack = shadow.last.centers.exact, shadow.last.slack
    errors = np.linalg.norm(seen[:, : len(W) + 1] - np.column_stack([inside, rest]), axis=1)
    assert (errors <= seen[:, -1]).all()
    line = reach_line(there.shape[1], shadow.last.centers.max_norm)
    for i in range(60):
        score = score_row_of(seen[i, : there.shape[1]], shadow.last.centers)
        for k in range(n_clusters):
            distance = np.linalg.norm(X[i] - centers[k]) * frame.scale
            assert far_from(seen[i], score[k], line, slack) <= distance
            if far_from(seen[i], score[k], line, slack) > 0.0:
                assert score[k] > score_within(seen[i], np.float32(0), line, slack)
            above = np.nextafter(np.float32(distance), np.float32(np.inf))
            assert score[k] <= score_within(seen[i], above, line, slack)
            keep_unseen(seen[i], there[k], above, slack, 0.0)
            assert near_from(seen[i], there[k], slack, 0.0) >= distance


@given(seeds, st.integers(1, 60), st.integers(1, 60), st.integers(1, 47))
def test_directions_are_orthonormal_or_none(seed, n_clusters, n_features, n_directions):
    """Whatever the centers: some repeated, some zero, some so small that their squares vanish."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_clusters, n_features)) * 10.0 ** -rng.integers(
        0, 200, (n_clusters, 1)
    )
    centers[rng.random(n_clusters) < 0.2] = centers[0]
    centers[rng.random(n_clusters) < 0.1] = 0.0
    ready = prepare(centers, Frame(np.zeros(n_features), 1.0))
    subspace = Subspace.near(ready, n_directions)
    before = np.where(rng.random((n_clusters, 1)) < 0.5, centers, rng.normal(size=centers.shape))
    grown = subspace.grown(ready, before, n_directions + 7)
    assert grown.sizes == (n_directions, n_directions + 7)
    np.testing.assert_array_equal(grown.directions[:n_directions], subspace.directions)
    for W in (subspace.directions, grown.directions):
        is_one = W.any(axis=1)
        np.testing.assert_allclose(W @ W.T, np.diag(is_one.astype(float)), atol=1e-12)


@pytest.mark.parametrize("n_clusters", [2, 3, 8, 16])
def test_a_subspace_grows_by_as_many_directions_as_there_are(n_clusters, rng):
    """Though what centers leave outside sums to nothing, about their mean."""
    centers = rng.normal(size=(n_clusters, 300))
    ready = prepare(centers, Frame(centers.mean(axis=0), 1.0))
    moved = centers + rng.normal(size=centers.shape)
    now = prepare(moved, Frame(moved.mean(axis=0), 1.0))
    grown = Subspace.near(ready, n_clusters).grown(now, centers, 2 * n_clusters)
    assert grown.directions[n_clusters:].any(axis=1).all()


def score_row_of(seen, centers):
    scores = np.empty(len(centers.norms), np.float32)
    score_row(seen, centers.scores, centers.norms, scores)
    return scores


def test_most_rows_keep_their_label_without_a_look_at_their_values(rng):
    """The point of it: of 300 noisy features few directions tell the clusters apart."""
    heaps = rng.normal(size=(30, 5)) * 3.0 @ rng.normal(size=(5, 300))
    X = (heaps[rng.integers(30, size=3000)] + rng.normal(size=(3000, 300)) * 3.0).astype("f4")
    kept = KeptRows.make(len(X), heaps, 1, 30)
    ready, known = prepare(heaps, frame_of(X), kept.order), kept.part(0, len(X))
    assign_moved(X, ready, None, known)
    expected = known[0].copy()
    shadow = Shadow.of(Subspace.near(ready, 30), ready, None)
    kept.unsee()
    far = replace(motion_of(np.full(30, 1e3), ready, 1), half=np.zeros(30, "f4"))  # no bound holds
    assign_seen(X, ready, far, known, shadow, kept.seen)
    assert (kept.seen[:, -FACTS] == 30).all()
    _, (asked, in_vain) = assign_seen(np.full_like(X, np.nan), ready, far, known, shadow, kept.seen)
    assert (asked, in_vain) == (3000, (known[0] != expected).sum())
    assert (known[0] == expected).mean() > 0.9
    assert set(known[0][known[0] != expected]) <= {-1}


def test_heaps_of_centers_are_groups():
    heaps = np.repeat(np.array([[0.0, 0], [100, 0], [300, 50], [400, 0]]), 16, axis=0)
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(64)
    order = order_neighbors((heaps + rng.normal(size=(64, 2)))[shuffled], 16)
    found = (shuffled[order] // 16).reshape(4, 16)
    assert (found == found[:, :1]).all()


def test_a_motion_is_never_shorter_than_it_was(rng):
    before = rng.normal(size=(50, 7))
    after = before + rng.normal(size=(50, 7)) * 10.0 ** rng.integers(-9, 1, (50, 1))
    ready = prepare(after, frame_of(before), order_neighbors(before, 16))
    motion = motion_since(before, ready, 4)
    moved = np.sqrt(((after - before) ** 2).sum(axis=1)) * ready.frame.scale
    assert (motion.own >= moved).all()
    for group in range(4):
        members = ready.slots[16 * group : min(16 * (group + 1), 50)]
        longest = np.sort(moved[members])[::-1]
        assert motion.most[group] >= longest[0]
        for k in members:
            rest = moved[members[members != k]].max(initial=0.0)
            assert rest <= motion.others[k] <= rest * (1.0 + 1e-5)
    between = np.sqrt(((after[:, None] - after) ** 2).sum(axis=2)) * ready.frame.scale
    np.fill_diagonal(between, np.inf)
    assert (motion.half <= between.min(axis=1) / 2).all()
    np.testing.assert_allclose(motion.half, between.min(axis=1) / 2, rtol=1e-3)


@given(seeds, st.integers(0, 300), st.booleans())
def test_changes_add_up_to_the_sums_of_all_rows_met(seed, n_kept, is_weighted):
    rng = np.random.default_rng(seed)
    X = heavy_tailed(300, 4, seed)
    weights = rng.random(300) if is_weighted else None
    grids = Grids(
        float_grid(np.abs(X).max(axis=0).astype("f8")),
        float_grid(np.ones(1)) if is_weighted else None,
        float_grid(np.array([1e40])),
    )
    frame, kept, sums, before = frame_of(X), None, None, None
    sizes = np.sort(rng.integers(2, 301, 5))  # rows join from pass to pass
    for size, centers in zip(sizes, walk(X, 5, rng), strict=True):
        kept = kept or KeptRows.make(n_kept, centers, 1)
        made = KeptAccumulator(KeptPass.over(kept, centers, before, frame), grids)
        cut = int(rng.integers(1, size))
        for a, b in ((0, cut), (cut, size)):
            made.add(a, X[a:b], None if weights is None else weights[a:b])
        part = made.result()
        sums = merged([sums, part.change])
        total = merged([sums, part.whole])
        whole = LloydAccumulator(prepare(centers, frame), grids)
        whole.add(X[:size], None if weights is None else weights[:size])
        expected = whole.result()
        assert total.sums.value().tobytes() == expected.sums.value().tobytes()
        assert total.mass().tobytes() == expected.mass().tobytes()
        assert total.squares.value().tobytes() == expected.squares.value().tobytes()
        np.testing.assert_array_equal(total.counts, expected.counts)
        before = centers


DATA = {
    "bytes": lambda rng: rng.integers(1, 5, (2500, 5), np.uint8),
    "heavy tails": lambda rng: heavy_tailed(2500, 9),
    "copies": lambda rng: np.repeat(rng.normal(size=(30, 3)), 80, axis=0),
    "wide": lambda rng: (
        rng.normal(size=(900, 6)) @ rng.normal(size=(6, 300)) + rng.normal(size=(900, 300))
    ).astype("f4"),
    "far away": lambda rng: rng.normal(size=(2500, 4)) + 1e7,
}


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("more", [
    {}, {"metric": "cosine"}, {"scale": "standard"}, {"columns": [2, 0]}, {"weights": True},
    {"empty_cluster": "drop"}, {"n_init": 3},
], ids=str)  # fmt: skip
def test_every_algorithm_gives_the_bits_of_lloyd(kind, more, rng):
    X = DATA[kind](rng)
    more = dict(more)
    weights = rng.random(len(X)) if more.pop("weights", False) else None
    found = []
    for algorithm in ("lloyd", *ALGORITHMS):
        for n_clusters in (3, 40 if kind != "copies" else 25):
            model = KMeans(n_clusters, init="random", random_state=1, tol=0, max_iter=25,
                           algorithm=algorithm, executor="threads", **more)  # fmt: skip
            model.fit(X, sample_weight=weights)
            found.append((n_clusters, model.cluster_centers_.tobytes(), model.inertia_,
                          model.n_iter_, model.labels_.tobytes(),
                          model.cluster_sizes_.tobytes()))  # fmt: skip
    assert len(set(found)) == 2


@pytest.mark.parametrize("keep_bytes", [0, 5_000, 30_000, 45_000, 10**9])
def test_no_bit_depends_on_how_many_rows_are_kept(keep_bytes, rng, monkeypatch):
    X = rng.normal(size=(3000, 8)).astype("f4")
    settings = {"init": "random", "random_state": 0, "tol": 0, "max_iter": 20}
    expected = KMeans(40, **settings, algorithm="lloyd", executor="processes").fit(X)
    begin = Passes.__init__

    def limited(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        self.keep_bytes = keep_bytes

    monkeypatch.setattr(Passes, "__init__", limited)
    model = KMeans(40, **settings, algorithm="yinyang", executor="threads").fit(X)
    assert model.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes()
    assert model.inertia_ == expected.inertia_


def test_a_pass_scores_few_rows_once_the_centers_hardly_move(rng):
    """The point of bounds: history tells how many rows moved, and the moves die out."""
    X = rng.uniform(-10, 10, (12, 4))[rng.integers(12, size=4000)] + rng.normal(size=(4000, 4))
    model = KMeans(12, random_state=0, tol=0, executor="threads").fit(X)
    moved = [r["rows_moved"][0] for r in model.history_ if r["stage"] == "assign"]
    assert moved[0] == 4000
    assert moved[-1] == 0


def test_the_number_of_groups_follows_the_shape():
    assert groups_for("lloyd", 100, 64) == 0
    assert groups_for("auto", 20, 784) == 1
    assert groups_for("auto", 64, 784) == 4
    assert groups_for("auto", 64, 16) == 1  # scoring 16 centers costs less than their bound
    assert groups_for("yinyang", 4096, 128) == 64
    assert groups_for("hamerly", 4096, 128) == 1


@pytest.mark.parametrize("has_shape", [False, True])
def test_a_subspace_that_tells_no_rows_apart_is_given_up(has_shape, rng, monkeypatch):
    X = rng.normal(size=(2000, 300))
    if has_shape:
        X = rng.normal(size=(2000, 4)) @ rng.normal(size=(4, 300)) + 0.01 * X
    found, over = [], KeptPass.over

    def recorded(*arguments):
        found.append(over(*arguments))
        return found[-1]

    monkeypatch.setattr(KeptPass, "over", recorded)
    options = {"init": "random", "random_state": 0, "tol": 0, "max_iter": 9, "executor": "threads"}
    model = KMeans(20, **options).fit(X)
    are_seen = [passed.shadow is not None for passed in found]
    assert are_seen[:4] == [False, False, True, True]
    assert are_seen[4:-1] == [has_shape] * len(are_seen[4:-1])
    sizes = [passed.shadow.subspace.sizes for passed in found if passed.shadow]
    assert ((20, 36) in sizes) == has_shape
    plain = KMeans(20, algorithm="lloyd", **options).fit(X)
    np.testing.assert_array_equal(model.cluster_centers_, plain.cluster_centers_)


def test_the_directions_follow_the_shape_and_the_room():
    assert directions_for("auto", (3, 784), 1000, 10**9) == 3 + 3
    assert directions_for("auto", (20, 784), 1000, 10**9) == 20 + 16
    assert directions_for("auto", (64, 784), 1000, 10**9) == 47 + 16
    assert directions_for("auto", (40, 256), 1000, 10**9) == 40 + 16
    assert directions_for("auto", (47, 256), 1000, 10**9) == 63  # a quarter of the features
    assert directions_for("auto", (64, 128), 1000, 10**9) == 0  # labeled as fast as seen
    assert directions_for("auto", (64, 784), 1000, 200_000) == 0
    assert directions_for("hamerly", (64, 784), 1000, 10**9) == 0
    assert directions_for("lloyd", (64, 784), 1000, 10**9) == 0


def test_an_unknown_algorithm_is_one_error():
    with pytest.raises(SourceError, match="algorithm"):
        KMeans(2, algorithm="elkan").fit(np.zeros((4, 2)))
