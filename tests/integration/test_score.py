"""`streamkm score` and `streamkm nearest`: tables for people, JSON, files, one line an error."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm.cli import main
from streamkm.metrics import MEASURES, accuracy, contingency, evaluate, fit_map


@pytest.fixture
def run(capsys):
    def call(*words):
        status = main([str(word) for word in words])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def model(rng):
    for name, n_rows in (("train.zarr", 300), ("test.zarr", 90)):
        labels = rng.integers(0, 3, n_rows)
        X = rng.normal(size=(n_rows, 3)) + 6 * labels[:, None]
        streamkm.convert(X, name, target=np.where(rng.random(n_rows) < 0.9, labels, 7))
    made = streamkm.KMeans(4, random_state=0, tol=0.5).fit("train.zarr")
    made.save("m.zarr")
    return made


def test_score_prints_every_measure_in_json(model, run):
    status, out, _ = run("score", "m.zarr", "train.zarr", "--json")
    assert status == 0
    facts, scores = json.loads(out), evaluate(model, "train.zarr")
    assert facts | scores.to_json() == facts
    assert [m.name for m in MEASURES] == [m.name for m in MEASURES if facts[m.name] is not None]
    assert facts["passes"] == 1
    assert facts["read_bytes"] > 0
    assert facts["mapped"] is None
    assert len(facts["per_cluster"]) == 4


def test_a_map_from_the_training_rows_is_applied_to_the_test_rows(model, run):
    words = ("score", "m.zarr", "test.zarr", "--map-from", "train.zarr")
    mapped = json.loads(run(*words, "--json")[1])["mapped"]
    train, test = contingency(model, "train.zarr"), contingency(model, "test.zarr")
    for how in ("majority", "hungarian"):
        class_map = fit_map(train, how)
        assert mapped[f"{how}_accuracy"] == accuracy(test, class_map)
        assert mapped[f"{how}_map"] == class_map.to_json()
    assert "by the classes of train.zarr" in run(*words)[1]


def test_the_table_is_for_people(model, run):
    status, out, _ = run("score", "m.zarr", "test.zarr", "--per-cluster")
    assert status == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for group in ("fit", "separation", "against labels"):
        assert group in lines
    value = evaluate(model, "test.zarr").silhouette
    assert f"silhouette (squared distances) {value:.6g} higher is better" in lines
    assert "cluster rows share distance silhouette* D-B class of rows" in lines
    assert "2 passes" in out
    assert max(map(len, out.splitlines())) <= 80


def test_rows_without_labels_and_measures_without_a_value(model, run):
    np.save("one.npy", np.zeros((5, 3)))
    status, out, _ = run("score", "m.zarr", "one.npy")
    assert status == 0
    assert "4 clusters of 0 to 5, 3 without rows" in " ".join(out.split())
    assert out.count("needs two clusters with rows") == 4
    assert "against labels" not in out
    facts = json.loads(run("score", "m.zarr", "one.npy", "--json")[1])
    assert facts["silhouette"] is None
    assert "silhouette" in facts["undefined"]
    status, _, err = run("score", "m.zarr", "one.npy", "--map-from", "train.zarr")
    assert status == 1
    assert "one.npy has no labels" in err
    np.save("y.npy", np.array([3, 3, -2, 7, 7]))
    facts = json.loads(run("score", "m.zarr", "one.npy", "--target", "y.npy", "--json")[1])
    assert facts["classes"] == [-2, 3, 7]


def test_nearest_rows_as_table_json_and_file(model, run):
    found = streamkm.nearest_rows(model, "train.zarr", 3, kind="farthest")
    words = ("nearest", "m.zarr", "train.zarr", "-m", 3, "--kind", "farthest")
    assert json.loads(run(*words, "--json")[1])["rows"] == found.to_json()
    table = run(*words)[1]
    assert all(f"{row} (" in table for row in found.numbers.tolist())
    assert run(*words, "--out", "far.csv")[0] == 0
    with open("far.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["row"]) for row in rows] == found.numbers.tolist()
    assert [float(row["distance"]) for row in rows] == found.distances.tolist()
    status, _, err = run(*words, "--out", "far.csv")
    assert status == 1
    assert "--overwrite replaces it" in err
    assert run(*words, "--out", "far.json")[0] == 0
    assert json.loads(Path("far.json").read_text()) == found.to_json()
    assert "must be .csv or .json" in run(*words, "--out", "far.txt")[2]
    assert "m must be an int" in run("nearest", "m.zarr", "train.zarr", "-m", 0)[2]


def test_classes_are_called_by_their_names(run):
    X = np.repeat([[0.0, 0.0], [9.0, 9.0]], 4, axis=0) + np.arange(8)[:, None] / 10
    lines = [f"{a},{b},{'west' if a < 5 else 'east'}" for a, b in X]
    Path("rows.csv").write_text("\n".join(["a,b,side", *lines]))
    streamkm.convert("rows.csv", "named.zarr", target="rows.csv:side")
    streamkm.KMeans(2, random_state=0).fit("named.zarr").save("named-model.zarr")
    words = ("score", "named-model.zarr", "named.zarr")
    status, out, _ = run(*words, "--per-cluster")
    assert status == 0
    assert {line.split()[-2] for line in out.splitlines() if "100.0%" in line} == {"east", "west"}
    facts = json.loads(run(*words, "--json")[1])
    assert (facts["classes"], facts["class_names"]) == ([0, 1], ["east", "west"])


def test_the_embedding_of_a_spectral_model_is_named(run, rng):
    X = rng.normal(size=(60, 2)) + 9 * rng.integers(0, 2, 60)[:, None]
    np.save("X.npy", X)
    streamkm.SpectralClustering(2, random_state=0).fit(X).save("spectral.zarr")
    words = ("score", "spectral.zarr", "X.npy")
    assert "measured in the embedding, not among the rows" in run(*words)[1]
    assert json.loads(run(*words, "--json")[1])["space"] == "the embedding"


def test_a_measure_that_is_another_by_its_value_is_shown_once(model, run):
    words = ("sweep", "train.zarr", "-k", "2,4", "--repeats", "1", "--max-iter", "3")
    status, out, err = run(*words, "--out", "table.csv")
    assert status == 0, err
    assert "V-measure (NMI)" in out
    assert "silhouette (squared distances)" in out
    assert "normalized" not in out
    assert "normalized_mutual_info" in Path("table.csv").read_text()
