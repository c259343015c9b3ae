from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from streamkm.cluster.journal import Journal
from streamkm.runtime import make_executor
from streamkm.runtime.base import Executor
from tests.helpers import Killed

for name, examples in (("dev", 50), ("ci", 100), ("nightly", 3000)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=name == "ci",
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data_dir() -> Path:
    """Real files; see the README of the data."""
    folder = os.environ.get("STREAMKM_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("STREAMKM_DATA is not set")
    return Path(folder).absolute()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(params=["serial", "threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    made = make_executor(request.param, 2)
    yield made
    made.close()


@pytest.fixture
def run(capsys):
    """Run a command in this process; return its status and what it printed."""
    from streamkm.cli import main

    def call(*words):
        status = main([str(word) for word in words])
        return status, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def client():
    """A client of a cluster of two workers, for those who name it: others do not run on it."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def tight(monkeypatch):
    """A cache that holds a share of the rows, whatever memory there is."""

    def plan(limit, *args, **more):
        full = plan_memory(limit, *args, **more)
        return replace(full, cache_bytes=int(cache["share"] * more["data_bytes"]))

    from streamkm.cluster import passes as passes_module

    cache = {"share": 0.0}
    plan_memory = passes_module.plan_memory
    monkeypatch.setattr(passes_module, "plan_memory", plan)
    return lambda share: cache.update(share=share)


@pytest.fixture
def stopped(monkeypatch):
    """Return what acts until a certain part is written, and says how many parts there were."""
    write = Journal._write

    def call(act, moment):
        n_written = 0

        def written(self, *arguments):
            nonlocal n_written
            result = write(self, *arguments)
            n_written += 1
            if n_written == moment:
                raise Killed
            return result

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "_write", written)
            with suppress(Killed):
                act()
        return n_written

    return call
