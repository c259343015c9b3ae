"""The command `bench`: table, JSON, page and picture; who is missing is said; one clear line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm.bench import contestants

ALONE = ("--peers", "scikit-learn", "--repeats", 1)


def test_a_quick_run_ends_with_tables_a_page_and_a_picture(run, monkeypatch):
    absent = replace(contestants.CONTESTANTS[0], name="Absent", package="no_such_package",
                     distribution="no-such-package", way="lloyd")  # fmt: skip
    monkeypatch.setattr(contestants, "CONTESTANTS", (*contestants.CONTESTANTS, absent))
    monkeypatch.setattr(contestants, "PEERS", ("scikit-learn", "no-such-package"))
    status, out, err = run("bench", "--quick", "-o", "b.md", "--plot", "b.png")
    assert status == 0, err + out
    assert "Traceback" not in err
    page = Path("b.md").read_text()
    for text in (out, page):
        for said in ("One pass", "To convergence", "20000 × 64 uint8, K = 10", "streamkm, float32",
                     "Absent: not installed: pip install no-such-package",
                     "figures mean nothing"):  # fmt: skip
            assert said in text
    assert "```text\nstreamkm bench --quick -o b.md --plot b.png\n```" in page
    assert f"streamkm {streamkm.__version__}, numpy {np.__version__}" in page
    # Beside other work a pass may be lost in the noise; then there is nothing to draw.
    has_ratios = re.search(r"^ *(streamkm|scikit-learn, elkan).*\d×", out, re.MULTILINE)
    assert Path("b.png").exists() == bool(has_ratios), out
    assert not has_ratios or Path("b.png").read_bytes().startswith(b"\x89PNG")


def test_a_store_is_streamed_and_its_bytes_are_counted(run, rng):
    X = rng.normal(size=(3000, 5)).astype(np.float32)
    streamkm.convert(X, "x.zarr")
    status, out, err = run("bench", "x.zarr", "-k", "3", "--json", *ALONE)
    assert status == 0, err
    facts = json.loads(out)
    rows = {(row["measure"], row["contestant"]): row for row in facts["rows"]}
    assert list(rows) == [
        ("pass", "streamkm"), ("pass", "scikit-learn"), ("convergence", "streamkm"),
        ("convergence", "scikit-learn"), ("convergence", "scikit-learn, elkan"),
    ]  # fmt: skip
    ours, theirs = rows["convergence", "streamkm"], rows["convergence", "scikit-learn"]
    assert ours["bytes_read"] > 0
    assert ours["peak_bytes"] >= ours["held_bytes"] > 0
    assert ours["inertia"] == pytest.approx(theirs["inertia"], rel=1e-3)
    assert ours["times_as_fast"] == pytest.approx(theirs["seconds"] / ours["seconds"])
    assert facts["machine"]["versions"]["scikit-learn"]


def test_cases_that_a_quick_run_makes_equal_are_one(tmp_path):
    from streamkm.cli.bench import How, What
    from streamkm.cli.bench_run import cases_of

    what = What(n_clusters=[64, 256, 3], rows=10**6, features=2)
    found, missing = cases_of(None, what, How(quick=True))
    assert [case.n_clusters for case in found] == [64, 3]
    assert not missing


def test_help_teaches_with_an_example(run):
    said = run("bench", "--help")[1]
    assert "streamkm bench --rows 60000 --features 784 --dtype uint8 -k 10" in said
    assert "--preset" in said


def test_a_preset_whose_data_is_not_there_is_said(run, tmp_path):
    from streamkm.bench.cases import preset

    cases, missing = preset("convergence", tmp_path)
    assert [case.name for case in cases] == ["separated blobs", "overlapping blobs"]
    assert [text.partition(":")[0] for text in missing] == ["CIFAR-10", "MNIST"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 1, "say what to measure"),
        (("x.npy",), 1, "number of clusters with -k"),
        (("x.npy", "-k", "3", "--rows", "5"), 1, "say one of"),
        (("x.npy", "-k", "300"), 1, "should be >= n_clusters=300"),
        (("x.npy", "-k", "0"), 1, "at least 1"),
        (("x.npy", "-k", "3", "--memory-limit", "1MiB", *ALONE), 1, "memory_limit="),
        (("nothing.zarr", "-k", "3"), 1, "no such file"),
        (("--rows", "9", "-k", "3"), 1, "--features"),
        (("--rows", "9", "--features", "2", "-k", "30"), 1, "n_clusters=30"),
        (("--rows", "9", "--features", "0", "-k", "3"), 1, "--features must be at least 1"),
        (("--quick", "--peers", "foo"), 1, "scikit-learn, dask-ml, faiss-cpu, superkmeans"),
        (("--quick", "--repeats", "0"), 1, "--repeats"),
        (("--quick", "-o", "bench.html"), 1, ".md"),
        (("--quick", "-o", "there.md"), 1, "--overwrite"),
        (("--quick", "-o", "nowhere/b.md"), 1, "no folder"),
        (("--quick", "--plot", "b.jpg"), 1, ".png, .svg, .pdf"),
        (("--quick", "--executor", "serial", "--workers", "2"), 1, "one of --executor"),
        (("--preset", "one-pass", "-k", "3"), 1, "its own clusters"),
        (("--rows", "9", "--features", "2", "-k", "3", "--dtype", "int8"), 2, "int8"),
    ],
)
def test_what_cannot_be_is_one_line(run, rng, words, status, said):
    np.save("x.npy", rng.normal(size=(100, 3)))
    Path("there.md").touch()
    found, out, err = run("bench", *words)
    text = " ".join((out + err).split())
    assert found == status
    assert said in text
    if status == 1:
        lines = [line for line in err.splitlines() if "load" not in line]
        assert len(lines) == 1
