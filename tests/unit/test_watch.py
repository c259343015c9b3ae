"""How a running fit is told: curves of dots, words for numbers, what is known of its pace."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkm.cli.chart import braille
from streamkm.cluster import progress
from streamkm.cluster.progress import ProgressFile
from streamkm.cluster.runview import RunView, view_run
from streamkm.errors import StoreError
from streamkm.report.pace import curves, pace_of, state_of
from streamkm.report.words import duration, percent, short_count, short_number
from streamkm.runtime.events import GroupDone, PassDone, PassStarted
from streamkm.runtime.serial import SerialExecutor


def record(n_iter, inertia, *, stage="assign", seconds=2.0, n_rows=100, **more):
    own = {"stage": stage, "n_models": len(n_iter), "seconds": seconds, "n_rows": n_rows}
    read = {"bytes_read": 50, "bytes_decoded": 50}
    return {**own, **read, "n_iter": n_iter, "inertia": inertia, **more}


def view(history, *, run=None, progress=None, result=None, idle_s=0.0):
    run = {"algorithm": "kmeans", "parameters": {"n_clusters": 3, "max_iter": 10}, **(run or {})}
    return RunView(Path("run"), run, history, progress, result, idle_s, is_locked=False)


def dots(line):
    """The dots of a line of braille characters, as an array (4, 2 * width)."""
    bit = [[0, 3], [1, 4], [2, 5], [6, 7]]  # Unicode's numbering of the eight dots
    codes = [0 if c == " " else ord(c) - 0x2800 for c in line]
    cells = [[[code >> bit[y][x] & 1 for x in (0, 1)] for y in range(4)] for code in codes]
    return np.concatenate(np.array(cells), axis=1)


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200), st.integers(1, 40), st.integers(1, 9)
)
def test_a_curve_is_connected_and_spans_its_box(values, width, height):
    lines = braille(values, width, height)
    assert [len(line) for line in lines] == [width] * height
    picture = np.concatenate([dots(line) for line in lines])
    assert picture.any(axis=0).all()  # something in every column
    for left, right in zip(picture.T[:-1], picture.T[1:], strict=True):
        gap = np.abs(np.subtract.outer(np.flatnonzero(left), np.flatnonzero(right)))
        assert gap.min() <= 1
    if max(values) > min(values) and len(values) <= 2:
        assert picture[0].any()
        assert picture[-1].any()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.016, "0.016 s"), (3.42, "3.4 s"), (9.97, "10 s"), (59.6, "1 min 0 s"),
     (136.4, "2 min 16 s"), (7500, "2 h 5 min")],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


@given(st.floats(-1e300, 1e300))
def test_short_numbers_keep_five_digits(value):
    plain = short_number(value).translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    read = float(plain.replace(",", "").replace(" × 10", "e"))
    assert read == pytest.approx(value, rel=1e-4)


def test_words():
    assert [short_number(v) for v in (0.0, 1234.5, 1e10, 100.0)] == [
        "0",
        "1,234.5",
        "1 × 10¹⁰",
        "100",
    ]
    assert [short_number(v) for v in (-2.5e-5, float("nan"))] == ["-2.5 × 10⁻⁵", "nan"]
    assert [short_count(v) for v in (999, 35_000, 1.234e6)] == ["999", "35 k", "1.23 M"]
    assert [percent(v) for v in (-0.00012, 0.0, 0.5)] == ["-0.012 %", "0 %", "+50 %"]


def test_at_most_is_what_the_remaining_iterations_take():
    history = [record([i], [10.0 / i], center_shift=[1.0 / i]) for i in (1, 2, 3, 4)]
    pace = pace_of(view(history))
    assert (pace.iteration, pace.max_iter, pace.at_most_s) == (4, 10, 12.0)
    assert (pace.rows_per_s, pace.pass_s, pace.elapsed_s) == (50.0, 2.0, 8.0)
    assert pace.change == pytest.approx(2.5 / (10 / 3) - 1)
    half = {"n_rows": 100, "rows_done": 50, "pass_s": 4.0, "title": "iteration 5"}
    pace = pace_of(view(history, progress=half))
    assert (pace.pass_share, pace.pass_left_s, pace.at_most_s) == (0.5, 4.0, 11.0)
    assert pace.rows_per_s == 12.5  # of the pass under way
    assert pace.elapsed_s == 12.0


def test_steps_end_at_the_latest_with_the_last_time_through_the_rows():
    history = [record([i], [1.0], stage="steps", n_rows=50) for i in range(4)]
    run = {"_about": {"n_rows": 100}}
    assert pace_of(view(history, run=run)).at_most_s == pytest.approx((1000 - 200) / 25)
    assert pace_of(view(history)).at_most_s is None  # of old runs, it is not known


def test_what_cannot_be_known_is_not_said():
    for history in ([], [record([], [], stage="seed")], [record([3], [1.0], round=2)]):
        assert pace_of(view(history)).at_most_s is None
    pace = pace_of(view([record([1], [math.nan])]))
    assert pace.inertia is None
    assert pace.change is None


def test_the_best_curve_comes_first():
    history = [record([1, 1], [9.0, 8.0], restarts=[0, 1]), record([2], [7.0], restarts=[0])]
    found = curves(history)
    assert [(c.restart, c.n_iter, c.inertia) for c in found] == [
        (0, [1, 2], [9.0, 7.0]),
        (1, [1], [8.0]),
    ]


def test_a_fit_that_says_nothing_for_long_is_silent():
    history = [record([1], [1.0], seconds=100.0)]
    for idle_s, kind in ((290.0, "running"), (310.0, "silent")):
        at = view(history, idle_s=idle_s, run={"_model": "m.zarr"})
        assert state_of(at, pace_of(at)).kind == kind
    assert "streamkm resume run" in state_of(at, pace_of(at)).advice
    done = view(history, idle_s=1e6, result={"n_iter": 1})
    assert state_of(done, pace_of(done)).kind == "finished"


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_progress_is_written_at_most_once_a_second(tmp_path, clock):
    heard = []
    listener = ProgressFile(tmp_path, SerialExecutor(), heard.append)
    file = tmp_path / "progress.json"
    events = [PassStarted("assign", "iteration 1", 100), *[GroupDone(10)] * 10, PassDone({})]
    seen = []
    for event in events:
        listener(event)
        clock[0] += 0.3
        seen.append(json.loads(file.read_text())["rows_done"])
    assert heard == events
    assert seen == [0, 0, 0, 0, 40, 40, 40, 40, 80, 80, 80, 80]
    found = json.loads(file.read_text())
    assert (found["title"], found["n_rows"], found["workers"]) == ("iteration 1", 100, "1 thread")
    assert found["pass_s"] == pytest.approx(2.4)
    assert [p.name for p in tmp_path.iterdir()] == ["progress.json"]


def test_rows_of_tasks_that_were_run_again_do_not_overflow(tmp_path, clock):
    listener = ProgressFile(tmp_path, SerialExecutor(), None)
    listener(PassStarted("assign", "iteration 1", 100))
    for _ in range(5):
        clock[0] += 2.0
        listener(GroupDone(40))
    assert json.loads((tmp_path / "progress.json").read_text())["rows_done"] == 100


def test_a_folder_that_cannot_be_written_does_not_stop_a_fit(tmp_path):
    listener = ProgressFile(tmp_path / "gone", SerialExecutor(), None)
    listener(PassStarted("assign", "iteration 1", 100))
    assert not (tmp_path / "gone").exists()


def test_a_line_half_written_is_not_read(tmp_path):
    run = {"streamkm": {"format_version": 1, "kind": "run", "parameters": {}}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "history.jsonl").write_text('{"pass": 1}\n{"pass": 2}\n{"pas')
    before = sorted(p.read_bytes() for p in tmp_path.iterdir())
    assert view_run(tmp_path).history == [{"pass": 1}, {"pass": 2}]
    assert sorted(p.read_bytes() for p in tmp_path.iterdir()) == before


def test_a_folder_without_a_run_is_one_clear_line(tmp_path):
    with pytest.raises(StoreError, match="holds no run"):
        view_run(tmp_path)
    with pytest.raises(StoreError, match="no such folder"):
        view_run(tmp_path / "gone")
