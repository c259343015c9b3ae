"""Ctrl-C and SIGTERM: the command ends calmly, says how to go on, and that works."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numba.core.compiler_lock import global_compiler_lock

import streamkm
from streamkm.cli.interrupt import advice, terminable
from streamkm.cluster.model import load_model

FIT = ["fit", "kmeans", "x.zarr", "model.zarr", "-k", "8", "--random-state", "0", "--tol", "0"]
MORE = ["--init", "random", "--n-init", "8", "--max-iter", "2000"]


# Where a shell has started the tests in the background, Ctrl-C is ignored.
COMMAND = """
import signal, sys
from streamkm.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""


def wait_for(file, process):
    end = time.monotonic() + 120
    while not file.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert file.exists()


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_fit_that_is_stopped_names_the_command_that_goes_on(sent, status, rng, run):
    streamkm.convert(rng.lognormal(size=(200_000, 8)).astype("f4"), "x.zarr", chunk_rows=5000)
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *FIT, *MORE, "--run", "my run"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(Path("my run", "checkpoint-previous.npz"), process)
        process.send_signal(sent)
        _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert err.splitlines()[-1].endswith(
        "; go on from its last pass with: streamkm resume 'my run'"
    )
    assert "Traceback" not in err
    assert not Path("my run", ".lock").exists()
    assert not Path("model.zarr").exists()
    assert run("resume", "my run")[0] == 0
    assert run(*FIT[:2], "x.zarr", "whole.zarr", *FIT[4:], *MORE)[0] == 0
    resumed, whole = load_model("model.zarr"), load_model("whole.zarr")
    assert resumed.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_waits_while_code_is_loaded(sent, monkeypatch):
    monkeypatch.setattr(signal, "default_int_handler", signal.getsignal(signal.SIGINT))
    is_whole = False
    with pytest.raises(KeyboardInterrupt), terminable():  # noqa: PT012 - what is raised comes later
        with global_compiler_lock:
            signal.raise_signal(sent)
            is_whole = True
        time.sleep(10)
    assert is_whole


def test_a_conversion_that_is_terminated_goes_on_with_the_same_command(rng, run):
    np.save("x.npy", rng.normal(size=(400_000, 64)))
    words = ["convert", "x.npy", "x.zarr", "--chunk-rows", "2000"]
    with subprocess.Popen(
        [sys.executable, "-m", "streamkm", *words], stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(Path("x.zarr.partial", "X", "c", "3"), process)
        process.terminate()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err.splitlines()[-1] == (
        "streamkm: terminated; the same command goes on where it stopped"
    )
    before = {
        file: file.stat().st_mtime_ns for file in Path("x.zarr.partial", "X", "c").glob("*/0")
    }
    assert before
    assert run(*words)[0] == 0
    kept = [f for f, when in before.items() if after(f).stat().st_mtime_ns == when]
    assert len(kept) == len(before)
    assert np.array_equal(streamkm.Dataset("x.zarr").read(0, 1000), np.load("x.npy")[:1000])


def after(file):
    return Path(str(file).replace(".partial", ""))


def test_what_is_said_fits_the_command():
    assert "--run DIR" in advice(["fit", "kmeans", "x.zarr", "model.zarr", "-k", "3"])
    begun = advice(["fit", "kmeans", "x.zarr", "model.zarr", "--run=r"])
    assert begun == "the same command begins it again: no pass had ended"
    assert advice(["plot", "m", "p.png"]) == "nothing is left half done: run it again"
    for command in ("score", "coreset", "sweep"):
        assert "with --run DIR" in advice([command, "m", "x"])
        assert "same command goes on" in advice([command, "m", "x", "--run", "r"])
    assert "same command goes on" in advice(["predict", "m", "x", "y.npy"])
