"""What the benchmark makes of its rounds: medians, ratios, means; starts and the judge."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from streamkm import plots
from streamkm.bench.cases import ONE_PASS, Case, preset, quick
from streamkm.bench.contest import Settings
from streamkm.bench.contestants import asked
from streamkm.bench.figures import (
    Result,
    Round,
    geometric_mean,
    median,
    ratio,
    summaries,
    table_of,
)
from streamkm.bench.machine import this_machine
from streamkm.bench.page import Page
from streamkm.bench.process import DROPPED, Process
from streamkm.bench.rows import first_centers, inertia_of, prepare
from streamkm.bench.task import Crew, Task
from streamkm.bench.words import time_text, times_text
from streamkm.cluster.rows import as_rows
from streamkm.errors import SourceError
from tests.helpers import cost
from tests.unit.test_plots import assert_readable


def result(case, contestant, seconds, measure="convergence", inertia=10.0):
    rounds = tuple(Round(s, s / 10 if measure == "pass" else None, 7, None) for s in seconds)
    return Result(case, (9, 2, "uint8", 3), measure, contestant, "1", rounds, inertia)


def test_one_pass_is_the_difference_of_two_fits_over_their_iterations():
    short = {"seconds": 1.0, "n_iter": 1, "bytes_read": 5}
    made = Round.of_passes(short, {"seconds": 3.0, "n_iter": 21, "bytes_read": 50})
    assert (made.pass_s, made.call_s, made.bytes_read) == (0.1, 3.0, 50)
    early = {"seconds": 2.0, "n_iter": 6, "bytes_read": 50}  # it converged
    assert Round.of_passes(short, early).pass_s == 0.2
    assert Round.of_passes(short, short).pass_s is None


def test_medians_ratios_and_means():
    assert median([3.0, 1.0, 100.0]) == 3.0
    assert median([]) is None
    assert ratio(6.0, 3.0) == 2.0
    assert ratio(6.0, None) is ratio(-1.0, 2.0) is ratio(1.0, 0.0) is None
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    assert geometric_mean([]) is None


def test_the_table_compares_with_scikit_learn_in_the_same_case():
    table = table_of(
        [
            result("A", "streamkm", [1.0, 2.0, 90.0], inertia=11.0),
            result("A", "scikit-learn", [8.0, 8.0, 8.0]),
            result("A", "scikit-learn, elkan", [4.0, 4.0, 4.0]),
            result("B", "streamkm", [1.0]),
            result("B", "scikit-learn", [16.0]),
            result("C", "streamkm", [1.0]),
            Result("A", (9, 2, "uint8", 3), "pass", "faiss", None, skipped="not installed"),
        ]
    )
    first = table[0]
    assert (first["seconds"], first["least_s"], first["most_s"]) == (2.0, 1.0, 90.0)
    assert (first["times_as_fast"], first["inertia_ratio"]) == (4.0, 1.1)
    assert table[3]["times_as_fast"] == 16.0
    assert table[5]["times_as_fast"] is None  # nobody to compare with
    assert table[6]["seconds"] is table[6]["times_as_fast"] is None
    found = {(s.contestant, s.against): s for s in summaries(table)}
    plain = found["streamkm", "scikit-learn"]
    assert (plain.n_cases, plain.least) == (2, 4.0)
    assert plain.mean == pytest.approx(8.0)
    best = found["streamkm", "the better of lloyd and elkan"]
    assert (best.n_cases, best.least) == (2, 2.0)
    assert json.dumps(table)


def test_the_judge_and_the_starts(rng):
    X = rng.normal(1e4, 3.0, (500, 4)).astype(np.float32)
    rows = as_rows(X)
    start = first_centers(rows, 5)
    assert start.tobytes() == first_centers(rows, 5).tobytes()
    assert len(np.unique(start, axis=0)) == 5
    assert inertia_of(rows, start) == pytest.approx(cost(X, start), rel=1e-9)
    twice = as_rows(np.repeat(np.arange(3.0), 40)[:, None])
    assert first_centers(twice, 5).shape == (5, 1)


def test_sources_follow_each_other_and_can_be_cut(tmp_path, rng):
    parts = [rng.normal(size=(n, 3)) for n in (7, 5)]
    names = [str(tmp_path / f"{i}.npy") for i in range(2)]
    for name, part in zip(names, parts, strict=True):
        np.save(name, part)
    for n_rows, n_found in ((0, 12), (9, 9), (4, 4)):
        made = prepare(Case(2, ("pass",), "", names[0], (names[1],), n_rows), tmp_path)
        assert np.array_equal(made.rows.read(0, n_found), np.concatenate(parts)[:n_found])
        assert made.rows.shape == (n_found, 3)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "float64"])
def test_noise_has_the_shape_and_dtype_that_were_asked(dtype, tmp_path):
    case = Case(3, ("pass",), n_rows=50, n_features=4, dtype=dtype)
    made = prepare(case, tmp_path)
    assert made.rows.shape == (50, 4)
    assert made.rows.dtype == np.dtype(dtype)
    assert made.title == f"50 × 4 {dtype}, K = 3"
    assert np.isfinite(made.rows.read(0, 50).astype(float)).all()


def test_the_presets_are_those_of_the_documentation():
    cases, missing = preset("one-pass", None)
    assert len(cases) == len(ONE_PASS) == 7
    assert not missing
    small = [quick(case) for case in cases]
    assert all(case.n_rows <= 20_000 and case.n_clusters <= 64 for case in small)


def test_who_is_asked():
    names = [c.name for c in asked("convergence", None, is_loaded=True, dtype="uint8")]
    assert names == ["streamkm", "streamkm, float32", "scikit-learn", "scikit-learn, elkan"]
    assert "streamkm, float32" not in [
        c.name for c in asked("convergence", None, is_loaded=False, dtype="uint8")
    ]
    some = [c.name for c in asked("pass", ("faiss-cpu",), is_loaded=True, dtype="uint8")]
    assert some == ["streamkm", "scikit-learn", "faiss"]


def test_a_task_survives_its_line():
    task = Task("m:f", "lloyd", None, "x.zarr", "start.npy", "pass", Crew(workers=2))
    assert Task.from_json(task.to_json()) == task
    assert task.crew.is_cluster
    assert not Crew(executor="serial").is_cluster


def test_a_contestant_has_the_libraries_own_settings(tmp_path, monkeypatch):
    for name in DROPPED:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # the tests themselves
    np.save(tmp_path / "rows.npy", np.eye(4))
    np.save(tmp_path / "start.npy", np.eye(4)[:2])
    rows, start = str(tmp_path / "rows.npy"), str(tmp_path / "start.npy")
    task = Task("tests.unit.test_bench:_environment", "", rows, None, start, "pass", Crew())
    with Process(task) as process:
        process.wait()
        assert process.fit(1)["n_iter"] == 0
    assert os.environ[DROPPED[0]] == "1"


def _environment(task):
    """A contestant that counts the settings that it should not have."""
    from contextlib import nullcontext

    from streamkm.bench.task import Fitted

    return nullcontext(lambda _: Fitted(sum(name in os.environ for name in DROPPED), np.eye(2)))


def test_words():
    assert [time_text(s) for s in (0.0312, 4.61, 0.002, 250.0)] == [
        "31.2 ms", "4.61 s", "2.00 ms", "250 s",
    ]  # fmt: skip
    assert [time_text(None), time_text(-1.0), times_text(None)] == ["–"] * 3
    assert [times_text(2.1), times_text(12.34)] == ["2.10×", "12.3×"]


def test_a_page_says_what_repeats_it_and_what_was_left_out():
    table = table_of([result("A | B", "streamkm", [1.0]), result("A | B", "scikit-learn", [2.0])])
    page = Page(
        table, this_machine(("numpy",)), Settings(), ["streamkm", "bench", "a b"], ("X: no",)
    )
    text = page.text()
    assert "streamkm bench 'a b'" in text
    assert "| **streamkm** | 1.00 s | **2.00×** |" in text
    assert "- X: no" in text
    lines = [line for line in text.splitlines() if "streamkm**" in line]
    assert [line.count("|") for line in lines] == [11]  # whatever the rows are called


@pytest.mark.parametrize("most", [1.2, 3.0, 200.0])
@pytest.mark.parametrize("n_cases", [1, 7])
def test_bars_begin_at_scikit_learns_and_end_at_the_ratio(n_cases, most):
    names = ("streamkm", "scikit-learn", "dask-ml", "faiss")
    rows = [
        {"case": f"case {i}, K = {i}", "measure": measure, "contestant": name, "times_as_fast": t}
        for measure in ("pass", "convergence")
        for i in range(n_cases)
        for name, t in zip(names, (most, 1.0, 0.04, 0.9), strict=True)
    ]
    figure = plots.draw_bench([*rows, {**rows[0], "times_as_fast": None}])
    assert_readable(figure)
    for axes in figure.axes:
        bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
        assert len(bars) == 3 * n_cases  # none for the one that they are compared with
        assert {begin for begin, _ in bars} == {1.0}
        assert {round(end, 9) for _, end in bars} == {most, 0.04, 0.9}
    assert [text.get_text() for text in figure.legends[0].texts] == ["streamkm", "dask-ml", "faiss"]
    with pytest.raises(SourceError, match="no ratios"):
        plots.draw_bench([{**rows[0], "times_as_fast": None}])
