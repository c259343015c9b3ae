"""Bad input to what judges models: one clear error each; measures that have no value say why."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.exceptions import NotFittedError

import streamkm
from streamkm import KMeans, nearest_rows
from streamkm.errors import BadRowsError, MemoryLimitError, SourceError
from streamkm.metrics import contingency, evaluate, evaluate_all


@pytest.fixture
def model():
    return KMeans.from_centers([[0.0, 0.0], [9.0, 9.0], [500.0, 500.0]])


@pytest.fixture
def X(rng):
    return rng.normal(size=(40, 2)) + 9 * rng.integers(0, 2, (40, 1))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.arange(40) + 0.5, "whole numbers to be scored against, got 0.5 at row 0"),
        (np.where(np.arange(40) == 7, np.nan, 1.0), "got nan at row 7"),
        (np.array(["a"] * 40), "one number a row"),
        (np.arange(39), "39 labels for 40 rows"),
        (np.zeros((40, 2)), "one number a row"),
        (np.full(40, 2**63, np.uint64), "got 9223372036854775808 at row 0"),
        ("missing.npy", "no such file"),
    ],
)
def test_labels_that_are_no_classes(y, message, model, X):
    for judged in (evaluate, contingency):
        with pytest.raises(SourceError, match=message):
            judged(model, X, y)


def test_row_numbers_are_no_classes():
    X, y = np.zeros((70_000, 1), np.float32), np.arange(70_000)
    model = KMeans.from_centers([[0.0]])
    with pytest.raises(SourceError, match="more than 65536 different values"):
        evaluate(model, X, y)
    centers = np.arange(100.0)[:, None]
    with pytest.raises(SourceError, match=r"100 clusters by .* at most 4194304 pairs"):
        evaluate(KMeans.from_centers(centers), X[:60_000], y[:60_000])


def test_rows_and_models_that_do_not_fit(model, X):
    with pytest.raises(SourceError, match="X has 3 features, but KMeans is expecting 2"):
        evaluate(model, np.zeros((4, 3)))
    with pytest.raises(SourceError, match="from_centers"):
        evaluate(SklearnKMeans(2, n_init=1).fit(X), X)
    with pytest.raises(NotFittedError):
        evaluate(KMeans(2), X)
    with pytest.raises(SourceError, match="no labels"):
        contingency(model, X)
    with pytest.raises(SourceError, match="all sample weights are zero"):
        evaluate(model, X, sample_weight=np.zeros(40))
    with pytest.raises(SourceError, match="too large to square"):
        evaluate(model, X * 1e200)
    with pytest.raises(MemoryLimitError, match="memory_limit=512MiB or more"):
        evaluate(model, X, memory_limit="100MiB")
    assert evaluate_all([], X) == []


@pytest.mark.parametrize("dtype", ["f4", "f2"])
def test_bad_rows_are_named(dtype, model, X):
    X = X.astype(dtype)
    X[[3, 11], 1] = np.nan, np.inf
    for judged in (evaluate, nearest_rows):
        with pytest.raises(BadRowsError, match=r"2 rows hold NaN or infinity \(rows 3, 11\)"):
            judged(model, X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"m": 0}, "m must be an int"),
        ({"m": 2.5}, "m must be an int"),
        ({"kind": "best"}, "nearest, farthest, typical"),
        ({"random_state": -1}, "random_state must be an int"),
    ],
)
def test_members_that_cannot_be_looked_for(options, message, model, X):
    with pytest.raises(SourceError, match=message):
        nearest_rows(model, X, **options)


def test_more_members_than_fit_are_refused_before_the_pass(model):
    store = streamkm.convert("blobs:200000x2", "x.zarr")
    with pytest.raises(MemoryLimitError, match="or more"):
        nearest_rows(model, store, 200_000, with_rows=True, memory_limit="512MiB")


def test_what_has_no_value_says_why():
    one = KMeans.from_centers([[0.0], [99.0]])
    scores = evaluate(one, [[1.0], [2.0], [2.0]])
    assert scores.silhouette is None
    assert scores.undefined["silhouette"] == "needs two clusters with rows"
    assert scores.explained_variance == pytest.approx(1 - 9 / (2 / 3))
    scores = evaluate(one, [[0.0], [99.0]])
    assert scores.davies_bouldin is None
    assert scores.undefined["davies_bouldin"] == "needs fewer clusters than rows"
    scores = evaluate(one, [[5.0], [5.0]], y=[0, 0])
    assert scores.explained_variance is None
    assert scores.undefined["explained_variance"] == "all rows are the same"
    assert scores.labels.adjusted_rand == scores.labels.v_measure == 1.0
    facts = scores.to_json()
    assert facts["per_cluster"][1] == {
        "cluster": 1, "rows": 0, "inertia": None, "mean_distance": None, "silhouette": None,
        "simplified_silhouette": None, "davies_bouldin": None, "majority_class": None,
        "majority_share": None,
    }  # fmt: skip
