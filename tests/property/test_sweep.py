"""A sweep's models have the bits of models that are fitted alone, and read the rows once."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

import streamkm
from streamkm.cluster import passes
from streamkm.data.layout import Block
from streamkm.data.window import Window
from streamkm.errors import EmptyClusterError, SourceError
from streamkm.sources.columns import MemoryColumn
from streamkm.sweeping.choice import choices, find_knee
from streamkm.sweeping.sections import joint_groups

ALONE = {
    "kmeans": streamkm.KMeans,
    "minibatch": streamkm.MiniBatchKMeans,
    "streamkm": streamkm.StreamKM,
}
PARAMETERS = {
    "kmeans": {"max_iter": 6},
    "minibatch": {"batch_size": 100, "shuffle_buffer": 700, "max_iter": 2},
    "streamkm": {"coreset_size": None, "refine_passes": 1, "max_iter": 5},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "blobs.zarr"
    return str(streamkm.convert("blobs:3000x5?centers=6&seed=3", path, chunk_rows=170).path)


def assert_same(model, alone):
    assert model.cluster_centers_.tobytes() == alone.cluster_centers_.tobytes()
    assert model.cluster_sizes_.tolist() == alone.cluster_sizes_.tolist()
    assert (model.inertia_, model.n_iter_) == (alone.inertia_, alone.n_iter_)


@pytest.mark.parametrize("algorithm", ALONE)
@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_a_model_of_a_sweep_is_the_model_fitted_alone(store, algorithm, executor):
    given_parameters = PARAMETERS[algorithm]
    found = streamkm.sweep(
        store, [2, 7, 3], algorithm=algorithm, repeats=2, random_state=5, executor=executor,
        **given_parameters,
    )  # fmt: skip
    assert [(m.n_clusters, m.seed_) for m in found.models] == list(
        itertools.product([2, 3, 7], [5, 6])
    )
    for model in found.models:
        alone = ALONE[algorithm](
            model.n_clusters, random_state=model.seed_, executor="serial", **given_parameters
        )
        assert_same(model, alone.fit(store))


def test_a_sweep_shares_passes_among_processes(store):
    weights = np.random.default_rng(0).uniform(0.5, 2.0, 3000)
    found = streamkm.sweep(
        store, [2, 4], repeats=1, random_state=0, sample_weight=weights, executor="processes",
        max_iter=3,
    )  # fmt: skip
    for model in found.models:
        alone = streamkm.KMeans(model.n_clusters, random_state=0, max_iter=3, executor="serial")
        assert_same(model, alone.fit(store, sample_weight=weights))


def test_a_sweep_takes_rows_in_memory_and_cosine():
    rows = np.random.default_rng(1).normal(size=(500, 4)) + 1.0
    found = streamkm.sweep(rows, [2, 3], repeats=1, random_state=0, metric="cosine")
    for model in found.models:
        alone = streamkm.KMeans(model.n_clusters, random_state=0, metric="cosine").fit(rows)
        assert_same(model, alone)


@pytest.mark.parametrize("algorithm", ALONE)
def test_the_rows_are_read_as_often_as_by_the_slowest_model(store, algorithm):
    found = streamkm.sweep(
        store, [2, 3, 7], algorithm=algorithm, repeats=2, random_state=0, **PARAMETERS[algorithm]
    )
    fitting = [record for record in found.history if record["stage"] in ("pass", "buffer")]
    streamed = sum(record["bytes_decoded"] for record in fitting)
    assert {record["stage"] for record in found.history} - {"pass", "buffer"}  # judged apart
    most = max(len(model.history_) for model in found.models)
    n_rows = sum(record["n_rows"] for record in fitting if record["stage"] == "pass")
    assert n_rows <= most * 3000
    assert streamed <= 1.05 * max(
        sum(record["bytes_decoded"] for record in model.history_) for model in found.models
    )


def test_restarts_read_the_rows_as_often_as_the_slowest_one_alone(store, monkeypatch):
    plan = passes.plan_memory
    monkeypatch.setattr(
        passes, "plan_memory", lambda *a, **more: replace(plan(*a, **more), cache_bytes=0)
    )
    model = streamkm.KMeans(
        5, n_init=8, init="random", algorithm="lloyd", random_state=0, tol=0
    ).fit(store)
    history = model.history_
    assigned = [r for record in history if record["stage"] == "assign" for r in record["restarts"]]
    slowest = max(assigned.count(restart) for restart in range(8))
    assert len(set(assigned)) == 8
    assert slowest > min(assigned.count(restart) for restart in range(8))
    chunks = sum(f.stat().st_size for f in (Path(store) / "X" / "c").rglob("*") if f.is_file())
    assert sum(record["bytes_read"] for record in history) <= 1.05 * (slowest + 1) * chunks


def test_the_table_holds_what_scikit_learn_measures():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(80, 3)) + 3 * i for i in range(3)])
    classes = np.repeat([7, 1, 4], 80)
    order = rng.permutation(240)
    train, test = order[:160], order[160:]
    store = streamkm.convert(rows[test], "test.zarr", target=classes[test])
    found = streamkm.sweep(
        rows[train], [2, 3, 5], repeats=2, random_state=0, y=classes[train], test=store
    )
    for row, model in zip(found.table, found.models, strict=True):
        labels, others = model.predict(rows[train]), model.predict(rows[test])
        expected = metrics.silhouette_score(rows[train], labels, metric="sqeuclidean")
        assert row["silhouette"] == pytest.approx(expected, rel=1e-9)
        expected = metrics.v_measure_score(classes[train], labels)
        assert row["v_measure"] == pytest.approx(expected, rel=1e-9)
        majority = [
            np.bincount(classes[train][labels == k]).argmax() for k in range(model.n_clusters)
        ]
        assert row["test_accuracy"] == np.mean(np.array(majority)[others] == classes[test])
    assert {c.criterion: c.n_clusters for c in found.choices}["silhouette"] == 3


def test_an_error_in_one_fit_ends_the_sweep():
    rows = np.repeat(np.eye(3), 50, axis=0)
    start = np.full((5, 3), 10.0) + np.arange(5)[:, None]
    with pytest.raises(EmptyClusterError):
        streamkm.sweep(rows, [5], repeats=2, random_state=0, init=start, empty_cluster="error")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n_clusters": []}, "at least one"),
        ({"n_clusters": [2], "repeats": 0}, "at least one"),
        ({"n_clusters": [2], "algorithm": "lloyd"}, "must be one of kmeans"),
        ({"n_clusters": [2, 200]}, "should be >= n_clusters"),
        ({"n_clusters": [0]}, "n_clusters"),
    ],
)
def test_bad_input_is_one_clear_error(arguments, said):
    with pytest.raises(SourceError, match=said):
        streamkm.sweep(np.eye(20), **arguments)


def test_a_sweep_goes_on_from_its_checkpoints(store, tmp_path):
    whole = streamkm.sweep(store, [2, 4], repeats=1, random_state=0, tol=0.0)
    begun = {"repeats": 1, "random_state": 0, "tol": 0.0, "run_dir": tmp_path}

    class EnoughError(Exception):
        pass

    def stop_in_pass_2(event):
        if getattr(event, "record", {}).get("pass") == 2:
            raise EnoughError

    runner = streamkm.runtime.make_executor("serial")
    runner.listener = stop_in_pass_2
    with pytest.raises(EnoughError):
        streamkm.sweep(store, [2, 4], executor=runner, **begun)
    again = streamkm.sweep(store, [2, 4], **begun)
    for model, expected in zip(again.models, whole.models, strict=True):
        assert_same(model, expected)
    assert len(again.history) < len(whole.history)


@given(st.data())
def test_a_window_reads_what_its_source_holds_once(data):
    n_rows, unit = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 9))
    values = np.arange(n_rows)
    read = np.zeros(n_rows, int)

    class Counting(MemoryColumn):
        def read(self, start, stop):
            read[start:stop] += 1
            return super().read(start, stop)

    ranges = sorted(
        (a, b + 1)
        for a, b in (
            sorted(data.draw(st.tuples(st.integers(0, n_rows - 1), st.integers(0, n_rows - 1))))
            for _ in range(data.draw(st.integers(1, 8)))
        )
    )
    window = Window(Counting(values), unit)
    for start, stop in ranges:
        assert np.array_equal(window.read(start, stop), values[start:stop])
    assert read.max() <= 1


@given(st.integers(1, 500), st.lists(st.integers(1, 90), min_size=1, max_size=4),
       st.integers(1, 12))  # fmt: skip
def test_sections_hold_every_block_once_and_read_little_twice(n_rows, lengths, n_groups):
    passes = [
        [Block(a, min(a + length, n_rows)) for a in range(0, n_rows, length)] for length in lengths
    ]
    groups = joint_groups(passes, n_groups)
    assert len(groups) <= n_groups
    for which, blocks in enumerate(passes):
        held = [item[:2] for group in groups for item in group.items if item[2] == which]
        assert held == [(block.start, block.stop) for block in blocks]
    spans = [(min(i[0] for i in g.items), max(i[1] for i in g.items)) for g in groups]
    assert sum(stop - start for start, stop in spans) <= 1.02 * n_rows + 1
    assert sum(group.n_rows for group in groups) == n_rows


def test_the_knee_is_where_a_broken_power_law_bends():
    ks = [2, 4, 8, 16, 32]
    inertia = [1000.0, 250.0, 62.5, 50.0, 40.0]  # falls as k**-2 up to 8, then hardly
    knee = find_knee(ks, inertia)
    assert knee is not None
    assert knee.n_clusters == 8
    assert find_knee([2, 4, 8], [8.0, 4.0, 2.0]) is None  # a straight line has no knee
    assert find_knee([2, 4], [8.0, 1.0]) is None


def test_each_criterion_chooses_its_best_median():
    rows = [
        {"n_clusters": k, "inertia": 100.0 / k, "silhouette": s, "davies_bouldin": d}
        for k, s, d in [(2, 0.1, 3.0), (2, 0.9, 3.0), (2, 0.2, 3.0), (4, 0.5, 2.0), (8, 0.3, 1.0)]
    ]
    found = {choice.criterion: choice for choice in choices(rows)}
    assert found["silhouette"].n_clusters == 4
    assert found["davies_bouldin"].n_clusters == 8
    assert "look further" in found["davies_bouldin"].reason


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_a_table_is_read_again_as_it_was(tmp_path, ending):
    import pandas as pd

    found = streamkm.sweep(np.eye(20), [2, 3], repeats=2, random_state=0)
    path = tmp_path / f"table.{ending}"
    found.write(path)
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[ending](path)
    assert read["n_clusters"].tolist() == [2, 2, 3, 3]
    np.testing.assert_allclose(read["inertia"], [row["inertia"] for row in found.table])
    with pytest.raises(streamkm.errors.StoreExistsError):
        found.write(path)
