"""Parameters scale, normalize and columns: what is refused, kept, and handed on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

import streamkm
from streamkm import Coreset, KMeans, MiniBatchKMeans, SpectralClustering, StreamKM
from streamkm.cluster import ALGORITHMS
from streamkm.errors import SourceError, StoreError

COLUMNS = [4, 0, 2]


@pytest.fixture(params=[row.name for row in ALGORITHMS])
def algorithm(request):
    return {row.name: row for row in ALGORITHMS}[request.param].load()


@pytest.fixture
def X(rng):
    rows = rng.normal(size=(300, 5)) + 9 * rng.integers(0, 3, (300, 1))
    return rows * [1, 50, 0.1, 3, 7] + [0, 5, 1, -9, 1e3]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", "big"),
        ("scale", 0),
        ("scale", -1.0),
        ("scale", np.nan),
        ("scale", np.inf),
        ("scale", True),
        ("scale", None),
        ("normalize", "l1"),
        ("normalize", True),
        ("columns", []),
        ("columns", [0, 0]),
        ("columns", [-1]),
        ("columns", [0.5]),
        ("columns", [True, False]),
        ("columns", 3),
        ("columns", "0:x"),
        ("columns", "2:2"),
    ],
)
def test_bad_parameters_are_named(algorithm, name, value, X):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {algorithm.__name__}"):
        algorithm(2, **{name: value}).fit(X)


def test_columns_that_are_not_there_are_named(algorithm, X):
    with pytest.raises(SourceError, match="no feature 5, the rows have 0 to 4"):
        algorithm(2, columns=[0, 5]).fit(X)
    if hasattr(algorithm, "partial_fit"):
        with pytest.raises(SourceError, match="no feature 5"):
            algorithm(2, columns=[0, 5]).partial_fit(X)


def test_columns_may_be_spelled(X):
    found = [
        KMeans(3, columns=columns, random_state=0).fit(X)
        for columns in ("0:2,4", [0, 1, 4], np.array([0, 1, 4]), range(0, 5, 4))
    ]
    assert [model.cluster_centers_.shape[1] for model in found] == [3, 3, 3, 2]
    assert len({model.cluster_centers_.tobytes() for model in found[:3]}) == 1


def test_a_constant_feature_is_divided_by_one(X):
    X[:, 3] = 7.25
    for scale in ("standard", "minmax"):
        model = KMeans(3, scale=scale, random_state=0).fit(X)
        assert model.frame_.view.divisor[3] == 1.0
        np.testing.assert_array_equal(model.cluster_centers_[:, 3], 0.0)
        np.testing.assert_array_equal(model.centers_in_data_units_[:, 3], 7.25)


def test_a_feature_that_differs_in_rows_of_no_weight_is_constant(X, rng):
    weights = np.ones(300)
    weights[:100] = 0.0
    X[:100, 3], X[100:, 3] = 1e6 * rng.normal(size=100), 3.3
    model = KMeans(3, scale="standard", random_state=0).fit(X, sample_weight=weights)
    theirs = StandardScaler().fit(X, sample_weight=weights)
    np.testing.assert_allclose(model.frame_.view.divisor, theirs.scale_, rtol=1e-9)


def test_a_scale_beyond_all_squares_is_refused(X):
    with pytest.raises(SourceError, match=r"values up to 1\..*e\+203 are too large to square"):
        KMeans(2, scale=1e-200).fit(X)
    X[:, 1] = 1e200
    picked = KMeans(2, columns="2:5", random_state=0).fit(X)
    alone = KMeans(2, random_state=0).fit(X[:, 2:])
    assert picked.cluster_centers_.tobytes() == alone.cluster_centers_.tobytes()


@pytest.mark.parametrize("algorithm", [KMeans, MiniBatchKMeans, StreamKM])
def test_rows_that_scaling_makes_zero_are_counted(algorithm, X):
    X[:, 0] = np.arange(300) % 7
    X[[3, 70]] = X.min(axis=0)
    X[3, 0] = 6.0
    with pytest.warns(UserWarning, match="2 rows are all zeros"):
        found = algorithm(3, metric="cosine", scale="minmax", columns="1:5", random_state=0).fit(X)
    assert found.n_zero_rows_ == 2


def test_images_of_some_columns_are_none(X):
    streamkm.convert("digits:60?seed=1", "digits.zarr")
    for columns, shape in ((None, (8, 8)), ("0:10", ())):
        model = KMeans(2, columns=columns, scale=255, random_state=0).fit("digits.zarr")
        assert model.sample_shape_ == shape


def test_a_model_of_another_scaling_is_no_start_and_no_likeness(X):
    plain, scaled = (KMeans(3, scale=s, random_state=0).fit(X) for s in ("none", "standard"))
    scaled.save("scaled.zarr")
    for given in (plain, scaled, "scaled.zarr"):
        other = "minmax" if given is not plain else "standard"
        with pytest.raises(SourceError, match=f"another space than one with scale='{other}'"):
            KMeans(3, init=given, scale=other).fit(X)
        with pytest.raises(SourceError, match="like: a model with"):
            KMeans(3, scale=other).fit(X, like=given)
    again = KMeans(3, init="scaled.zarr", scale="standard", tol=0).fit(X)
    assert again.inertia_ <= scaled.inertia_
    assert again.center_moves_.max() < 1.0


def test_ids_are_kept_between_scaled_models(X, rng):
    asked = {"scale": "standard", "columns": COLUMNS, "random_state": 0}
    old = KMeans(3, **asked).fit(X)
    old.save("old.zarr")
    for like in (old, "old.zarr", old.cluster_centers_):
        new = KMeans(3, **asked | {"random_state": 7}).fit(rng.permutation(X), like=like)
        moves = ((old.cluster_centers_[:, None] - new.cluster_centers_) ** 2).sum(axis=2)
        np.testing.assert_array_equal(moves.argmin(axis=1), np.arange(3))
    with pytest.raises(SourceError, match="the fit looks at 3 features"):
        KMeans(3, **asked).fit(X, like=np.zeros((3, 5)))


def test_a_model_made_from_a_model_sees_rows_alike(X):
    old = MiniBatchKMeans(3, scale="minmax", normalize="l2", columns=COLUMNS, random_state=0).fit(X)
    new = KMeans.from_centers(old)
    assert (new.scale, new.normalize, new.columns) == ("minmax", "l2", COLUMNS)
    assert new.n_features_in_ == 5
    np.testing.assert_array_equal(new.predict(X), old.predict(X))
    assert new.score(X) == old.score(X)
    for asked in ({"scale": "none"}, {"columns": None}):
        with pytest.raises(SourceError, match="from_centers: a model with"):
            KMeans.from_centers(old, **asked)
    with pytest.raises(SourceError, match="no rows follow from them"):
        StreamKM.from_centers(old)


def test_a_model_made_from_an_array_takes_a_number(X):
    centers = X[:3] / 10.0
    model = KMeans.from_centers(centers, scale=10)
    np.testing.assert_array_equal(model.predict(X), KMeans.from_centers(X[:3]).predict(X))
    np.testing.assert_allclose(model.centers_in_data_units_, X[:3])
    stream = StreamKM.from_centers(centers, scale=10)
    np.testing.assert_allclose(stream.coreset_.rows, X[:3])
    with pytest.raises(SourceError, match="fit` does so first; or give a number"):
        KMeans.from_centers(centers, scale="standard")
    with pytest.raises(SourceError, match="known of a fitted model alone"):
        KMeans.from_centers(centers, columns=COLUMNS, scale=10)


def test_an_embedding_is_not_on_the_scale_of_the_rows(X):
    model = SpectralClustering(3, n_landmarks=20, scale="standard", random_state=0).fit(X)
    assert model.centers_in_data_units_ is None
    assert KMeans.from_centers(model).scale == "none"


@pytest.mark.parametrize("asked", [{"scale": 2}, {"normalize": "l2"}, {"columns": COLUMNS}])
def test_other_libraries_would_not_scale(asked, X):
    model = KMeans(3, random_state=0, **asked).fit(X)
    for export in (model.to_sklearn, model.to_faiss):
        with pytest.raises(SourceError, match="fit it to rows that were scaled before"):
            export()


def test_a_coreset_holds_rows_of_the_data(X):
    X = X.astype("f4")
    asked = {"n_clusters": 3, "coreset_size": 40, "random_state": 0}
    made = StreamKM(scale="standard", columns=COLUMNS, **asked).fit(X).coreset_
    assert made.rows.dtype == X.dtype
    assert {row.tobytes() for row in made.rows} <= {row.tobytes() for row in X}
    made.save("coreset.zarr")
    opened = Coreset.open("coreset.zarr")
    assert opened.plan.view == made.plan.view
    both = made + opened
    assert both.weights.sum() == pytest.approx(600)
    plain = StreamKM(**asked).fit(X).coreset_
    with pytest.raises(SourceError, match="cannot be added"):
        made + plain
    # Scaling begins anew where a coreset is fitted: from its weighted rows.
    model = KMeans(3, scale="standard", columns=COLUMNS, random_state=0).fit("coreset.zarr")
    scaler = StandardScaler().fit(made.rows[:, COLUMNS].astype("f8"), sample_weight=made.weights)
    np.testing.assert_allclose(model.frame_.view.offset, scaler.mean_, rtol=1e-9)
    np.testing.assert_allclose(model.frame_.view.divisor, scaler.scale_, rtol=1e-9)


def attributes(path):
    return json.loads(Path(path, "zarr.json").read_text())


def test_a_model_without_scaling_is_saved_as_before_there_was_any(algorithm, X):
    algorithm(2, random_state=0).fit(X).save("model.zarr")
    found = attributes("model.zarr")["attributes"]["streamkm"]
    assert found["format_version"] == 1
    assert not {"view", "n_features"} & set(found)
    assert not {"scale", "normalize", "columns"} & set(found["parameters"])
    algorithm(2, columns=[0, 1], random_state=0).fit(X).save("scaled.zarr")
    assert attributes("scaled.zarr")["attributes"]["streamkm"]["format_version"] == 2


@pytest.mark.parametrize(
    "damage", [{"columns": [0, 9, 1]}, {"columns": [-1, 0, 1]}, {"divisor": [1.0]}, {"columns": []}]
)
def test_a_damaged_view_is_refused(damage, X):
    KMeans(2, scale="standard", columns=COLUMNS, random_state=0).fit(X).save("model.zarr")
    found = attributes("model.zarr")
    found["attributes"]["streamkm"]["view"] |= damage
    Path("model.zarr/zarr.json").write_text(json.dumps(found))
    with pytest.raises(StoreError, match="damaged model"):
        streamkm.load_model("model.zarr")


def test_models_that_share_passes_scale_as_alone(X):
    store = streamkm.convert(X, "x.zarr")
    asked = {"scale": "standard", "normalize": "l2", "columns": COLUMNS, "random_state": 0}
    for shared in streamkm.sweep(store, [2, 3], repeats=1, **asked).models:
        alone = KMeans(shared.n_clusters, **asked).fit(store)
        assert shared.cluster_centers_.tobytes() == alone.cluster_centers_.tobytes()
