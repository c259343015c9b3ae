"""Every row of ALGORITHMS: scikit-learn's checks, pipelines, models, resumed runs, bad input."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import streamkm
from streamkm.cluster import ALGORITHMS
from streamkm.errors import StoreError, StoreExistsError

ROWS = {row.name: row for row in ALGORITHMS}
# Seeding draws rows: repeating one is not weighting it. test_weights holds from a fixed start.
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "seeding depends on the number of rows"
}


def make(algorithm, **wanted):
    """An estimator with those of the wanted parameters that its algorithm has."""
    known = algorithm().get_params()
    return algorithm(**{name: value for name, value in wanted.items() if name in known})


@pytest.fixture(params=ROWS)
def algorithm(request):
    return ROWS[request.param].load()


@pytest.fixture
def X(rng):
    return np.concatenate([rng.normal(size=(60, 4)) + 6 * i for i in range(5)])


@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks_pass(algorithm):
    results = check_estimator(algorithm(), expected_failed_checks=EXPECTED, on_skip=None)
    assert {r["check_name"] for r in results if r["status"] == "xfail"} <= set(EXPECTED)
    assert sum(r["status"] == "passed" for r in results) > 50


def test_it_works_in_a_pipeline_and_a_grid_search(algorithm, X):
    pipeline = make_pipeline(StandardScaler(), algorithm(n_clusters=3, random_state=0))
    assert len(np.unique(pipeline.fit_predict(X))) == 3
    name = pipeline.steps[1][0]
    search = GridSearchCV(pipeline, {f"{name}__n_clusters": [2, 5]}, cv=3)
    assert search.fit(X).best_params_ == {f"{name}__n_clusters": 5}


def test_a_saved_model_predicts_the_same(algorithm, X):
    model = algorithm(n_clusters=5, random_state=0).fit(X)
    model.save("model.zarr")
    loaded = streamkm.load_model("model.zarr")
    np.testing.assert_array_equal(loaded.predict(X), model.labels_)
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert loaded.json_parameters() == model.json_parameters()
    assert (loaded.inertia_, loaded.n_iter_) == (model.inertia_, model.n_iter_)
    with pytest.raises(StoreExistsError):
        model.save("model.zarr")
    model.save("model.zarr", overwrite=True)
    assert not list(Path().glob("*.partial"))


def test_no_model_file_holds_a_pickle(algorithm, X):
    make(algorithm, n_clusters=2, random_state=0).fit(X).save("model.zarr")
    for file in Path("model.zarr").rglob("*"):
        assert (
            file.is_dir()
            or file.name == "zarr.json"
            or file.parent.name in ("c", "0")
            or (file.parent.parent.name == "c")
        )


def test_given_centers_are_kept_in_the_model_file(X):
    streamkm.KMeans(n_clusters=2, init=X[:2]).fit(X).save("model.zarr")
    assert streamkm.load_model("model.zarr").get_params()["init"].tolist() == X[:2].tolist()


def test_a_clone_fits_to_the_same_bits(algorithm, X):
    model = algorithm(n_clusters=4, random_state=3).fit(X)
    again = clone(model).fit(X)
    assert again.cluster_centers_.tobytes() == model.cluster_centers_.tobytes()


def test_it_stops_and_goes_on_to_the_same_bits(algorithm, X):
    whole = make(algorithm, n_clusters=4, random_state=1, tol=0, n_init=3).fit(X)

    class Killed(BaseException):
        pass

    from streamkm.runtime.events import PassStarted
    from streamkm.runtime.serial import SerialExecutor

    for stop_at in (1, 2, 4):
        executor = SerialExecutor()
        seen = []

        def listen(event, seen=seen, stop_at=stop_at):
            if isinstance(event, PassStarted):
                seen.append(event)
                if len(seen) == stop_at + 1:
                    raise Killed

        executor.listener = listen
        run = f"run-{stop_at}"
        settings = {"n_clusters": 4, "random_state": 1, "tol": 0, "n_init": 3, "run_dir": run}
        with pytest.raises(Killed):
            make(algorithm, **settings, executor=executor).fit(X)
        again = make(algorithm, **settings, executor="threads").fit(X)
        assert again.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
        assert (again.inertia_, again.n_iter_) == (whole.inertia_, whole.n_iter_)
        assert [r["pass"] for r in again.history_] == list(range(1, len(again.history_) + 1))


def test_a_run_directory_refuses_another_run(algorithm, X):
    algorithm(n_clusters=2, random_state=0, run_dir="run").fit(X)
    with pytest.raises(StoreError, match="another run: n_clusters is 2 there, 3 here"):
        algorithm(n_clusters=3, random_state=0, run_dir="run").fit(X)
    with pytest.raises(StoreError, match="another run: the data differ"):
        algorithm(n_clusters=2, random_state=0, run_dir="run").fit(X + 1)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(algorithm, X):
    settings = {"n_clusters": 4, "random_state": 1, "tol": 0, "run_dir": "run"}
    whole = make(algorithm, **settings).fit(X)
    checkpoint = Path("run/checkpoint.npz")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    again = make(algorithm, **settings).fit(X)
    assert again.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (np.ones((3, 2)), "should be >= n_clusters"),
        (np.ones(9), "Expected 2D array"),
        (np.array([[1, "a"]] * 9, dtype=object), "string|float"),
        (np.full((9, 2), np.nan), "NaN"),
        (scipy.sparse.eye_array(9).tocsr(), "[Ss]parse"),
        ("missing.zarr", "no such file"),
    ],
)
def test_bad_input_is_one_clear_error(algorithm, bad, says):
    with pytest.raises((ValueError, TypeError), match=says):
        algorithm(n_clusters=5).fit(bad)


@pytest.mark.parametrize(
    ("name", "value"), [("n_clusters", 0), ("n_clusters", 2.5), ("max_iter", 0), ("tol", -1)]
)
def test_bad_parameters_are_named(algorithm, name, value, X):
    if name not in algorithm().get_params():
        pytest.skip(f"no {name}")
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        algorithm(**{name: value}).fit(X)


def test_fewer_distinct_rows_than_clusters_warns(algorithm):
    X = np.repeat(np.eye(3), 20, axis=0)
    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        model = algorithm(n_clusters=5, random_state=0).fit(X)
    assert model.inertia_ == 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        algorithm(n_clusters=3, random_state=0).fit(X)


def test_rows_not_in_memory_ask_for_a_place_for_their_labels(algorithm, X):
    store = streamkm.convert(X, "x.zarr")
    model = algorithm(n_clusters=2, random_state=0).fit(store)
    assert not hasattr(model, "labels_")
    with pytest.raises(ValueError, match="out=PATH"):
        model.predict(store)
