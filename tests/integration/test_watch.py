"""`streamkm watch`: a fit that goes on, one that was killed, one that is finished; and its page."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster

import streamkm
from streamkm import KMeans
from streamkm.cli import main
from streamkm.cluster.runview import view_run
from streamkm.runtime import make_executor
from streamkm.runtime.dask_cluster import DistributedExecutor
from streamkm.runtime.events import GroupDone, PassDone
from tests.helpers import tree

SETTINGS = {"n_clusters": 4, "n_init": 2, "random_state": 0, "tol": 0}


@pytest.fixture
def store(rng):
    rows = np.concatenate([rng.normal(size=(200, 3)) + 4 * i for i in range(4)])
    return streamkm.convert(rows, "x.zarr", chunk_rows=100)


@pytest.fixture
def run(capsys):
    def call(*words):
        status = main([str(word) for word in words])
        return status, *capsys.readouterr()

    return call


class Stop(BaseException):
    """What ends a fit at once, like a kill."""


def interrupted(store, n_passes=2, n_groups=0):
    """Leave a run that was ended after some passes, and some groups of the next."""
    executor, left = make_executor("serial"), [n_passes, n_groups]

    def listen(event):
        left[0] -= isinstance(event, PassDone)
        if left[0] <= 0 and isinstance(event, GroupDone):
            left[1] -= 1
            if left[1] < 0:
                raise Stop

    executor.listener = listen
    with pytest.raises(Stop):
        KMeans(**SETTINGS, executor=executor, run_dir="run").fit(store)
    assert executor.listener is listen  # as it was before


def test_a_fit_that_goes_on(store, run):
    interrupted(store)
    status, out, _ = run("watch", "run", "--once", "--json")
    facts = json.loads(out)
    assert status == 0
    assert (facts["state"], facts["iteration"], facts["passes"]) == ("running", 2, 2)
    assert facts["data"] == {
        "source": "x.zarr", "n_rows": 800, "n_features": 3, "dtype": "float64", "sample_shape": [],
    }  # fmt: skip
    assert facts["pass"]["workers"] == "1 thread"
    status, out, _ = run("watch", "run", "--once")
    assert status == 0
    for text in ("running", "800 × 3 float64", "2 of at most 300", "inertia", "restart", "│"):
        assert text in out
    assert "\x1b" not in out


def test_watching_changes_nothing_and_progress_is_not_part_of_a_run(store, run):
    whole = KMeans(**SETTINGS, executor="serial").fit(store)
    interrupted(store)
    before = tree(Path("run"))
    run("watch", "run", "--once")
    assert tree(Path("run")) == before
    Path("run", "progress.json").write_text("{")
    model = streamkm.resume("run", executor="threads")
    assert model.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
    assert (model.inertia_, model.n_iter_) == (whole.inertia_, whole.n_iter_)


def test_a_finished_fit_ends_the_watching(store, run):
    fit = ("fit", "kmeans", "x.zarr", "m.zarr", "-k", 4, "--random-state", 0, "--run", "run")
    assert run(*fit)[0] == 0
    model = streamkm.load_model("m.zarr")
    view = view_run("run")
    assert view.result == {"n_iter": model.n_iter_, "inertia": model.inertia_, "restart": 0}
    assert view.history == model.history_  # with the closing pass
    status, out, _ = run("watch", "run")
    assert status == 0
    assert out.startswith("finished, iterations")
    assert str(Path("m.zarr").absolute()) in out
    assert len(out.splitlines()) == 1


def test_going_on_with_a_finished_run_takes_the_mark_away(store):
    KMeans(**SETTINGS, run_dir="run").fit(store)
    assert view_run("run").is_finished
    executor = make_executor("serial")
    seen = []
    executor.listener = lambda event: seen.append(view_run("run").is_finished)
    done = view_run("run").history
    Path("run", "checkpoint.npz").unlink()  # the last pass is lost
    streamkm.resume("run", executor=executor)
    assert seen
    assert not any(seen)
    again = view_run("run")
    assert again.is_finished
    assert [r["pass"] for r in again.history] == [r["pass"] for r in done]
    assert [r["inertia"] for r in again.history] == [r["inertia"] for r in done]


def test_no_run_is_one_clear_line(run):
    for name, text in (("nope", "no such folder"), (".", "holds no run")):
        status, out, err = run("watch", name)
        assert (status, out) == (1, "")
        assert len(err.splitlines()) == 1
        assert text in err


@pytest.fixture
def page(store):
    from streamkm.report.live import served

    interrupted(store)
    with served("run") as server:

        def ask(path, host=None):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
            connection.request("GET", path, headers={"Host": host} if host else {})
            answer = connection.getresponse()
            found = answer.status, answer.read().decode(), answer.headers
            connection.close()
            return found

        yield ask


def test_the_page_follows_the_fit(page):
    assert page("/")[0] == 200
    first = json.loads(page("/state")[1])
    assert (first["version"], first["kind"], first["is_last"]) == ("2", "running", False)
    assert 'data-version="2"' in page("/frame")[1]
    streamkm.resume("run")
    last = json.loads(page("/state")[1])
    assert (last["kind"], last["is_last"]) == ("finished", True)
    assert f'data-version="{last["version"]}"' in page("/frame")[1]


def test_the_page_is_for_this_machine_alone(page):
    assert page("/", "evil.example:80")[0] == 404
    assert page("/../run/run.json")[0] == 404
    status, text, headers = page("/")
    assert status == 200
    assert "default-src &#x27;none&#x27;" in text
    assert headers["Cache-Control"] == "no-store"


def test_a_port_that_is_taken_is_one_clear_line(store, run):
    from streamkm.report.live import served

    interrupted(store)
    with served("run") as server:
        status, out, err = run("watch", "run", "--web", "--port", server.server_address[1])
    assert (status, out) == (1, "")
    assert "cannot be opened" in err


def test_passes_are_events_of_a_cluster(store):
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        executor = DistributedExecutor(client=client)
        assert executor.crew() == "1 worker, 2 threads"
        model = KMeans(**SETTINGS, executor=executor, run_dir="run").fit(store)
        events = [message for _, message in client.get_events("streamkm")]
        on_dashboard = [message for _, message in client.get_events("all")]
    assert [event["action"] for event in events] == [
        f"streamkm-{record['stage']}" for record in model.history_
    ]
    assert [{k: v for k, v in e.items() if k != "action"} for e in events] == model.history_
    assert [message for message in on_dashboard if message in events] == events
    assert view_run("run").progress is None
