"""What a cluster of a table is: centers in the data's units, and against all rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm.metrics.profile import profile
from streamkm.report import write_report


@pytest.fixture
def rows(rng):
    return rng.normal(size=(300, 4)) * [1, 10, 100, 0] + 9 * rng.integers(0, 3, 300)[:, None]


@pytest.mark.parametrize(
    "options", [{}, {"scale": "standard"}, {"columns": [2, 0]}, {"scale": "minmax"}]
)
def test_centers_are_in_the_units_of_the_data_and_in_deviations_of_all_rows(rows, options):
    model = streamkm.KMeans(3, random_state=0, **options).fit(rows)
    found = profile(model, streamkm.project(model, rows))
    used = options.get("columns", [0, 1, 2, 3])
    assert found.names == tuple(map(str, used))
    means = np.stack([rows[model.labels_ == k][:, used].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(found.values, means, rtol=1e-9)
    spread = rows[:, used].std(axis=0)
    expected = (means - rows[:, used].mean(axis=0)) / spread
    np.testing.assert_allclose(found.deviations, expected, rtol=1e-6, atol=1e-9)


def test_without_rows_deviations_are_those_of_the_centers(rows):
    model = streamkm.KMeans(3, random_state=0).fit(rows)
    found = profile(model)
    assert found.unit == "standard deviations of the centers"
    mass = model.cluster_sizes_[:, None]
    np.testing.assert_allclose((found.deviations * mass).sum(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose((found.deviations**2 * mass).sum(axis=0) / 300, 1, rtol=1e-9)


def test_features_are_called_as_the_model_knows_them(rows):
    model = streamkm.KMeans(2, random_state=0, columns=[3, 1]).fit(rows)
    model.feature_names_in_ = np.array(["a", "b", "c", "d"], object)
    assert profile(model).names == ("d", "b")


def test_an_embedding_has_no_features(rows):
    model = streamkm.SpectralClustering(2, random_state=0).fit(rows[:60])
    assert profile(model) is None


def test_a_report_of_a_table_shows_its_centers_and_the_names_of_its_classes(rows):
    rows[:, 0] += 1e4 * (rows[:, 2] > 0)
    kinds = np.where(rows[:, 2] > 0, "up", "down")
    lines = [
        ",".join([*map(repr, map(float, row)), kind]) for row, kind in zip(rows, kinds, strict=True)
    ]
    Path("t.csv").write_text("\n".join(["a,b,c,d,kind", *lines]))
    store = streamkm.convert("t.csv", "t.zarr", target="t.csv:kind")
    model = streamkm.KMeans(2, random_state=0).fit(store)
    model.save("m.zarr")
    text = write_report("m.zarr", "r.html", "t.zarr").read_text()
    assert 'id="centers-table"' in text
    assert '<figure id="profiles">' in text
    assert {f"<td>{name}</td>" in text for name in ("up", "down")} == {True}
