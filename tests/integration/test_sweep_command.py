"""The command `sweep`: table, choices, models, and one clear line for what cannot be."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import streamkm


@pytest.fixture
def store(rng):
    rows = np.concatenate([rng.normal(size=(60, 3)) + 9 * i for i in range(4)])
    return streamkm.convert(rows, "x.zarr", target=np.repeat(np.arange(4), 60)).path


def test_a_sweep_finds_the_number_of_blobs_and_keeps_the_models(store, run):
    words = ("sweep", store, "-k", "2:5,8", "--repeats", 2, "--random-state", 0)
    status, out, err = run(*words, "--out", "t.csv", "--models", "models", "--plot", "p.png")
    assert (status, err) == (0, ""), err
    assert "knee" in out
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")
    with open("t.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["n_clusters"]) for row in rows] == [2, 2, 3, 3, 4, 4, 5, 5, 8, 8]
    model = streamkm.load_model("models/k4.zarr")
    four = [float(row["inertia"]) for row in rows if row["n_clusters"] == "4"]
    assert model.inertia_ == pytest.approx(min(four), rel=1e-12)
    alone = streamkm.KMeans(4, random_state=model.seed_).fit(str(store))
    assert alone.cluster_centers_.tobytes() == model.cluster_centers_.tobytes()

    status, out, _ = run(*words, "--json")
    facts = json.loads(out)
    assert facts["knee"].startswith("4 clusters")
    assert len(facts["rows"]) == 10


def test_help_shows_the_options_of_the_algorithm(run):
    with_batches = run("sweep", "--algorithm", "minibatch", "--help")[1]
    assert "--batch-size" in with_batches
    assert "--batch-size" not in run("sweep", "--help")[1]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("-k", "ten"), 2, "not a number of clusters"),
        (("-k", "3,500"), 1, "should be >= n_clusters=500"),
        (("-k", "3", "--out", "t.xlsx"), 1, ".csv, .parquet, .json"),
        (("-k", "3", "--plot", "p.jpg"), 1, ".png, .svg, .pdf"),
        (("-k", "3", "--algorithm", "spectral"), 2, "spectral"),
        (("-k", "3", "--repeats", "0"), 1, "at least one"),
    ],
)
def test_what_cannot_be_is_one_line(store, run, words, status, said):
    found, out, err = run("sweep", store, *words)
    assert found == status
    assert said in " ".join((out + err).split())
