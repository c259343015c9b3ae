"""Centers in and out: the labels are those of the program that they came from or went to."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.cluster

import streamkm
from streamkm import KMeans
from streamkm.cli import main
from streamkm.errors import MissingExtraError, SourceError


@pytest.fixture
def X(rng):
    return rng.normal(size=(2000, 6)) * 30 + 1000


@pytest.fixture
def theirs(X):
    return sklearn.cluster.KMeans(7, n_init=1, random_state=0).fit(X)


class Index:
    """What a faiss index of centers can do."""

    def __init__(self, centers):
        self.centers = centers.astype(np.float32)
        self.ntotal = len(centers)

    def reconstruct_n(self, start, n):
        return self.centers[start : start + n]


class Trained:
    """What a faiss.Kmeans holds."""

    def __init__(self, centers):
        self.centroids = centers.astype(np.float32)


def test_scikit_learns_model_becomes_ours(theirs, X):
    ours = KMeans.from_centers(theirs)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), rtol=1e-9)
    assert ours.score(X) == pytest.approx(theirs.score(X))
    assert ours.cluster_sizes_.tolist() == np.bincount(theirs.labels_).tolist()
    assert (ours.inertia_, ours.n_clusters, ours.n_iter_) == (theirs.inertia_, 7, 0)


def test_every_source_of_centers_gives_the_same_model(theirs, X):
    centers = theirs.cluster_centers_.astype(np.float32)
    np.save("centers.npy", centers)
    array = KMeans.from_centers(centers, memory_limit="1GiB", random_state=3)
    array.save("model.zarr")
    assert (array.memory_limit, array.random_state) == ("1GiB", 3)
    for source in ("centers.npy", Path("centers.npy"), Index(centers), Trained(centers), array,
                   "model.zarr", streamkm.load_model("model.zarr"), centers.tolist()):  # fmt: skip
        found = KMeans.from_centers(source)
        assert found.cluster_centers_.tobytes() == array.cluster_centers_.tobytes()
        np.testing.assert_array_equal(found.predict(X), array.predict(X))


def test_what_is_not_known_is_nan_saved_and_shown_as_nothing(capsys):
    model = KMeans.from_centers(np.arange(6.0).reshape(3, 2))
    assert np.isnan(model.inertia_)
    assert model.cluster_sizes_.tolist() == [0, 0, 0]
    model.save("model.zarr")
    json.loads(Path("model.zarr/zarr.json").read_text(), parse_constant=pytest.fail)
    loaded = streamkm.load_model("model.zarr")
    assert np.isnan(loaded.inertia_)
    np.testing.assert_array_equal(loaded.predict(np.eye(2)), model.predict(np.eye(2)))
    assert main(["info", "model.zarr", "--json"]) == 0
    assert json.loads(capsys.readouterr()[0], parse_constant=pytest.fail)["inertia"] is None


def test_it_labels_stores_and_sets_out_again(theirs, X):
    streamkm.convert(X, "x.zarr")
    model = KMeans.from_centers(theirs)
    model.predict("x.zarr", out="labels.npy")
    np.testing.assert_array_equal(np.load("labels.npy"), theirs.labels_)
    assert model.fit(X).n_iter_ > 0


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("far", [1.0, 1e6, 1e30])
def test_labels_are_right_far_from_the_centers_too(scale, far, rng):
    centers = rng.normal(size=(5, 4)) * scale
    rows = rng.normal(size=(500, 4)) * scale * far
    found = KMeans.from_centers(centers).predict(rows)
    exact = [((row - centers) ** 2).sum(axis=1) for row in rows]
    chosen = np.array([values[k] for values, k in zip(exact, found, strict=True)])
    assert (chosen <= np.min(exact, axis=1) * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    ("centers", "says"),
    [
        (np.ones(3), r"shape \(n_clusters, n_features\), got \(3,\)"),
        (np.ones((0, 3)), "got"),
        (np.full((2, 2), np.nan), "finite"),
        (sklearn.cluster.KMeans(3), "is it fitted"),
        (Trained, "holds no centers"),
        ("missing.npy", "not a .npy array"),
        ("missing.zarr", "no such file or store"),
    ],
)
def test_what_holds_no_centers_is_refused(centers, says):
    with pytest.raises(ValueError, match=says):
        KMeans.from_centers(centers)


def test_another_number_of_clusters_is_refused():
    with pytest.raises(SourceError, match="n_clusters=4, but there are 3 centers"):
        KMeans.from_centers(np.eye(3), n_clusters=4)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_our_model_becomes_scikit_learns(dtype, X):
    ours = KMeans(7, random_state=0).fit(X)
    made = ours.to_sklearn(dtype)
    rows = X.astype(dtype)
    agree = made.predict(rows) == ours.predict(rows)
    assert agree.all() if dtype == "f8" else agree.mean() > 0.999
    np.testing.assert_array_equal(made.labels_, ours.labels_)
    assert (made.inertia_, made.n_iter_) == (ours.inertia_, ours.n_iter_)
    assert made.score(rows) == pytest.approx(ours.score(rows), rel=1e-4)
    assert KMeans.from_centers(made).cluster_centers_.shape == (7, 6)


def test_equal_centers_go_over_without_a_warning():
    made = KMeans.from_centers(np.ones((3, 2))).to_sklearn()
    assert made.predict(np.eye(2)).tolist() == [0, 0]
    assert not hasattr(made, "labels_")


def test_without_faiss_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match="pip install faiss-cpu"):
        KMeans.from_centers(np.eye(3)).to_faiss()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_faiss_gives_and_takes_centers(X):
    faiss = pytest.importorskip("faiss")
    rows = X.astype(np.float32)
    theirs = faiss.Kmeans(6, 7, niter=5, seed=1)
    theirs.train(rows)
    for source in (theirs, theirs.index):
        ours = KMeans.from_centers(source)
        np.testing.assert_array_equal(ours.cluster_centers_, theirs.centroids)
        index = ours.to_faiss()
        assert (index.ntotal, index.d) == (7, 6)
        labels = index.search(rows, 1)[1][:, 0]
        assert (labels == ours.predict(rows)).mean() > 0.999
        np.testing.assert_array_equal(KMeans.from_centers(index).cluster_centers_, theirs.centroids)
