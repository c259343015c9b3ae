"""Outputs that a kill has left: another call goes on at every step, to the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import streamkm
from streamkm import KMeans
from streamkm.data import output
from tests.helpers import tree

N_ROWS = 10 * 1024  # ten blocks
STEPS = ("begun", "half", "temporary", "renamed", "placed")


class Killed(BaseException):
    """What ends a call without any clean-up, as far as a test can."""


@pytest.fixture
def model(rng):
    streamkm.convert(rng.normal(size=(N_ROWS, 3)), "x.zarr", chunk_rows=1024)
    return KMeans(4, random_state=0, executor="serial").fit("x.zarr")


def killed(step, model, out, monkeypatch):
    """Write distances, and end at a step of the way, leaving all files as they are."""
    writes = []

    def write(self, start, values):
        if step == "begun" or (step in ("half", "temporary") and len(writes) == 4):
            raise Killed
        writes.append(start)
        real_write(self, start, values)

    def place(new, final):
        if step == "placed":
            real_place(new, final)
        raise Killed

    target = output.ZarrTarget if out.endswith("zarr") else output.NpyTarget
    real_write, real_place = target.write, output.put_in_place
    with monkeypatch.context() as patch:
        patch.setattr(target, "write", write)
        patch.setattr(output.Unfinished, "clear", lambda self: None)
        patch.setattr(output, "put_in_place", place)
        with pytest.raises(Killed):
            model.transform("x.zarr", out=out)
    if step == "temporary" and out.endswith("zarr"):
        Path(f"{out}.partial/values/c/3/0.1234.partial").write_bytes(b"half")
    return writes


@pytest.mark.parametrize("out", ["d.zarr", "d.npy", "d.csv", "d.parquet"])
@pytest.mark.parametrize("step", STEPS)
def test_at_every_step(step, out, model, monkeypatch):
    model.transform("x.zarr", out=f"whole-{out}")
    killed(step, model, out, monkeypatch)
    model.transform("x.zarr", out=out, overwrite=step == "placed")
    same = tree if out.endswith("zarr") else Path.read_bytes
    assert same(Path(out)) == same(Path(f"whole-{out}"))
    assert {file.name for file in Path().iterdir()} == {out, f"whole-{out}", "x.zarr"}


def test_what_is_there_is_not_written_again(model, monkeypatch):
    before = killed("half", model, "d.npy", monkeypatch)
    after = killed("renamed", model, "d.npy", monkeypatch)
    assert sorted(before + after) == list(range(0, N_ROWS, 1024))
    assert len(before) == 4


@pytest.mark.parametrize("change", ["rows", "model", "task"])
def test_the_work_of_another_call_is_not_taken(change, model, monkeypatch, rng):
    killed("half", model, "d.npy", monkeypatch)
    if change == "rows":
        streamkm.convert(rng.normal(size=(N_ROWS, 3)), "x.zarr", chunk_rows=1024, overwrite=True)
    elif change == "model":
        model = KMeans(4, random_state=1, executor="serial", max_iter=1).fit("x.zarr")
    else:
        model.cluster_centers_ = model.cluster_centers_ + 1.0
    write = model.predict if change == "task" else model.transform
    write("x.zarr", out="d.npy")
    expected = write(np.asarray(streamkm.Dataset("x.zarr").read(0, N_ROWS)))
    assert np.array_equal(np.load("d.npy"), expected)
