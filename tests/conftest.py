from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from streamkm.runtime import make_executor
from streamkm.runtime.base import Executor

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
