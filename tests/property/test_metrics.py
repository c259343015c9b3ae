"""Every measure against scikit-learn or a few lines of NumPy; the same bits however it is taken."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as sk

import streamkm
from streamkm import BisectingKMeans, KMeans, MiniBatchKMeans, SpectralClustering
from streamkm.kernels.binned_sum import BinnedSum, add_by_label, add_column
from streamkm.kernels.expected_information import expected_information
from streamkm.kernels.tile import unit_rows
from streamkm.metrics import Contingency, evaluate, evaluate_all
from streamkm.metrics.clusters import compare_with_classes
from streamkm.metrics.measures import MEASURES
from streamkm.sources import open_source

SEPARATION = ("silhouette", "simplified_silhouette", "calinski_harabasz", "davies_bouldin")
LABELS = {
    "homogeneity": sk.homogeneity_score,
    "completeness": sk.completeness_score,
    "v_measure": sk.v_measure_score,
    "adjusted_rand": sk.adjusted_rand_score,
    "normalized_mutual_info": sk.normalized_mutual_info_score,
    "adjusted_mutual_info": sk.adjusted_mutual_info_score,
}
seeds = st.integers(0, 2**32 - 1)


def rows_of(seed, dtype="f8", offset=0.0):
    """A few rows in a few heaps, some of them the same."""
    draws = np.random.default_rng(seed)
    n_rows, n_features = draws.integers(3, 120), draws.integers(1, 12)
    X = draws.normal(size=(n_rows, n_features)) * draws.choice([0.1, 3.0])
    X += 20.0 * draws.integers(0, 4, (n_rows, 1)) + 20.0 + offset
    X[draws.integers(0, n_rows, n_rows // 4)] = X[0]
    return X.astype(dtype)


def model_over(X, seed):
    """Any centers: some are rows, some far from all."""
    draws = np.random.default_rng(seed)
    centers = X[draws.integers(0, len(X), draws.integers(1, 9))].astype(np.float64)
    centers += draws.normal(size=centers.shape) * draws.choice([0.0, 1.0, 30.0])
    return KMeans.from_centers(centers)


def separation_of(Z, labels):
    """By scikit-learn, and by differences where it loses digits or has none."""
    found, places = np.unique(labels, return_inverse=True)
    means = np.stack([Z[labels == k].mean(axis=0) for k in found])
    away = np.sqrt(((Z[:, None] - means) ** 2).sum(axis=2))
    own = away[np.arange(len(Z)), places]
    scatter = np.array([own[places == k].mean() for k in range(len(found))])
    apart = np.sqrt(((means[:, None] - means) ** 2).sum(axis=2))
    apart[apart == 0.0] = np.inf
    away[np.arange(len(Z)), places] = np.inf
    largest = np.maximum(own, away.min(axis=1))
    simple = np.divide(away.min(axis=1) - own, largest, out=np.zeros(len(Z)), where=largest > 0)
    simple[np.bincount(places)[places] == 1] = 0.0
    return {
        "silhouette": sk.silhouette_score(Z, labels, metric="sqeuclidean"),
        "simplified_silhouette": simple.mean(),
        "calinski_harabasz": sk.calinski_harabasz_score(Z, labels),
        "davies_bouldin": ((scatter[:, None] + scatter) / apart).max(axis=1).mean(),
    }


@given(seeds, st.sampled_from(["f8", "f4", "f2", "u1"]), st.sampled_from([0.0, 1e3, 1e8]))
def test_fit_and_separation_equal_scikit_learns(seed, dtype, offset):
    X = rows_of(seed, dtype, offset if dtype in ("f8", "f4") else 0.0)
    model = model_over(X, seed)
    scores, labels = evaluate(model, X), model.predict(X)
    Z, C = X.astype(np.float64), model.cluster_centers_
    away = np.sqrt(((Z - C[labels]) ** 2).sum(axis=1))
    assert scores.inertia == pytest.approx((away**2).sum(), rel=1e-9)
    assert scores.inertia == -model.score(X)
    assert scores.mean_distance == pytest.approx(away.mean(), rel=1e-9)
    total = ((Z - Z.mean(axis=0)) ** 2).sum()
    if scores.explained_variance is not None:
        unexplained = 1.0 - scores.explained_variance
        assert unexplained == pytest.approx((away**2).sum() / total, rel=1e-9, abs=1e-14)
    np.testing.assert_array_equal(scores.clusters.sizes, np.bincount(labels, minlength=len(C)))
    n_found = len(np.unique(labels))
    if not 1 < n_found < len(X):
        assert all(getattr(scores, name) is None and scores.undefined[name] for name in SEPARATION)
        return
    for name, expected in separation_of(Z - Z[0], labels).items():
        assert getattr(scores, name) == pytest.approx(expected, rel=1e-9, abs=1e-9), name


@given(seeds)
def test_measures_against_classes_equal_scikit_learns(seed):
    draws = np.random.default_rng(seed)
    n_rows = int(draws.choice([1, 2, 7, 60, 900]))
    labels = draws.integers(0, draws.integers(1, 9), n_rows)
    y = np.where(draws.random(n_rows) < 0.5, labels, draws.integers(-3, draws.integers(-2, 6)))
    y = y * int(draws.choice([1, -7, 10**12]))
    centers = np.arange(9.0)[:, None]  # one of them never has a row
    scores = evaluate(KMeans.from_centers(centers), labels[:, None].astype("f4"), y)
    for name, of in LABELS.items():
        assert scores.measures()[name] == pytest.approx(of(y, labels), rel=1e-9, abs=1e-9), name
    table = sk.cluster.contingency_matrix(labels, y)
    assert scores.labels.majority_accuracy == pytest.approx(table.max(axis=1).sum() / n_rows)
    np.testing.assert_array_equal(scores.contingency.table[np.unique(labels)], table)
    np.testing.assert_array_equal(scores.contingency.classes, np.unique(y))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(2, 6))
def test_what_chance_shares_equals_scikit_learns(sizes, n_others):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    others = np.arange(len(labels)) % n_others
    table = sk.cluster.contingency_matrix(labels, others, sparse=True)
    expected = sk.cluster.expected_mutual_information(table, len(labels))
    found = expected_information(np.array(sizes), np.bincount(others))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-13)


def test_what_a_billion_rows_share_by_chance():
    """Vinh, Epps & Bailey 2010: about (R - 1) (C - 1) / 2n."""
    found = expected_information(np.full(8, 125_000_000), np.full(5, 200_000_000))
    assert found == pytest.approx(7 * 4 / 2e9, rel=1e-6)


def test_adjusted_rand_of_ten_billion_rows():
    """Numbers whose squares pass 2**63: the same as of a hundred million times fewer, nearly."""
    table = np.array([[30, 2, 1], [4, 50, 3], [2, 2, 6]])
    small, large = (
        compare_with_classes(Contingency(np.arange(3), table * factor)).adjusted_rand
        for factor in (10**5, 10**8)
    )
    assert math.isclose(small, large, rel_tol=1e-6)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(-1e12, 1e12)), min_size=1, max_size=60),
    st.integers(1, 59),
)
def test_a_sum_by_label_joined_has_the_bits_of_one_sum(pairs, cut):
    labels = np.array([label for label, _ in pairs], np.int32)
    values = np.array([value for _, value in pairs])
    parts = []
    for piece in (slice(0, cut), slice(cut, None)):
        parts.append(BinnedSum.zeros(4))
        add_by_label(parts[-1], values[piece], labels[piece])
    one = BinnedSum.zeros(1)
    add_column(one, values)
    joined = BinnedSum.merge_all(parts[::-1]).joined()
    assert joined.limbs.tobytes() == one.limbs.tobytes()
    assert joined.top.tobytes() == one.top.tobytes()


def stores_of(X, y, weights=None):
    """The same rows in chunks of other sizes; the last is no store."""
    for chunk_rows in (17, 400):
        yield streamkm.convert(X, f"{chunk_rows}.zarr", target=y, chunk_rows=chunk_rows)
    np.save("x.npy", X)
    yield "x.npy"


def test_any_executor_chunks_and_company_give_the_same_bits(executor, rng):
    X = (rng.lognormal(0, 2, (700, 5)) * rng.choice([-1, 1], (700, 5))).astype("f4")
    y, weights = rng.integers(-2, 3, 700), rng.random(700)
    models = [KMeans(k, random_state=0, tol=0.1).fit(X) for k in (3, 7)]
    models.append(BisectingKMeans(4, random_state=0).fit(X))
    models.append(KMeans(5, metric="cosine", random_state=0).fit(X))
    alone = [evaluate(model, X, y, weights, executor="serial").to_json() for model in models]
    for rows in stores_of(X, y):
        options = {"executor": executor, "memory_limit": "1GiB"}
        found = evaluate_all(models, rows, y, weights, **options)
        assert [scores.to_json() for scores in found] == alone


@pytest.mark.parametrize(
    ("dtype", "model"),
    [
        ("u1", KMeans(4, tol=0.5, random_state=0)),
        ("f4", KMeans(4, tol=0.5, random_state=0, metric="cosine")),
        ("f4", MiniBatchKMeans(4, random_state=0)),
    ],
)
def test_one_pass_is_enough_where_the_fit_knows_the_members(dtype, model, rng):
    X = np.clip(rng.normal(60, 20, (500, 6)) + 50 * rng.integers(0, 3, (500, 1)), 0, 255)
    store = streamkm.convert(X.astype(dtype), "x.zarr", target=np.arange(500) % 3)
    model.fit(store)
    model.save("m.zarr")
    found = [evaluate(m, store) for m in (model, "m.zarr")]
    model.members_ = None  # as a model of an older version
    model.save("old.zarr")
    found += [evaluate(m, store) for m in (model, "old.zarr")]
    stages = [[record["stage"] for record in scores.history] for scores in found]
    assert stages == 2 * [["judge"]] + 2 * [["members", "judge"]]
    assert all(scores.to_json() == found[0].to_json() for scores in found)


def test_members_of_other_rows_or_other_centers_are_not_used(rng):
    X = rng.normal(size=(600, 3)) + 9 * rng.integers(0, 3, (600, 1))
    store, other = streamkm.convert(X, "x.zarr"), streamkm.convert(X + 1e-3, "y.zarr")
    model = MiniBatchKMeans(3, random_state=0).fit(store)
    assert [record["stage"] for record in evaluate(model, store).history] == ["judge"]
    assert len(evaluate(model, other).history) == 2
    assert len(evaluate(model, X).history) == 3  # nor known to be the same: no store
    model.partial_fit(X[:50] + 1.0)
    assert len(evaluate(model, store).history) == 2
    model.save("m.zarr")
    assert streamkm.load_model("m.zarr").members_ is None


def test_clusters_renumbered_keep_their_members(rng):
    X = rng.normal(size=(600, 3)) + 9 * rng.integers(0, 3, (600, 1))
    store = streamkm.convert(X, "x.zarr")
    first = KMeans(3, random_state=0, tol=0.5).fit(store)
    like = KMeans.from_centers(first.cluster_centers_[[2, 0, 1]])
    again = KMeans(3, random_state=0, tol=0.5).fit(store, like=like)
    known = evaluate(again, store)
    again.members_ = None
    assert known.to_json() == evaluate(again, store).to_json()
    assert known.silhouette == evaluate(first, store).silhouette


def test_weights_count_in_what_a_fit_minimizes_and_nowhere_else(rng):
    X = rng.normal(size=(300, 4)) + 6 * rng.integers(0, 3, (300, 1)) + 1e4
    model, weights = KMeans(3, random_state=0).fit(X), rng.random(300) * (rng.random(300) < 0.8)
    plain, scores = evaluate(model, X), evaluate(model, X, sample_weight=weights)
    away = np.sqrt(((X - model.cluster_centers_[model.labels_]) ** 2).sum(axis=1))
    mean = np.average(X, axis=0, weights=weights)
    total = (weights * ((X - mean) ** 2).sum(axis=1)).sum()
    assert scores.weight == pytest.approx(weights.sum())
    assert scores.inertia == pytest.approx((weights * away**2).sum(), rel=1e-9)
    assert scores.mean_distance == pytest.approx(np.average(away, weights=weights), rel=1e-9)
    expected = 1 - (weights * away**2).sum() / total
    assert scores.explained_variance == pytest.approx(expected, rel=1e-9)
    assert all(getattr(scores, name) == getattr(plain, name) for name in SEPARATION)
    for k in range(3):
        mine = model.labels_ == k
        expected = np.average(away[mine], weights=weights[mine])
        assert scores.clusters.mean_distance[k] == pytest.approx(expected, rel=1e-9)


def test_whole_weights_are_repetitions(rng):
    X, times = rng.normal(size=(80, 3)), rng.integers(0, 4, 80)
    model = KMeans(3, random_state=0).fit(X)
    weighted, repeated = (
        evaluate(model, X, sample_weight=times),
        evaluate(model, X.repeat(times, 0)),
    )
    for name in ("inertia", "mean_distance", "explained_variance"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), rel=1e-12)


def test_cosine_measures_rows_of_unit_length(rng):
    X = rng.normal(size=(400, 6)) + 3 * rng.normal(size=(4, 6))[rng.integers(0, 4, 400)]
    X *= rng.lognormal(size=(400, 1))
    model = KMeans(4, metric="cosine", random_state=0).fit(X)
    scores = evaluate(model, X)
    for name, expected in separation_of(unit_rows(X), model.labels_).items():
        assert getattr(scores, name) == pytest.approx(expected, rel=1e-9)
    expected = sk.silhouette_score(X, model.labels_, metric="cosine")
    assert scores.silhouette == pytest.approx(expected, rel=1e-9)
    assert scores.inertia == pytest.approx(model.inertia_, rel=1e-12)


def test_a_tree_is_judged_by_its_own_labels(rng):
    X = rng.normal(size=(500, 4)) + 5 * rng.integers(0, 3, (500, 4))
    model = BisectingKMeans(6, random_state=0).fit(X)
    scores = evaluate(model, X)
    assert scores.inertia == pytest.approx(model.inertia_, rel=1e-12)
    for name, expected in separation_of(X, model.labels_).items():
        assert getattr(scores, name) == pytest.approx(expected, rel=1e-9)


def test_spectral_clusters_are_judged_in_their_embedding(rng):
    X = rng.normal(size=(300, 2)) + 6 * rng.integers(0, 3, (300, 1))
    model = SpectralClustering(3, n_landmarks=40, random_state=0).fit(X)
    scores = evaluate(model, X)
    assert scores.inertia == pytest.approx(model.inertia_, rel=1e-9)
    points = model.labeler_.points(X).astype(np.float64)
    for name, expected in separation_of(points, model.labels_).items():
        assert getattr(scores, name) == pytest.approx(expected, rel=1e-9)


@given(seeds)
def test_clusters_add_up_to_the_whole(seed):
    X = rows_of(seed)
    scores = evaluate(model_over(X, seed), X, y=np.arange(len(X)) % 3)
    clusters, sizes = scores.clusters, scores.clusters.sizes
    assert np.nansum(clusters.inertia) == pytest.approx(scores.inertia, rel=1e-12)
    assert np.nansum(clusters.mean_distance * sizes) / len(X) == pytest.approx(scores.mean_distance)
    right = np.nansum(clusters.majority_share * sizes) / len(X)
    assert right == pytest.approx(scores.labels.majority_accuracy)
    assume(scores.silhouette is not None)
    for name in ("silhouette", "simplified_silhouette"):
        mean = np.nansum(getattr(clusters, name) * sizes) / len(X)
        assert mean == pytest.approx(getattr(scores, name), abs=1e-12)
    assert np.nanmean(clusters.davies_bouldin) == pytest.approx(scores.davies_bouldin)


def test_every_measure_has_a_row_of_the_table(rng):
    X = rng.normal(size=(50, 2))
    scores = evaluate(KMeans(3, random_state=0).fit(X), X, y=np.arange(50) % 4)
    assert list(scores.measures()) == [measure.name for measure in MEASURES]
    assert all(isinstance(value, float) for value in scores.measures().values())


@pytest.mark.real_data
def test_mnist_equals_scikit_learn(data_dir):
    source = open_source(data_dir / "mnist" / "t10k-images-idx3-ubyte.gz")
    X, y = source.read(0, 1500), source.labels.read(0, 1500)
    model = KMeans(12, random_state=0, max_iter=10).fit(X)
    scores, labels = evaluate(model, X, y), model.labels_
    Z = X.astype(np.float64)
    expected = {name: of(y, labels) for name, of in LABELS.items()}
    expected["silhouette"] = sk.silhouette_score(Z, labels, metric="sqeuclidean")
    expected["calinski_harabasz"] = sk.calinski_harabasz_score(Z, labels)
    expected["davies_bouldin"] = sk.davies_bouldin_score(Z, labels)
    for name, value in expected.items():
        assert scores.measures()[name] == pytest.approx(value, rel=1e-9), name
