"""Laws of the bisecting fit: one tree, whatever shares a pass; the order of splits; labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import BisectingKMeans as SklearnBisectingKMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

import streamkm
from streamkm import BisectingKMeans
from streamkm.cli import main
from streamkm.cluster.passes import Passes
from streamkm.cluster.split_starts import StartParameters
from streamkm.cluster.splits import SplitParameters, n_rounds, split_rounds
from streamkm.cluster.state import FitState
from streamkm.cluster.tree import KnownTree
from streamkm.kernels.cluster_tree import ClusterTree
from streamkm.runtime.events import PassStarted
from streamkm.runtime.serial import SerialExecutor
from streamkm.sources.array import MemorySource
from streamkm.sources.columns import MemoryColumn
from tests.helpers import heavy_tailed

STRATEGIES = ("biggest_inertia", "largest_cluster")


def bits(model: BisectingKMeans) -> tuple[Any, ...]:
    """Everything that must agree."""
    arrays = (model.cluster_centers_, model.cluster_sizes_, model.tree_children_)
    more = (model.tree_centers_, model.tree_inertia_, model.tree_labels_)
    found = tuple(values.tobytes() for values in (*arrays, *more))
    return (*found, model.n_iter_, model.inertia_, model.n_rounds_)


def walk(model: BisectingKMeans, x: np.ndarray) -> int:
    """The oracle of the labels: down the tree, to the nearer child."""
    node = 0
    while model.tree_children_[node, 0] >= 0:
        pair = model.tree_children_[node]
        node = pair[((x.astype("f8") - model.tree_centers_[pair]) ** 2).sum(axis=1).argmin()]
    return int(model.tree_labels_[node])


def passes_over(X: np.ndarray, weights: np.ndarray | None = None) -> Passes:
    column = None if weights is None else MemoryColumn(weights.astype("f8"))
    passes = Passes(MemorySource(X), column, SerialExecutor(), "1GiB", 64 * X.shape[1])
    passes.look(2)
    return passes


def grow(passes: Passes, states: tuple[FitState, ...] | None, p: SplitParameters) -> KnownTree:
    """The tree after all rounds, less what was split in vain."""
    states = states or (KnownTree.of(passes.data.summary).state(),)
    for after in split_rounds(passes, states, p):
        states = after
    known = KnownTree.from_state(states[0])
    return known.trimmed(known.in_order(p.strategy, p.n_clusters - 1))


def parameters(**more: Any) -> SplitParameters:
    start = StartParameters(more.pop("init", "random"), more.pop("n_init", 1), more.pop("seed", 0))
    usual: dict[str, Any] = {"n_clusters": 8, "strategy": STRATEGIES[0], "max_iter": 50, "tol": 0.0}
    return SplitParameters(**{**usual, **more}, starts=start)


def tree_bits(tree: KnownTree) -> tuple[bytes, ...]:
    return tuple(getattr(tree, name).tobytes() for name in KnownTree.__dataclass_fields__)


@settings(max_examples=20)
@given(
    st.integers(0, 2**31),
    st.integers(2, 24),
    st.sampled_from(STRATEGIES),
    st.sampled_from(["random", "k-means++"]),
    st.sampled_from([1, 3]),
)
def test_one_split_after_the_other_gives_the_same_tree(seed, n_clusters, strategy, init, n_init):
    X = heavy_tailed(400, 3, seed)
    wanted = parameters(
        n_clusters=n_clusters, strategy=strategy, init=init, n_init=n_init, seed=seed
    )
    together = grow(passes_over(X), None, wanted)
    alone = grow(passes_over(X), None, replace(wanted, width=1))
    assert tree_bits(together) == tree_bits(alone)
    model = BisectingKMeans(
        n_clusters, bisecting_strategy=strategy, init=init, n_init=n_init, random_state=seed,
        max_iter=50, tol=0,
    ).fit(X)  # fmt: skip
    assert model.tree_centers_.tobytes() == alone.centers.tobytes()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_largest_score_is_split_first(strategy, rng):
    X = rng.lognormal(size=(2000, 3))
    model = BisectingKMeans(12, bisecting_strategy=strategy, random_state=0).fit(X)
    scores = model.tree_inertia_ if strategy == "biggest_inertia" else model.tree_sizes_
    leaves = {0}
    for first in range(1, 2 * 12 - 1, 2):
        (parent,) = np.flatnonzero(model.tree_children_[:, 0] == first)
        assert scores[parent] == max(scores[leaf] for leaf in leaves)
        leaves = leaves - {parent} | {first, first + 1}
    assert model.tree_sizes_[sorted(leaves)].sum() == 2000


def test_the_first_nodes_are_the_tree_of_fewer_clusters(rng):
    X = rng.normal(size=(3000, 4))
    large = BisectingKMeans(16, random_state=5).fit(X)
    for n_clusters in (1, 2, 5, 15):
        small = BisectingKMeans(n_clusters, random_state=5).fit(X)
        assert small.tree_centers_.tobytes() == large.tree_centers_[: 2 * n_clusters - 1].tobytes()


@pytest.mark.parametrize("dtype", ["u1", "f2", "f4", "f8"])
def test_labels_walk_the_tree(dtype, rng):
    X = rng.normal(100, 30, size=(600, 5)).astype(dtype)
    model = BisectingKMeans(13, random_state=0).fit(X)
    expected = np.array([walk(model, x) for x in X])
    np.testing.assert_array_equal(model.labels_, expected)
    np.testing.assert_array_equal(model.cluster_sizes_, np.bincount(expected))
    sq_dist = ((X.astype("f8")[:, None] - model.cluster_centers_) ** 2).sum(axis=2)
    own = sq_dist[np.arange(600), expected]
    assert model.inertia_ == pytest.approx(own.sum(), rel=1e-12)
    assert model.score(X) == pytest.approx(-own.sum(), rel=1e-12)
    np.testing.assert_allclose(model.transform(X), np.sqrt(sq_dist), rtol=1e-12)
    for leaf, label in enumerate(model.tree_labels_):
        if label >= 0:
            inertia = own[expected == label].sum()
            assert model.tree_inertia_[leaf] == pytest.approx(inertia, rel=1e-12)
    inner = model.tree_children_[:, 0] >= 0
    halves = model.tree_inertia_[model.tree_children_[inner]].sum(axis=1)
    assert (halves <= model.tree_inertia_[inner]).all()


def test_a_row_between_two_centers_goes_to_the_first():
    centers = np.array([[0.0], [-1.0], [1.0]])
    tree = ClusterTree(
        np.array([1, -1, -1]), centers, np.array([-1, 0, 1], np.int32),
        passes_over(np.array([[-2.0], [2.0]])).data.frame,
    )  # fmt: skip
    rows = np.array([[0.0], [1e-12], [-1e-12], [np.nan], [np.inf]])
    labels, sq_dist = tree.assign(rows)
    assert labels.tolist() == tree.label(rows).tolist() == [0, 1, 0, -1, -1]
    np.testing.assert_allclose(sq_dist, [1, 1, 1, np.nan, np.nan])


def test_one_cluster_is_the_mean(rng):
    X = rng.normal(size=(1000, 3)) + 1e4
    model = BisectingKMeans(1).fit(X)
    np.testing.assert_allclose(model.cluster_centers_[0], X.mean(axis=0), rtol=1e-14)
    assert model.inertia_ == pytest.approx(((X - X.mean(axis=0)) ** 2).sum(), rel=1e-11)
    assert (model.n_iter_, model.n_rounds_, model.labels_.max()) == (0, 0, 0)
    with pytest.raises(ValueError, match="NaN"):
        model.predict(np.full((1, 3), np.nan))


@pytest.fixture(scope="module", params=["uint8", "lognormal float32"])
def stores(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    rows = heavy_tailed(50_000, 8)
    if request.param == "uint8":
        rows = np.random.default_rng(1).integers(0, 256, (50_000, 8), np.uint8)
    paths = []
    for chunk_rows in (50_000, 10_007, 1024):
        paths.append(str(folder / f"{chunk_rows}.zarr"))
        streamkm.convert(rows, paths[-1], chunk_rows=chunk_rows)
    return paths


SETTINGS: dict[str, Any] = {"n_clusters": 12, "random_state": 4, "n_init": 2, "max_iter": 5}


@pytest.fixture(scope="module")
def expected(stores):
    return bits(BisectingKMeans(**SETTINGS, executor="serial", memory_limit="2GiB").fit(stores[0]))


def test_every_executor_gives_the_same_bits(stores, expected, executor):
    model = BisectingKMeans(**SETTINGS, executor=executor).fit(stores[1])
    source = streamkm.open_dataset(stores[1])
    assert len(Passes(source, None, executor, None, 100).groups) > 1
    assert bits(model) == expected
    model.predict(stores[1], out="labels.npy")
    np.testing.assert_array_equal(np.load("labels.npy"), model.predict(source.read(0, 50_000)))


def test_every_chunking_and_limit_gives_the_same_bits(stores, expected):
    for path, limit in zip(stores, ("512MiB", "1GiB", None), strict=True):
        model = BisectingKMeans(**SETTINGS, executor="threads", memory_limit=limit).fit(path)
        assert bits(model) == expected


@pytest.fixture
def small_sample(monkeypatch):
    """As if the data were much larger than its sample."""
    monkeypatch.setattr("streamkm.cluster.looking.sample_capacity", lambda n, width: min(n, 40))


def test_nodes_that_the_sample_misses_draw_their_own_rows(small_sample, executor):
    X = heavy_tailed(4000, 3)
    weights = np.random.default_rng(0).integers(0, 4, 4000)
    serial = BisectingKMeans(**SETTINGS, init="k-means++", executor="serial")
    expected = serial.fit(X, sample_weight=weights)
    assert "seed" in {record["stage"] for record in expected.history_}
    model = BisectingKMeans(**SETTINGS, init="k-means++", executor=executor)
    assert bits(model.fit(X, sample_weight=weights)) == bits(expected)
    wanted = parameters(n_clusters=12, n_init=2, seed=4, max_iter=5, init="k-means++", width=1)
    alone = grow(passes_over(X, weights), None, replace(wanted, tol=1e-4))
    assert alone.centers.tobytes() == expected.tree_centers_.tobytes()


def test_rare_rows_among_copies_are_found(small_sample):
    X = np.zeros((5000, 2))
    X[[17, 4000]], X[1234] = [5.0, 5.0], [9.0, 0.0]
    model = BisectingKMeans(3, random_state=0).fit(X)
    assert sorted(model.cluster_sizes_.tolist()) == [1, 2, 4997]
    assert model.inertia_ == 0.0


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_copies_of_a_row_are_not_split(strategy, init):
    """0.1 has no exact mean: a few units in the last place are left of the inertia."""
    X = np.repeat([[0.1], [0.7], [1.3]], [1000, 7, 3], axis=0)
    with pytest.warns(ConvergenceWarning, match=r"distinct clusters \(3\)") as found:
        model = BisectingKMeans(6, bisecting_strategy=strategy, init=init, random_state=0).fit(X)
    assert found[0].filename == __file__
    np.testing.assert_allclose(np.sort(model.cluster_centers_[:, 0]), [0.1, 0.7, 1.3], rtol=1e-14)
    assert model.cluster_sizes_.sum() == 1010


@given(st.integers(0, 2**31))
def test_weights_equal_repetitions_from_a_fixed_start(seed):
    """The first split from given centers: seeding draws rows, and a repeated row is drawn twice."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 2))
    weights = rng.integers(1, 5, 40)
    start = FitState(X[:2], np.zeros(2, np.int64), extra={"node": np.array(0)})
    found = []
    for passes in (passes_over(X, weights), passes_over(np.repeat(X, weights, axis=0))):
        root = KnownTree.of(passes.data.summary).state()
        found.append(grow(passes, (root, start), parameters(n_clusters=2)))
    np.testing.assert_allclose(found[0].centers, found[1].centers, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[0].inertia, found[1].inertia, rtol=1e-12)
    np.testing.assert_array_equal(found[0].n_iter, found[1].n_iter)


def test_rows_without_weight_change_nothing(rng):
    X = rng.normal(size=(300, 3))
    weights = rng.integers(0, 2, 300)
    passes = passes_over(X, weights), passes_over(X[weights > 0])
    start = FitState(X[weights > 0][:2], np.zeros(2, np.int64), extra={"node": np.array(0)})
    a, b = (
        grow(p, (KnownTree.of(p.data.summary).state(), start), parameters(n_clusters=2))
        for p in passes
    )
    np.testing.assert_allclose(a.centers, b.centers, rtol=0, atol=1e-12)


def test_killed_before_any_pass_it_goes_on_to_the_same_bits(small_sample):
    X = heavy_tailed(1000, 3)
    settings = {**SETTINGS, "n_clusters": 6, "max_iter": 3}
    whole = BisectingKMeans(**settings).fit(X)

    class Killed(BaseException):
        pass

    for stop_at in range(1, len(whole.history_)):
        executor = SerialExecutor()
        left = [stop_at]

        def listen(event, left=left):
            if isinstance(event, PassStarted):
                left[0] -= 1
                if left[0] < 0:
                    raise Killed

        executor.listener = listen
        with pytest.raises(Killed):
            BisectingKMeans(**settings, run_dir=f"run-{stop_at}", executor=executor).fit(X)
        again = streamkm.resume(f"run-{stop_at}", X=X, executor="threads")
        assert bits(again) == bits(whole)
        stages = [(record["pass"], record["stage"]) for record in again.history_]
        assert stages == [(record["pass"], record["stage"]) for record in whole.history_]


def test_a_loaded_model_has_its_tree(rng):
    X = rng.normal(size=(500, 3))
    model = BisectingKMeans(9, random_state=0).fit(X)
    model.save("model.zarr")
    assert bits(streamkm.load_model("model.zarr")) == bits(model)


def test_the_command_line_fits_and_labels(rng):
    X = rng.normal(size=(500, 3))
    streamkm.convert(X, "x.zarr")
    words = "fit bisecting x.zarr m.zarr -k 5 --bisecting-strategy largest_cluster --random-state 3"
    assert main(words.split()) == 0
    assert main(["predict", "m.zarr", "x.zarr", "labels.npy"]) == 0
    model = BisectingKMeans(5, bisecting_strategy="largest_cluster", random_state=3).fit(X)
    np.testing.assert_array_equal(np.load("labels.npy"), model.labels_)


@pytest.mark.parametrize(
    ("name", "value"),
    [("init", "k-means||"), ("init", np.eye(2)), ("bisecting_strategy", "best"), ("n_init", 0)],
)
def test_what_is_not_allowed_is_named(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of BisectingKMeans"):
        BisectingKMeans(2, **{name: value}).fit(np.eye(4))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_blobs_are_told_apart_as_by_scikit_learn(strategy):
    X, y = make_blobs(2000, 6, centers=4, cluster_std=0.3, random_state=2)
    settings = {"n_clusters": 4, "bisecting_strategy": strategy, "random_state": 0, "n_init": 3}
    ours = BisectingKMeans(**settings).fit(X)
    theirs = SklearnBisectingKMeans(**settings).fit(X)
    assert adjusted_rand_score(y, ours.labels_) == 1.0
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-9)


@pytest.fixture
def mnist_rows(data_dir):
    source = streamkm.open_source(str(data_dir / "mnist/t10k-images-idx3-ubyte.gz"))
    return source.read(0, 10_000)


@pytest.mark.real_data
def test_mnist_as_well_as_scikit_learn(mnist_rows):
    theirs = [
        SklearnBisectingKMeans(10, random_state=seed).fit(mnist_rows.astype("f4")).inertia_
        for seed in range(3)
    ]
    for seed in range(3):
        ours = BisectingKMeans(10, random_state=seed).fit(mnist_rows)
        assert ours.inertia_ == pytest.approx(np.median(theirs), rel=0.02)


@pytest.mark.real_data
def test_64_clusters_of_mnist_in_twelve_rounds_are_those_of_63_splits(mnist_rows):
    model = BisectingKMeans(64, random_state=0).fit(mnist_rows)
    assert model.n_rounds_ <= 2 * np.ceil(np.log2(64))
    passes = passes_over(mnist_rows)
    alone = grow(passes, None, parameters(n_clusters=64, tol=1e-4, max_iter=300, width=1))
    assert n_rounds(passes.history) == 63
    assert len(model.history_) < len(passes.history) / 3
    assert alone.centers.tobytes() == model.tree_centers_.tobytes()
