"""Rows scaled in their tiles: what scikit-learn's pipelines do to float64 copies of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.preprocessing import MinMaxScaler, StandardScaler, normalize

import streamkm
from streamkm import KMeans, MiniBatchKMeans, StreamKM
from streamkm.cluster import ALGORITHMS
from streamkm.kernels.tile import seen_rows
from streamkm.kernels.view import View
from streamkm.metrics import evaluate

ROWS = {row.name: row for row in ALGORITHMS}
WANTED = {"n_clusters": 4, "random_state": 3, "n_init": 2, "max_iter": 8, "tol": 0.0}
MORE = {
    "minibatch": {"batch_size": 100, "reassignment_ratio": 0.3, "max_no_improvement": None},
    "streamkm": {"coreset_size": 60, "refine_passes": 1},
    "spectral": {"n_landmarks": 20},
}
COLUMNS = [4, 0, 2]


def make(name, **more):
    algorithm = ROWS[name].load()
    known = algorithm().get_params()
    wanted = {key: value for key, value in (WANTED | MORE.get(name, {})).items() if key in known}
    return algorithm(**wanted, **more)


def make_rows(dtype, n_rows=240, seed=0):
    """Four clusters in features of very different scale and place."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, 5)) + 5 * rng.integers(0, 4, (n_rows, 1))
    rows = rows * [1, 8, 0.5, 3, 2] + [20, 90, 3, 100, 40]
    return np.clip(rows, 0, 250).astype(dtype)


def bits(model, rows):
    return (
        model.cluster_centers_.tobytes(),
        model.cluster_sizes_.tobytes(),
        model.predict(rows).tobytes(),
        model.transform(rows).tobytes(),
        model.inertia_,
        model.n_iter_,
    )


@pytest.fixture(params=ROWS)
def name(request):
    return request.param


class Prepared:
    """The oracle: scikit-learn's scalers on float64 copies."""

    def __init__(self, rows, weights, scale, norm, columns):
        self.columns = list(range(rows.shape[1])) if columns is None else columns
        self.norm = norm
        values = self.pick(rows)
        self.scaler = None
        if scale == "standard":
            self.scaler = StandardScaler().fit(values, sample_weight=weights)
        elif scale == "minmax":
            self.scaler = MinMaxScaler().fit(values)
        elif scale != "none":
            self.scaler = StandardScaler(with_mean=False).fit(values)
            self.scaler.scale_ = np.full(values.shape[1], scale)

    def pick(self, rows):
        return rows[:, self.columns].astype(np.float64)

    def __call__(self, rows):
        values = self.pick(rows) if self.scaler is None else self.scaler.transform(self.pick(rows))
        return values if self.norm is None else normalize(values)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**31),
    dtype=st.sampled_from(["u1", "i2", "f2", "f4", "f8"]),
    scale=st.sampled_from(["none", "standard", "minmax", 255, 0.3]),
    norm=st.sampled_from([None, "l2"]),
    columns=st.sampled_from([None, COLUMNS, [3, 1]]),
    is_weighted=st.booleans(),
)
def test_it_is_scikit_learns_pipeline(seed, dtype, scale, norm, columns, is_weighted):
    rows, new = make_rows(dtype, seed=seed), make_rows(dtype, 50, seed=seed + 1)
    rng = np.random.default_rng(seed)
    weights = rng.random(len(rows)) + 0.1 if is_weighted else None
    prepared = Prepared(rows, weights, scale, norm, columns)
    values = prepared(rows)
    start = values[:3] + 0.01 * rng.normal(size=(3, values.shape[1])) * values.std(axis=0)
    model = KMeans(3, init=start, tol=0, max_iter=4, scale=scale, normalize=norm, columns=columns)
    model.fit(rows, sample_weight=weights)
    theirs = SklearnKMeans(3, init=start, n_init=1, tol=0, max_iter=4, algorithm="lloyd")
    theirs.fit(values, sample_weight=weights)
    np.testing.assert_array_equal(model.labels_, theirs.labels_)
    np.testing.assert_array_equal(model.predict(new), theirs.predict(prepared(new)))
    size = np.abs(values).max()
    np.testing.assert_allclose(model.cluster_centers_, theirs.cluster_centers_, atol=1e-9 * size)
    spread = ((values - values.mean(axis=0)) ** 2).sum()
    assert model.inertia_ == pytest.approx(theirs.inertia_, rel=1e-9, abs=1e-12 * spread)
    np.testing.assert_allclose(
        model.transform(new), theirs.transform(prepared(new)), atol=1e-7 * size
    )
    if norm is None and prepared.scaler is not None:
        found = prepared.scaler.inverse_transform(model.cluster_centers_)
        np.testing.assert_allclose(model.centers_in_data_units_, found, rtol=1e-9, atol=1e-9)
    assert (model.centers_in_data_units_ is None) == (norm is not None)
    assert (model.n_features_in_, model.cluster_centers_.shape[1]) == (5, values.shape[1])


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_columns_give_the_bits_of_the_columns(name, dtype):
    rows = make_rows(dtype)
    part = np.ascontiguousarray(rows[:, COLUMNS])
    found = make(name, columns=COLUMNS).fit(rows)
    assert bits(found, rows) == bits(make(name).fit(part), part)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_a_power_of_two_gives_the_bits_of_the_divided_rows(name, dtype):
    rows = make_rows(dtype)
    divided = rows / 4.0
    found, expected = (
        list(bits(make(name, scale=4).fit(rows), rows)),
        list(bits(make(name).fit(divided), divided)),
    )
    if dtype == "u1":  # the variance of bytes is rounded once, that of floats value by value
        at = [i for i, part in enumerate(found) if isinstance(part, float)]
        assert [found.pop(i) for i in at] == pytest.approx([expected.pop(i) for i in at], rel=1e-13)
    assert found == expected


def test_every_algorithm_sees_clusters_that_one_loud_feature_hides(name, rng):
    labels = np.arange(400) % 4
    quiet = 10.0 * np.eye(4)[labels] + rng.normal(size=(400, 4))
    rows = np.column_stack([1e5 * rng.random(400), quiet, np.full(400, 7.0)])
    plain, scaled, picked = (
        adjusted_rand_score(make(name, **asked).fit(rows).labels_, labels)
        for asked in ({}, {"scale": "standard"}, {"columns": "1:5"})
    )
    assert plain < 0.1
    assert scaled > 0.9
    assert picked == 1.0


@pytest.mark.parametrize(
    "asked",
    [
        {"scale": "standard", "columns": COLUMNS},
        {"scale": "minmax", "normalize": "l2"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_the_bits_do_not_depend_on_executor_or_chunks(name, asked, dtype):
    rows = make_rows(dtype, 600)
    weights = np.arange(600) % 3 + 0.5
    found = set()
    for chunk_rows, runner in ((64, "threads"), (600, "serial")):
        store = streamkm.convert(rows, f"{chunk_rows}.zarr", chunk_rows=chunk_rows)
        model = make(name, **asked, executor=runner).fit(store, sample_weight=weights)
        found.add(bits(model, rows))
    assert len(found) == 1
    # Without weights the store's own moments serve; they are those of a pass.
    assert bits(make(name, **asked).fit("64.zarr"), rows) == bits(
        make(name, **asked).fit(rows), rows
    )


def test_workers_in_other_processes_see_the_same(executor):
    rows = make_rows("f4", 600)
    asked = {"scale": "standard", "normalize": "l2", "columns": COLUMNS}
    found = {bits(make("kmeans", **asked, executor=e).fit(rows), rows) for e in (executor, None)}
    assert len(found) == 1


@pytest.mark.parametrize("asked", [{"scale": "standard", "columns": COLUMNS}, {"normalize": "l2"}])
def test_a_saved_model_keeps_what_it_found(name, asked):
    rows = make_rows("u1")
    model = make(name, **asked).fit(rows)
    model.save("model.zarr")
    loaded = streamkm.load_model("model.zarr")
    assert bits(loaded, rows) == bits(model, rows)
    assert loaded.json_parameters() == model.json_parameters()
    assert loaded.score(rows) == model.score(rows)
    assert loaded.n_features_in_ == 5
    np.testing.assert_equal(loaded.centers_in_data_units_, model.centers_in_data_units_)
    for wrong in (rows[:, :3], np.ones((9, 6))):
        with pytest.raises(ValueError, match="expecting 5 features"):
            loaded.predict(wrong)


def test_it_stops_and_goes_on_to_the_same_bits(name):
    from streamkm.runtime.events import PassStarted
    from streamkm.runtime.serial import SerialExecutor

    class Killed(BaseException):
        pass

    rows, asked = make_rows("u1"), {"scale": "minmax", "normalize": "l2", "columns": COLUMNS}
    executor, seen = SerialExecutor(), []

    def listen(event):
        seen.extend([event] if isinstance(event, PassStarted) else [])
        if len(seen) == 5:
            raise Killed

    executor.listener = listen
    with pytest.raises(Killed):
        make(name, **asked, run_dir="run", executor=executor).fit(rows)
    again = streamkm.resume("run", X=rows)
    assert bits(again, rows) == bits(make(name, **asked).fit(rows), rows)


@pytest.mark.parametrize("algorithm", [MiniBatchKMeans, StreamKM])
@pytest.mark.parametrize("more", [{}, {"half_life": 100.0}], ids=str)
def test_steps_take_a_number(algorithm, more):
    rows = make_rows("f4", 600)
    asked = {"n_clusters": 4, "random_state": 0, **more}
    scaled, plain = algorithm(scale=4, columns=COLUMNS, **asked), algorithm(**asked)
    for batch in np.split(rows, 3):
        scaled.partial_fit(batch)
        plain.partial_fit(batch[:, COLUMNS] / 4.0)
    assert scaled.cluster_centers_.tobytes() == plain.cluster_centers_.tobytes()
    np.testing.assert_array_equal(scaled.predict(rows), plain.predict(rows[:, COLUMNS] / 4.0))


@pytest.mark.parametrize("algorithm", [MiniBatchKMeans, StreamKM])
def test_steps_after_a_fit_keep_its_constants(algorithm):
    rows, later = make_rows("u1", 600), make_rows("u1", 300, seed=5)
    fitted = algorithm(4, scale="standard", random_state=0).fit(rows)
    fitted.save("model.zarr")
    view = fitted.frame_.view
    with pytest.raises(ValueError, match="`fit` does so first; or give a number"):
        algorithm(4, scale="standard").partial_fit(later)
    for model in (fitted, streamkm.load_model("model.zarr")):
        model.partial_fit(later)
        assert model.frame_.view == view
    # The oracle: the same steps on rows that the fit's scaler has scaled.
    scaler = StandardScaler().fit(rows)
    np.testing.assert_allclose(view.divisor, scaler.scale_, rtol=1e-12)
    labels = ((scaler.transform(later)[:, None] - model.cluster_centers_) ** 2).sum(axis=2)
    np.testing.assert_array_equal(model.predict(later), labels.argmin(axis=1))


def test_cosine_is_at_unit_length_already():
    rows = make_rows("f4")
    found = [make("kmeans", metric="cosine", normalize=n).fit(rows) for n in (None, "l2")]
    assert bits(found[0], rows) == bits(found[1], rows)
    scaled = make("kmeans", metric="cosine", scale="standard").fit(rows)
    values = normalize(StandardScaler().fit_transform(rows.astype(np.float64)))
    np.testing.assert_allclose(np.linalg.norm(scaled.cluster_centers_, axis=1), 1.0, rtol=1e-12)
    cosines = values @ scaled.cluster_centers_.T
    np.testing.assert_array_equal(scaled.predict(rows), cosines.argmax(axis=1))
    np.testing.assert_allclose(scaled.transform(rows), 1 - cosines, atol=1e-9)


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("is_unit", [False, True])
def test_every_dtype_is_scaled_in_float64(dtype, is_unit, rng):
    rows = np.clip(make_rows("f8", 40), 0, 100).astype(dtype)
    view = View(np.array(COLUMNS), rng.normal(size=3), rng.random(3) + 0.1, is_unit)
    values = (rows[:, COLUMNS].astype(np.float64) - view.offset) / view.divisor
    values = normalize(values) if view.is_unit else values
    np.testing.assert_allclose(seen_rows(rows, view), values, rtol=1e-9, atol=1e-12)
    again = View.from_json(view.to_json(), 5)
    assert seen_rows(rows, again).tobytes() == seen_rows(rows, view).tobytes()


@pytest.mark.parametrize(
    ("scale", "norm", "columns"),
    [
        ("standard", None, None),
        (255, None, COLUMNS),
        ("minmax", "l2", [3, 1]),
        ("none", "l2", None),
    ],
)
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_a_scaled_model_is_judged_on_the_rows_that_it_sees(scale, norm, columns, dtype, tmp_path):
    rows = make_rows(dtype)
    classes = np.arange(len(rows)) % 3
    prepared = Prepared(rows, None, scale, norm, columns)(rows)
    store = streamkm.convert(rows, tmp_path / "rows.zarr", target=classes)
    model = KMeans(4, random_state=0, scale=scale, normalize=norm, columns=columns).fit(store)
    plain = KMeans.from_centers(model.cluster_centers_)
    expected = evaluate(plain, prepared, classes).measures()
    for data in (store, rows):  # the members' means are known from the fit, and not
        found = evaluate(model, data, classes).measures()
        assert found == pytest.approx(expected, rel=1e-9)
    labels = plain.predict(prepared)
    assert found["silhouette"] == pytest.approx(
        silhouette_score(prepared, labels, metric="sqeuclidean"), rel=1e-9
    )
    projection = streamkm.project(model, store)
    theirs = PCA(2, svd_solver="full").fit(prepared)
    np.testing.assert_allclose(projection.explained, theirs.explained_variance_ratio_, rtol=1e-6)
    np.testing.assert_array_equal(projection.rows, rows)
    np.testing.assert_array_equal(projection.labels, labels)
