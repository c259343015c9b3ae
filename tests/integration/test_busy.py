"""One at a time: a second conversion, fit or writer is refused, a dead one holds nobody up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm import KMeans
from streamkm.data.lock import is_locked, only_one
from streamkm.errors import BusyError, IncompleteError
from streamkm.runtime import make_executor
from streamkm.runtime.events import GroupDone

ROWS = np.arange(4000.0).reshape(1000, 4)
SETTINGS = {"n_clusters": 3, "n_init": 2, "random_state": 0}
HOLD = """
import sys, time
from pathlib import Path
from streamkm.data.lock import only_one
with only_one(Path(sys.argv[1]), "testing"):
    print("held", flush=True)
    time.sleep(60)
"""


def meanwhile(then):
    """An executor that calls a function in the middle of its first pass, once."""
    executor, calls = make_executor("serial"), [then]

    def listen(event):
        if isinstance(event, GroupDone) and calls:
            calls.pop()()

    executor.listener = listen
    return executor


def test_a_second_conversion_to_a_store_is_refused_and_the_first_ends_well():
    def second():
        with pytest.raises(BusyError, match=rf"process {os.getpid()} is converting to .*x\.zarr"):
            streamkm.convert(-ROWS, "x.zarr", overwrite=True)
        with pytest.raises(IncompleteError, match="not finished"):
            streamkm.Dataset("x.zarr.partial")
        with pytest.raises(IncompleteError, match="not finished"):
            KMeans(2).fit("x.zarr")

    first = streamkm.convert(ROWS, "x.zarr", chunk_rows=100, executor=meanwhile(second))
    assert np.array_equal(first.read(0, 1000), ROWS)
    assert not list(Path().glob("*.partial*"))


def test_a_second_append_is_refused():
    streamkm.convert(ROWS, "x.zarr", chunk_rows=100)

    def second():
        with pytest.raises(BusyError):
            streamkm.convert(ROWS, "x.zarr", append=True)

    grown = streamkm.convert(ROWS, "x.zarr", append=True, executor=meanwhile(second))
    assert grown.shape == (2000, 4)


def test_a_conversion_of_an_iterator_is_refused_before_a_block_is_asked_for():
    with only_one(Path("x.zarr.partial.lock"), "testing"), pytest.raises(BusyError):
        streamkm.convert((pytest.fail("asked for") for _ in range(1)), "x.zarr")


def test_a_second_fit_in_a_run_directory_is_refused_and_the_first_keeps_its_bits():
    streamkm.convert(ROWS, "x.zarr", chunk_rows=100)

    def second():
        with pytest.raises(BusyError, match="running in run"):
            KMeans(**SETTINGS, run_dir="run").fit("x.zarr")

    first = KMeans(**SETTINGS, run_dir="run", executor=meanwhile(second)).fit("x.zarr")
    alone = KMeans(**SETTINGS).fit("x.zarr")
    assert first.cluster_centers_.tobytes() == alone.cluster_centers_.tobytes()
    assert not Path("run", ".lock").exists()


@pytest.mark.parametrize("out", ["labels.npy", "labels.zarr", "labels.csv"])
def test_a_second_writer_of_labels_is_refused(out):
    streamkm.convert(ROWS, "x.zarr", chunk_rows=100)
    model = KMeans(**SETTINGS).fit("x.zarr")

    def second():
        with pytest.raises(BusyError, match=f"writing {out}"):
            model.predict("x.zarr", out=out)

    other = KMeans(**SETTINGS, executor=meanwhile(second))
    other.__dict__.update({k: v for k, v in vars(model).items() if k != "executor"})
    other.predict("x.zarr", out=out)
    assert {file.name for file in Path().iterdir()} == {"x.zarr", out}


def test_a_killed_process_holds_no_lock():
    file = Path("some.lock")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert is_locked(file)
        with pytest.raises(BusyError, match=f"process {process.pid} is testing"):
            only_one(file, "testing").__enter__()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert file.exists()
    assert not is_locked(file)
    with only_one(file, "testing"):
        assert is_locked(file)
    assert not file.exists()


def test_a_lock_survives_that_people_look_at_it():
    """Whoever looks takes the lock for a moment; who wants it waits for that long."""
    file = Path("some.lock")
    with only_one(file, "testing"):
        assert all(is_locked(file) for _ in range(100))
    file.touch()
    assert not any(is_locked(file) for _ in range(100))
    with only_one(file, "testing"):
        pass
