"""Fits from a known model: warm starts, how far the clusters moved, ids that keep their meaning."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import sklearn.cluster
from sklearn.base import clone

import streamkm
from streamkm import KMeans
from streamkm.cli import main
from streamkm.cluster import ALGORITHMS
from streamkm.errors import SourceError, StoreError

MEANS = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0], [20.0, 20.0]])


def rows_about(means, seed=0):
    draws = np.random.default_rng(seed)
    return np.concatenate([mean + draws.normal(size=(200, 2)) for mean in means])


@pytest.fixture
def X():
    return rows_about(MEANS)


@pytest.fixture
def model(X):
    return KMeans(5, n_init=10, random_state=0).fit(X)


def test_every_kind_of_model_starts_like_its_centers(model, X):
    newer = rows_about(MEANS + 0.5, 1)
    expected = KMeans(5, init=model.cluster_centers_).fit(newer)
    model.save("model.zarr")
    np.save("centers.npy", model.cluster_centers_)
    for init in (model, model.to_sklearn(), "model.zarr", Path("model.zarr"), Path("centers.npy"),
                 "centers.npy", model.cluster_centers_.tolist()):  # fmt: skip
        found = KMeans(5, init=init, n_init=7).fit(newer)
        assert found.cluster_centers_.tobytes() == expected.cluster_centers_.tobytes()
        assert found.center_moves_.tobytes() == expected.center_moves_.tobytes()
        assert found.json_parameters()["init"] == expected.json_parameters()["init"]


def test_a_warm_start_is_scikit_learns(model):
    newer = rows_about(MEANS + 0.5, 1)
    ours = KMeans(5, init=model, tol=0).fit(newer)
    theirs = sklearn.cluster.KMeans(5, init=model.cluster_centers_, n_init=1, tol=0).fit(newer)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-12)
    moves = np.linalg.norm(theirs.cluster_centers_ - model.cluster_centers_, axis=1)
    np.testing.assert_allclose(ours.center_moves_, moves, rtol=1e-9)
    assert ours.center_moves_.dtype == np.float64


def test_only_a_given_start_has_moves(model, X):
    assert model.center_moves_ is None
    again = KMeans(5, init=model, tol=0).fit(X)
    assert again.center_moves_.shape == (5,)
    assert again.set_params(init="k-means++", random_state=0).fit(X).center_moves_ is None


def test_a_start_that_does_not_fit_is_refused(model, X):
    with pytest.raises(SourceError, match=r"shape of the initial centers \(5, 2\)"):
        KMeans(4, init=model).fit(X)
    with pytest.raises(SourceError, match="has no cluster_centers_: is it fitted"):
        clone(KMeans(5, init=model)).fit(X)
    with pytest.raises(SourceError, match="a fitted model, its path"):
        KMeans(5, init="model.zarr").fit(X)
    with pytest.raises(StoreError, match="no such file or store"):
        KMeans(5, init=Path("model.zarr")).fit(X)
    streamkm.convert(X, "x.zarr")
    with pytest.raises(StoreError, match="not a streamkm model"):
        KMeans(5, init="x.zarr").fit(X)


def test_a_run_goes_on_without_the_model_that_it_began_from(model, X):
    streamkm.convert(rows_about(MEANS + 0.5, 1), "newer.zarr")
    model.save("model.zarr")
    other = KMeans(5, random_state=9).fit(X)
    whole = KMeans(5, init="model.zarr", tol=0, run_dir="run").fit("newer.zarr", like=other)
    shutil.rmtree("model.zarr")
    for checkpoint in Path("run").glob("checkpoint*.npz"):
        checkpoint.unlink()
    again = streamkm.resume("run")
    assert again.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
    assert again.center_moves_.tobytes() == whole.center_moves_.tobytes()
    whole.save("whole.zarr")
    assert streamkm.load_model("whole.zarr").json_parameters() == whole.json_parameters()


def test_a_refit_on_drifted_data_with_another_seed_keeps_its_ids(model, X):
    drifted = rows_about(MEANS + 0.8, 2)
    model.save("model.zarr")
    changed = 0
    for seed in range(6):
        plain = KMeans(5, n_init=10, random_state=seed).fit(drifted)
        changed += not np.array_equal(plain.predict(X), model.labels_)
        for like in (model, model.to_sklearn(), "model.zarr"):
            kept = KMeans(5, n_init=10, random_state=seed).fit(drifted, like=like)
            np.testing.assert_array_equal(kept.predict(MEANS), model.predict(MEANS))
            np.testing.assert_array_equal(kept.labels_, kept.predict(drifted))
            np.testing.assert_array_equal(kept.cluster_sizes_, np.bincount(kept.labels_))
            assert (kept.inertia_, kept.n_iter_) == (plain.inertia_, plain.n_iter_)
            assert sorted(map(tuple, kept.cluster_centers_)) == sorted(
                map(tuple, plain.cluster_centers_)
            )
    assert changed > 2


def test_moves_follow_their_clusters_when_these_are_renumbered(model, X):
    start = model.cluster_centers_[::-1] + np.arange(5)[:, None] / 10
    kept = KMeans(5, init=start, tol=0).fit(X, like=model)
    np.testing.assert_allclose(kept.cluster_centers_, model.cluster_centers_)
    np.testing.assert_allclose(
        kept.center_moves_, np.linalg.norm(start[::-1] - kept.cluster_centers_, axis=1)
    )


@pytest.mark.parametrize("n_clusters", [3, 8])
def test_other_numbers_of_clusters_keep_what_they_can(n_clusters, model, X):
    kept = KMeans(n_clusters, n_init=10, random_state=3).fit(X, like=model)
    if n_clusters > 5:  # each old cluster is still there, or one part of it
        assert (kept.predict(kept.cluster_centers_[:5]) == np.arange(5)).all()
        np.testing.assert_array_equal(model.predict(kept.cluster_centers_[:5]), np.arange(5))
    assert sorted(np.unique(kept.labels_)) == list(range(n_clusters))


def test_what_cannot_be_matched_is_refused_before_the_work(model, X):
    for like, says in ((np.ones((5, 3)), "shape"), (KMeans(5), "is it fitted"), ("no", "no such")):
        with pytest.raises(ValueError, match=says):
            KMeans(5, random_state=0).fit(X, like=like)


@pytest.mark.parametrize("row", ALGORITHMS, ids=lambda row: row.name)
def test_every_algorithm_keeps_ids_or_says_that_it_cannot(row, model, X):
    fresh = row.load()(n_clusters=5, random_state=4)
    if row.load().can_renumber:
        np.testing.assert_array_equal(fresh.fit(X, like=model).predict(MEANS), model.predict(MEANS))
    else:
        with pytest.raises(SourceError, match="cannot be renumbered"):
            fresh.fit(X, like=model)


def test_the_command_line_starts_from_models_keeps_ids_and_says_what_moved(model, X, capsys):
    streamkm.convert(rows_about(MEANS + 0.5, 1), "newer.zarr")
    model.save("model.zarr")
    assert main(["centers", "model.zarr", "centers.npy"]) == 0
    np.testing.assert_array_equal(np.load("centers.npy"), model.cluster_centers_)
    assert main(["centers", "model.zarr", "centers.npy"]) == 1
    assert main(["centers", "model.zarr", "centers.npy", "--overwrite"]) == 0
    assert main(["centers", "model.zarr", "centers.txt"]) == 1
    capsys.readouterr()
    fit = ["fit", "kmeans", "newer.zarr"]
    expected = KMeans(5, init=model).fit("newer.zarr")
    for init in ("model.zarr", "centers.npy"):
        assert main([*fit, f"from-{init}", "-k", "5", "--init", init, "--json"]) == 0
        moved = json.loads(capsys.readouterr()[0])["moved"]
        assert moved["most"] == expected.center_moves_.max()
        assert moved["median"] == np.median(expected.center_moves_)
        assert moved["cluster"] == expected.center_moves_.argmax()
    assert main([*fit, "a.zarr", "-k", "5", "--init", "model.zarr"]) == 0
    out = " ".join(capsys.readouterr()[0].split())
    assert f"moved median {np.median(expected.center_moves_):.6g}, most" in out
    assert main([*fit, "b.zarr", "-k", "5", "--like", "model.zarr", "--n-init", "9"]) == 0
    kept = streamkm.load_model("b.zarr")
    np.testing.assert_array_equal(kept.predict(MEANS), model.predict(MEANS))
    assert "moved" not in capsys.readouterr()[0]
