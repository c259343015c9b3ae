"""What a fit will cost, said before it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import streamkm
from streamkm import KMeans
from streamkm.cluster.planning import plan_fit
from streamkm.errors import SourceError


@pytest.fixture
def store(rng):
    X = rng.uniform(-10, 10, (5, 8))[rng.integers(5, size=40_000)] + rng.normal(size=(40_000, 8))
    return streamkm.convert(X.astype("f4"), "x.zarr", chunk_rows=1000)


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_a_plan_holds_what_the_fit_then_does(store, executor):
    model = KMeans(5, random_state=0, executor=executor, max_iter=3, tol=0)
    plan = plan_fit(model, store)
    fitted = KMeans(**model.get_params()).fit(store)
    first = fitted.history_[0]
    assert (plan.n_rows, plan.n_features, plan.dtype) == (40_000, 8, "float32")
    assert plan.pass_bytes == pytest.approx(first["bytes_read"], rel=0.2)
    assert 0 < plan.measured.n_rows <= 40_000
    assert plan.first_pass_s > 0
    assert plan.later_pass_s <= plan.first_pass_s
    assert plan.can_keep == (executor != "processes")
    assert (plan.n_groups, plan.cached_share) == ((1, 1.0) if plan.can_keep else (None, 0.0))
    assert not hasattr(model, "cluster_centers_")


def test_the_command_says_it(store, run):
    status, out, _ = run("plan", "x.zarr", "-k", "5", "--json")
    facts = json.loads(out)
    assert status == 0
    assert (facts["rows"], facts["features"]) == (40_000, 8)
    assert 0 < facts["planned_peak_bytes"] <= facts["limit_bytes"]
    assert facts["faster"]
    status, out, _ = run("plan", "x.zarr", "-k", "5")
    assert status == 0
    assert "- " in out
    assert "iterations" in out


@pytest.mark.parametrize("n_rows", [1, 2, 70, 1030, 4100, 6200])
def test_stores_of_any_number_of_blocks_are_planned(n_rows, rng):
    store = streamkm.convert(rng.normal(size=(n_rows, 3)), "x.zarr", chunk_rows=50)
    plan = plan_fit(KMeans(1, random_state=0, executor="threads"), store)
    assert 0 < plan.measured.n_rows <= n_rows
    assert np.isfinite(plan.total_s)


def test_what_cannot_be_planned_is_one_line(run):
    np.save("x.npy", np.zeros((10, 2)))
    status, out, err = run("plan", "x.npy", "-k", "2")
    assert (status, out) == (1, "")
    assert (
        err == "streamkm: only a store can be planned for; make one of the rows: streamkm convert\n"
    )
    with pytest.raises(SourceError, match="should be >="):
        plan_fit(KMeans(20), streamkm.convert("x.npy", "x.zarr"))
