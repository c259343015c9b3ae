"""The command line, end to end: the tour on MNIST, JSON, one clear line for every failure."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

import streamkm
from streamkm.cli import main
from tests.helpers import run_command


@pytest.fixture
def store(rng):
    rows = np.concatenate([rng.normal(size=(100, 3)) + 9 * i for i in range(4)])
    return streamkm.convert(rows, "x.zarr", target=np.repeat(np.arange(4), 100))


@pytest.mark.real_data
def test_mnist_from_file_to_score(data_dir, run):
    images = data_dir / "mnist" / "t10k-images-idx3-ubyte.gz"
    assert run("convert", images, "mnist.zarr")[0] == 0
    status, out, _ = run("info", "mnist.zarr", "--json")
    facts = json.loads(out)
    assert (facts["dtype"], facts["shape"], facts["sample_shape"]) == (
        "uint8",
        "10000 x 784",
        "28 x 28",
    )
    assert zarr.open_group("mnist.zarr", mode="r")["X"].dtype == np.uint8
    fit = ("fit", "kmeans", "mnist.zarr", "model.zarr", "-k", 10, "--random-state", 0, "--json")
    status, out, _ = run(*fit)
    facts = json.loads(out)
    assert status == 0
    assert 389300 < facts["inertia"] / 255**2 < 1.02 * 391911
    assert facts["peak_memory_bytes"] > 0
    assert run("predict", "model.zarr", "mnist.zarr", "labels.csv")[0] == 0
    status, out, _ = run("score", "model.zarr", "mnist.zarr", "--json")
    assert json.loads(out)["inertia"] == pytest.approx(facts["inertia"], rel=1e-12)
    assert 0.5 < json.loads(out)["majority_accuracy"] < 0.7


def test_every_output_holds_the_same_labels(store, run):
    run("fit", "kmeans", "x.zarr", "m.zarr", "-k", 4, "--random-state", 0, "--init", "k-means||")
    for out in ("l.zarr", "l.npy", "l.csv", "l.parquet"):
        assert run("predict", "m.zarr", "x.zarr", out)[0] == 0
    import pyarrow.parquet

    labels = np.load("l.npy")
    np.testing.assert_array_equal(zarr.open_array("l.zarr", mode="r")[:], labels)
    np.testing.assert_array_equal(np.loadtxt("l.csv", skiprows=1), labels)
    np.testing.assert_array_equal(pyarrow.parquet.read_table("l.parquet")["label"], labels)
    assert (np.diff(labels.reshape(4, 100)) == 0).all()
    assert run("transform", "m.zarr", "x.zarr", "d.npy")[0] == 0
    assert run("transform", "m.zarr", "x.zarr", "d.csv")[0] == 0
    np.testing.assert_array_equal(np.loadtxt("d.csv", skiprows=1, delimiter=","), np.load("d.npy"))
    np.testing.assert_array_equal(np.load("d.npy").argmin(axis=1), labels)
    assert not list(Path().glob("*.partial"))


@pytest.mark.parametrize(
    "how", [("--executor", "serial"), ("--executor", "processes"), ("--workers", "1")]
)
@pytest.mark.filterwarnings(
    "default::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_every_way_to_run_gives_the_same_model(how, store, run):
    fit = ("fit", "kmeans", "x.zarr")
    assert run(*fit, "a.zarr", "-k", 4, "--random-state", 1)[0] == 0
    assert run(*fit, "b.zarr", "-k", 4, "--random-state", 1, *how)[0] == 0
    a, b = streamkm.load_model("a.zarr"), streamkm.load_model("b.zarr")
    assert a.cluster_centers_.tobytes() == b.cluster_centers_.tobytes()


def test_a_run_is_resumed_to_the_model_that_was_asked(store, run):
    fit = (
        "fit",
        "kmeans",
        "x.zarr",
        "m.zarr",
        "-k",
        4,
        "--random-state",
        2,
        "--run",
        "run",
        "--tol",
        0,
    )
    assert run(*fit)[0] == 0
    first = streamkm.load_model("m.zarr")
    shutil.rmtree("m.zarr")
    assert run("resume", "run", "--executor", "serial")[0] == 0
    again = streamkm.load_model("m.zarr")
    assert again.cluster_centers_.tobytes() == first.cluster_centers_.tobytes()
    assert again.inertia_ == first.inertia_


def test_info_shows_stores_models_and_what_is_unfinished(store, run):
    assert "400 x 3" in run("info", "x.zarr")[1]
    run("fit", "kmeans", "x.zarr", "m.zarr", "-k", 4)
    assert "4 x 3" in run("info", "m.zarr")[1]
    shutil.move("x.zarr", "y.zarr.partial")
    status, out, _ = run("info", "y.zarr")
    assert status == 0
    assert "run the same convert command again" in out


def test_a_coreset_is_made_shown_and_fitted(run):
    run("convert", "blobs:20000x6?centers=5", "x.zarr")
    words = ("coreset", "x.zarr", "c.zarr", "-k", 5, "--random-state", 3)
    status, out, _ = run(*words, "--json")
    facts = json.loads(out)
    assert status == 0
    assert (facts["rows"], facts["rows_kept"], facts["seed"]) == (20_000, 1000, 3)
    assert facts["total_weight"] == pytest.approx(20_000)
    assert facts["peak_memory_bytes"] > 0
    assert facts["seconds"] > 0
    made = streamkm.make_coreset("x.zarr", 5, random_state=3)
    assert streamkm.Coreset.open("c.zarr").rows.tobytes() == made.rows.tobytes()
    shown = " ".join(run("info", "c.zarr")[1].split())
    assert "of 20,000 rows, for 5 clusters; tree, seed 3" in shown
    assert json.loads(run("info", "x.zarr", "--json")[1])["coreset"] is None
    status, out, _ = run("fit", "kmeans", "c.zarr", "m.zarr", "-k", 5, "--json")
    assert status == 0
    assert sum(json.loads(out)["cluster_sizes"]) == 1000
    score = json.loads(run("score", "m.zarr", "x.zarr", "--json")[1])
    assert score["inertia"] == pytest.approx(json.loads(out)["inertia"], rel=0.1)
    smaller = ("--coreset", "sensitivity", "--coreset-size", 70, "--overwrite")
    assert run(*words, *smaller)[0] == 0
    assert len(streamkm.Coreset.open("c.zarr").rows) <= 70
    assert not list(Path().glob("*.partial"))


def test_a_coreset_refuses_before_it_reads(store, run, monkeypatch):
    run("coreset", "x.zarr", "c.zarr", "-k", 2)
    run("fit", "kmeans", "x.zarr", "m.zarr", "-k", 2)

    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(streamkm.cluster.coreset_pass, "grow", never)
    lines = {
        ("coreset", "x.zarr", "c.zarr", "-k", 2): "--overwrite replaces it",
        ("coreset", "x.zarr", "m.zarr", "-k", 2, "--overwrite"): "is not replaced",
        ("coreset", "x.zarr", "x.zarr", "-k", 2, "--overwrite"): "its own rows",
        ("coreset", "none.npy", "d.zarr", "-k", 2): "no such file",
        ("coreset", "x.zarr", "d.zarr", "-k", 0): "at least 1",
    }
    for words, says in lines.items():
        status, _, err = run(*words)
        assert (status, says in err, err.count("\n")) == (1, True, 1), err
    assert run("coreset", "x.zarr", "d.zarr")[0] == 2
    assert run("coreset", "x.zarr", "d.zarr", "-k", 2, "--coreset", "best")[0] == 2


def test_help_teaches_with_an_example(run):
    for words in (
        "convert",
        "info",
        "fit kmeans",
        "coreset",
        "resume",
        "predict",
        "transform",
        "score",
        "centers",
        "demo",
    ):
        status, out, _ = run(*words.split(), "--help")
        assert status == 0
        assert f"Example: streamkm {words.split()[0]}" in " ".join(out.split())


def test_help_comes_from_the_one_declaration(run):
    out = " ".join(run("fit", "kmeans", "--help")[1].split())
    for name in streamkm.KMeans().get_params():
        if name not in ("executor", "memory_limit", "run_dir"):
            assert f"--{name.replace('_', '-')}" in out
    assert "Restarts. They share every pass" in out.replace("│ │ ", "")


def test_version(run):
    assert run("--version")[1] == f"streamkm {streamkm.__version__}\n"


def test_wrong_usage_is_status_two(store, run):
    assert run("fit", "kmeans", "x.zarr")[0] == 2
    assert run("convert", "--no-such-option", "a", "b")[0] == 2
    assert run("fly")[0] == 2


def test_small_stumbles_are_clear(store, run, monkeypatch):
    run("fit", "kmeans", "x.zarr", "m.zarr", "-k", 4)
    lines = {
        ("predict", "m.zarr", "x.zarr", "labels.txt"): "the ending must be",
        ("predict", "m.zarr", "x.zarr", "nowhere/l.csv"): "there is no folder",
        ("fit", "kmeans", "x.zarr", "n.zarr", "-k", 2, "--workers", 0): "at least 1",
        (
            "fit",
            "kmeans",
            "x.zarr",
            "n.zarr",
            "-k",
            2,
            "--scheduler-file",
            "none",
        ): "no such scheduler file",
        ("fit", "kmeans", "x.zarr", "n.zarr", "-k", 2, "--run", "m.zarr"): "is not empty",
        ("convert", "", "n.zarr"): "empty",
        ("info", ""): "not a Zarr group",
    }
    for words, says in lines.items():
        status, _, err = run(*words)
        assert (status, says in err, err.count("\n")) == (1, True, 1), err
    assert run("predict", "m.zarr", "x.zarr", "L.CSV")[0] == 0
    assert Path("L.CSV").is_file()
    assert run("fit", "kmeans", "x.zarr", "n.zarr", "-k", "1.5")[0] == 2
    monkeypatch.chdir("x.zarr")
    assert "400 x 3" in run("info", ".")[1]


def test_a_store_is_converted_again_with_its_labels(store, run):
    assert run("convert", "x.zarr", "y.zarr", "--shuffle")[0] == 0
    again = streamkm.open_dataset("y.zarr")
    means = [again.read(0, 400)[again.labels.read(0, 400) == k].mean() for k in range(4)]
    np.testing.assert_allclose(means, [0, 9, 18, 27], atol=0.5)


def test_a_folder_in_which_a_store_grows_is_not_data(store, run):
    shutil.move("x.zarr", "y.zarr.partial")
    Path("y.zarr.partial.json").write_text("{}")
    for words in (
        ("fit", "kmeans", "y.zarr.partial", "m.zarr", "-k", 2),
        ("convert", "y.zarr.partial", "z.zarr"),
    ):
        status, _, err = run(*words)
        assert status == 1
        assert "is not finished" in err


def test_a_fit_without_a_seed_can_be_repeated(store, run):
    run("fit", "kmeans", "x.zarr", "a.zarr", "-k", 7)
    seed = streamkm.load_model("a.zarr").seed_
    run("fit", "kmeans", "x.zarr", "b.zarr", "-k", 7, "--random-state", seed)
    a, b = streamkm.load_model("a.zarr"), streamkm.load_model("b.zarr")
    assert a.cluster_centers_.tobytes() == b.cluster_centers_.tobytes()


def test_a_traceback_is_shown_only_on_request(run):
    assert "Traceback" not in run("info", "missing.zarr")[2]
    assert "Traceback" in run("score", "missing.zarr", "x.zarr", "-v")[2]


def idx(path, shape, n_bytes):
    Path(path).write_bytes(
        bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + b"\1" * n_bytes
    )


class Harmful:
    def __reduce__(self):
        import os

        return (os.mkdir, ("harmed",))


def bad_inputs() -> dict[str, str]:
    """Write one bad file of each kind; return what the message must say, by file."""
    Path("empty.npy").touch()
    idx("short-idx3-ubyte", (10, 4, 4), 100)
    idx("huge-idx3-ubyte", (1 << 20, 1 << 10, 1 << 10), 100)
    np.save("whole.npy", np.ones((100, 4)))
    Path("short.npy").write_bytes(Path("whole.npy").read_bytes()[:1000])
    with h5py.File("whole.h5", "w") as file:
        file["X"] = np.ones((1000, 4))
    Path("short.h5").write_bytes(Path("whole.h5").read_bytes()[:5000])
    Path("short.tar.gz").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\3abc")
    Path("data_batch_9").write_bytes(pickle.dumps({b"data": Harmful(), b"labels": [1]}))
    nan = np.ones((100, 4))
    nan[7] = np.nan
    np.save("nan.npy", nan)
    np.save("flat.npy", np.ones((100, 0)))
    np.save("line.npy", np.ones(100))
    np.save("object.npy", np.array([None, 1], dtype=object), allow_pickle=True)
    return {
        "missing.npy": "no such file",
        "empty.npy": "empty",
        "short-idx3-ubyte": "truncated",
        "huge-idx3-ubyte": "promises 1099511627792",
        "short.npy": "truncated",
        "short.h5": "truncated",
        "short.tar.gz": "truncated",
        "data_batch_9": "only NumPy arrays are admitted",
        "nan.npy": "rows 7",
        "flat.npy": "no rows",
        "line.npy": "a 1-D array",
        "object.npy": "not numeric",
    }


def test_bad_input_is_one_line_status_one_and_nothing_left(run):
    for name, says in bad_inputs().items():
        before = set(Path().iterdir())
        status, out, err = run("convert", name, "out.zarr")
        assert (status, out) == (1, ""), name
        assert err.count("\n") == 1, err
        assert err.startswith("streamkm: "), err
        assert says in err, err
        assert set(Path().iterdir()) == before, name
    assert not Path("harmed").exists()


def test_bad_requests_are_one_line_status_one(store, run):
    np.save("short.npy", np.ones(399))
    np.save("line.npy", np.ones((50, 1)))
    requests = {
        ("fit", "kmeans", "short.npy", "out.zarr", "-k", 4): "a 1-D array",
        ("convert", "line.npy", "out.zarr", "--target", "short.npy"): "labels for 50 rows",
        (
            "fit",
            "kmeans",
            "x.zarr",
            "out.zarr",
            "-k",
            401,
        ): "n_samples=400 should be >= n_clusters=401",
        ("fit", "kmeans", "missing.zarr", "out.zarr", "-k", 4): "no such file",
        ("fit", "kmeans", "x.zarr", "/proc/none/out.zarr", "-k", 4): "cannot be written",
        (
            "fit",
            "kmeans",
            "x.zarr",
            "out.zarr",
            "-k",
            4,
            "--memory-limit",
            "100MiB",
        ): "memory_limit=512",
        ("fit", "kmeans", "x.zarr", "out.zarr", "-k", 4, "--memory-limit", "lots"): "is not a size",
        ("fit", "kmeans", "x.zarr", "out.zarr", "-k", 4, "--init", "none.npy"): "not a .npy array",
        (
            "fit",
            "kmeans",
            "x.zarr",
            "out.zarr",
            "-k",
            4,
            "--workers",
            1,
            "--executor",
            "serial",
        ): "say one of",
        ("convert", "x.zarr", "line.npy/x.zarr"): "cannot be written",
        ("predict", "x.zarr", "x.zarr", "out.npy"): "not a streamkm model",
        ("resume", "nowhere"): "holds no run",
        ("score", "missing", "x.zarr"): "no such file or store",
    }
    for words, says in requests.items():
        status, out, err = run(*words)
        assert (status, out) == (1, ""), words
        assert says in err, err
        assert err.strip().count("\n") == 0, err
        assert not Path("out.zarr").exists()


def test_no_scheduler_is_one_line(store, tmp_path):
    """Port 9 of the loopback interface: nothing listens there."""
    found = run_command(
        ["fit", "kmeans", "x.zarr", "out.zarr", "-k", "4", "--scheduler", "tcp://127.0.0.1:9"],
        tmp_path,
        DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="2s",
    )
    assert found.returncode == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in found.stderr
    assert not Path("out.zarr").exists()


def test_a_full_disk_is_one_line_and_the_conversion_goes_on_later(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small tmpfs here")
    try:
        # The check beforehand is told that there is room, so that the write itself must fail.
        code = (
            "import shutil, sys, collections; from streamkm.cli import main;"
            "u = collections.namedtuple('u', 'total used free');"
            "shutil.disk_usage = lambda _: u(0, 0, 1 << 40);"
            "sys.exit(main(sys.argv[1:]))"
        )
        import sys

        words = ["convert", "blobs:100000x32", str(small / "x.zarr"), "--codec", "none"]
        found = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
        )
        assert found.returncode == 1
        assert "the disk is full" in found.stderr
        assert found.stderr.count("\n") == 1
        assert not (small / "x.zarr").exists()
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        assert main(words) == 0
        assert streamkm.open_dataset(small / "x.zarr").shape == (100_000, 32)
    finally:
        subprocess.run(["umount", str(small)], check=False)


def test_kernels_are_compiled_beforehand(run):
    status, out, _ = run("compile", "--dtypes", "uint8", "--json")
    facts = json.loads(out)
    assert (status, facts["dtypes"]) == (0, "uint8")
    for name in ("panels.score_panels", "shadows._seen_block"):
        assert list(Path(facts["kept_in"]).glob(f"{name}*.nbi"))
    status, out, err = run("compile", "--dtypes", "complex")
    assert (status, out) == (1, "")
    assert err.startswith("streamkm: 'complex' is no type of rows; known are bool, uint8")


def test_parameters_out_of_range_are_said_as_options(store, run):
    status, _, err = run("fit", "kmeans", "x.zarr", "m.zarr", "-k", "0")
    assert (status, err) == (
        1,
        "streamkm: --n-clusters must be a whole number of at least 1, not 0\n",
    )
    err = run("fit", "kmeans", "x.zarr", "m.zarr", "-k", "2", "--tol", "-1")[2]
    assert err == "streamkm: --tol must be a number of at least 0, not -1.0\n"
    err = run("fit", "kmeans", "x.zarr", "m.zarr", "-k", "1000000")[2]
    assert "there are fewer rows than clusters" in err


def test_a_fit_that_stops_too_early_says_so(store, run):
    words = ("fit", "kmeans", "x.zarr", "m.zarr", "-k", "5", "--random-state", "0", "--overwrite")
    assert "before it converged" in run(*words, "--max-iter", "1", "--tol", "0")[1]
    assert "converged" not in run(*words)[1]


def test_what_is_missing_is_said_in_a_line(store, run):
    for words, says in {
        ("fit", "kmeans", "x.zarr", "m.zarr"): "-k, the number of clusters, is missing",
        ("fit", "kmeans", "x.zarr", "m.zarr", "-k"): "-k requires an argument",
        ("predict",): "MODEL is missing",
        ("fit", "kmeans", "x.zarr", "m.zarr", "-k", 3, "--tool", 3): "Did you mean --tol?",
    }.items():
        status, out, err = run(*words)
        assert (status, out, says in err, err.count("\n")) == (2, "", True, 1), err


def test_columns_are_named_once(run, tmp_path):
    Path("t.csv").write_text("a,b,c\n1,2,x\n3,4,y\n")
    assert "name them once" in run("convert", "t.csv:a", "t.zarr", "--columns", "b")[2]
    assert f"--target {tmp_path}/t.csv:COLUMN" in run("convert", tmp_path / "t.csv", "t.zarr")[2]
    assert run("convert", "t.csv", "t.zarr", "--columns", "a,b")[0] == 0
    assert "fit --columns" in run("convert", "t.zarr", "u.zarr", "--columns", "a")[2]


def test_columns_of_a_store_are_named(run):
    Path("t.csv").write_text("a,b,c\n" + "".join(f"{i},{7 * i % 5},{i % 2}\n" for i in range(20)))
    assert run("convert", "t.csv", "t.zarr")[0] == 0
    words = ("fit", "kmeans", "t.zarr", "m.zarr", "-k", 2, "--overwrite", "--columns")
    assert run(*words, "c,a")[0] == 0
    assert streamkm.load_model("m.zarr").columns == [2, 0]
    status, _, err = run(*words, "c,d")
    assert (status, err) == (1, "streamkm: t.zarr: there is no column d; it has a, b, c\n")
    assert run("sweep", "t.zarr", "-k", "2,3", "--repeats", 1, "--columns", "b,c")[0] == 0
    assert run("plan", "t.zarr", "-k", 2, "--columns", "b")[0] == 0


def test_the_column_of_a_missing_value_is_named(run):
    Path("t.csv").write_text("a,b\n1,2\n3,\n5,6\n")
    err = run("convert", "t.csv", "t.zarr")[2]
    assert "1 rows hold NaN or infinity (rows 1), counted from 0, the first in column b;" in err
