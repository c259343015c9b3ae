"""Scaling on the command line: asked for, kept, used again, taken back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import streamkm


@pytest.fixture
def rows(rng):
    rows = rng.integers(0, 256, (400, 6)).astype("u1")
    streamkm.convert(rows, "x.zarr")
    return rows


def fit(run, *words):
    base = ("fit", "kmeans", "x.zarr", "model.zarr", "-k", 3, "--random-state", 0, "--json")
    status, out, _ = run(*base, *words)
    assert status == 0
    return json.loads(out)


def test_a_number_and_a_word(run, rows):
    plain = fit(run)
    bytes_to_one = fit(run, "--scale", "255", "--overwrite")
    assert bytes_to_one["inertia"] == pytest.approx(plain["inertia"] / 255**2, rel=1e-3)
    assert run("predict", "model.zarr", "x.zarr", "labels.npy")[0] == 0
    centers = streamkm.load_model("model.zarr").cluster_centers_
    nearest = ((rows[:, None] / 255 - centers) ** 2).sum(axis=2)
    np.testing.assert_array_equal(np.load("labels.npy"), nearest.argmin(axis=1))
    found = json.loads(run("score", "model.zarr", "x.zarr", "--json")[1])
    assert found["inertia"] == pytest.approx(nearest.min(axis=1).sum(), rel=1e-9)
    fit(run, "--scale", "minmax", "--columns", "1:3,5", "--overwrite")
    model = streamkm.load_model("model.zarr")
    assert (model.scale, model.columns) == ("minmax", [1, 2, 5])
    np.testing.assert_allclose(
        model.frame_.view.divisor, MinMaxScaler().fit(rows[:, [1, 2, 5]]).data_range_
    )
    assert "scale=minmax" in run("info", "model.zarr", "--json")[1]


def test_centers_in_units_of_the_data(run, rows):
    fit(run, "--scale", "standard")
    assert run("centers", "model.zarr", "centers.npy", "--data-units")[0] == 0
    centers = streamkm.load_model("model.zarr").cluster_centers_
    expected = StandardScaler().fit(rows.astype("f8")).inverse_transform(centers)
    np.testing.assert_allclose(np.load("centers.npy"), expected, rtol=1e-9)
    fit(run, "--normalize", "l2", "--overwrite")
    status, _, err = run("centers", "model.zarr", "no.npy", "--data-units")
    assert (status, "no data units" in err) == (1, True)


def test_a_scaled_model_is_a_start_for_its_like(run, rows):
    fit(run, "--scale", "standard")
    again = ("fit", "kmeans", "x.zarr", "again.zarr", "-k", 3, "--init", "model.zarr")
    status, _, err = run(*again)
    assert (status, "init: a model with scale='standard'" in err) == (1, True)
    assert run(*again, "--scale", "standard")[0] == 0


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("--scale", "big"), 2, "none, standard"),
        (("--scale", "-3"), 1, "--scale must be"),
        (("--normalize", "l1"), 2, "l2"),
        (("--columns", "0,6"), 1, "no feature 6"),
        (("--columns", "a"), 1, "there is no column a; its columns have no names"),
    ],
)
def test_what_cannot_be_is_one_line(run, rows, words, status, says):
    found = run("fit", "kmeans", "x.zarr", "bad.zarr", "-k", 3, *words)
    assert (found[0], says in found[1] + found[2]) == (status, True)
