"""`streamkm runs`: what folders of runs hold, and that only what may go is deleted."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm import KMeans
from streamkm.cluster.rundir import RunDir, taken
from streamkm.errors import BusyError
from streamkm.runtime import make_executor
from streamkm.runtime.events import PassDone

DAY_S = 24 * 3600


@pytest.fixture
def folder(rng):
    """Two finished runs, one that was stopped, a store, and a folder of something else."""
    rows = streamkm.convert(rng.normal(size=(500, 3)), "runs/x.zarr", chunk_rows=50)
    for name in ("old", "deep/new"):
        KMeans(4, random_state=0, run_dir=f"runs/{name}").fit(rows)
    executor = make_executor("serial")
    n_passes = iter(range(100))

    def stop(event):
        if isinstance(event, PassDone) and next(n_passes) == 8:
            raise KeyboardInterrupt

    executor.listener = stop
    with pytest.raises(KeyboardInterrupt):
        KMeans(4, tol=0, random_state=0, run_dir="runs/halt", executor=executor).fit(rows)
    Path("runs", "else").mkdir()
    age = time.time() - 10 * DAY_S
    for file in [*Path("runs/old").iterdir(), *Path("runs/halt").iterdir()]:
        os.utime(file, (age, age))
    return Path("runs")


def states(out):
    return {fact["run"]: fact["state"] for fact in json.loads(out)}


def test_runs_are_listed_with_their_state(folder, run):
    _, out, _ = run("runs", folder, "--json")
    found = {"runs/deep/new": "finished", "runs/halt": "stopped", "runs/old": "finished"}
    assert states(out) == found
    with taken("runs/halt"):
        assert states(run("runs", folder, "--json")[1])["runs/halt"] == "running"
    facts = {fact["run"]: fact for fact in json.loads(out)}["runs/old"]
    assert (facts["algorithm"], facts["n_clusters"], facts["rows"]) == ("kmeans", 4, 500)
    assert 10 * DAY_S <= facts["idle_s"] < 11 * DAY_S
    status, text, _ = run("runs", folder)
    assert status == 0
    assert "go on: streamkm.resume('runs/halt') in Python" in text
    assert "10 days ago" in text


def test_each_run_says_what_goes_on_with_it(run, rng):
    streamkm.convert(rng.normal(size=(900, 3)), "x.zarr", chunk_rows=10)
    run("fit", "kmeans", "x.zarr", "m.zarr", "-k", 3, "--run", "runs/fit")
    run("score", "m.zarr", "x.zarr", "--run", "runs/score")
    run("coreset", "x.zarr", "c.zarr", "-k", 2, "--coreset-size", 9, "--run", "runs/coreset")
    for name in ("fit", "score", "coreset"):
        assert Path("runs", name, "finished.json").exists()
        Path("runs", name, "finished.json").unlink()
    _, text, _ = run("runs", "runs")
    assert "go on: streamkm resume runs/fit" in text
    assert text.count("go on: the command that began it, given again") == 2
    for name in ("score", "coreset"):
        status, screen, _ = run("watch", f"runs/{name}", "--once")
        assert (status, screen.startswith(f"running  runs/{name}  {name}")) == (0, True)
        for command in (("resume", f"runs/{name}"), ("report", f"runs/{name}")):
            status, out, err = run(*command)
            assert (status, out, err.count("\n")) == (1, "", 1)
        assert err == f"streamkm: runs/{name} is the run of a {name}, not of a fit\n"
    status, _, err = run("score", "m.zarr", "c.zarr", "--run", "runs/score")
    assert status == 1
    assert "the data differ" in err
    assert set(states(run("runs", "runs", "--prune", 0, "--stopped", "--json")[1])) == {
        "runs/fit", "runs/score", "runs/coreset",
    }  # fmt: skip
    assert not any(Path("runs").iterdir())


def test_only_old_and_finished_runs_are_deleted(folder, run):
    Path("runs/old/notes.txt").write_text("mine")
    assert set(states(run("runs", folder, "--prune", 5, "--json")[1])) == {"runs/old"}
    assert [file.name for file in Path("runs/old").iterdir()] == ["notes.txt"]
    assert set(states(run("runs", folder, "--json")[1])) == {"runs/deep/new", "runs/halt"}
    assert set(states(run("runs", folder, "--prune", 5, "--stopped", "--json")[1])) == {"runs/halt"}
    assert not Path("runs/halt").exists()
    assert set(states(run("runs", folder, "--prune", 0, "--json")[1])) == {"runs/deep/new"}
    assert Path("runs/x.zarr").exists()
    assert "no run to delete" in run("runs", folder, "--prune", 0)[1]


def test_a_run_that_goes_on_is_never_deleted(folder, run):
    with taken("runs/halt"):
        assert states(run("runs", folder, "--prune", 0, "--stopped", "--json")[1]) == {
            "runs/old": "finished", "runs/deep/new": "finished",
        }  # fmt: skip
        with pytest.raises(BusyError):
            RunDir("runs/halt").remove()
    assert Path("runs/halt/run.json").exists()


def test_what_is_asked_must_make_sense(folder, run):
    status, _, err = run("runs", "nowhere")
    assert (status, err) == (1, "streamkm: nowhere: no such folder\n")
    assert run("runs", folder, "--stopped")[0] == 1
    assert "no runs" in run("runs", "runs/else")[1]
    assert np.array_equal(sorted(p.name for p in folder.iterdir()),
                          ["deep", "else", "halt", "old", "x.zarr"])  # fmt: skip
