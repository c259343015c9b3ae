"""`dask streamkm ...` is `streamkm ...`."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import streamkm

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
TARGET = PROJECT["entry-points"]["dask_cli"]["streamkm"]


@pytest.fixture
def command():
    return EntryPoint("streamkm", TARGET, "dask_cli").load()


def test_the_words_are_passed_on(command):
    assert isinstance(command, click.Command)
    found = CliRunner().invoke(command, ["--version"])
    assert (found.exit_code, found.output) == (0, f"streamkm {streamkm.__version__}\n")
    found = CliRunner().invoke(command, ["fit", "kmeans", "--help"])
    assert found.exit_code == 0
    assert "--n-init" in found.output
    assert CliRunner().invoke(command, ["no-such-command"]).exit_code == 2
    assert CliRunner().invoke(command, ["info", "missing.zarr"]).exit_code == 1


def test_dask_finds_it(tmp_path):
    # As an installed package would: its metadata, on the path.
    folder = tmp_path / "plugged-0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 0\n")
    (folder / "entry_points.txt").write_text(f"[dask_cli]\nstreamkm = {TARGET}\n")
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import dask.__main__ as m; m.main()"
    words = [sys.executable, "-W", "ignore", "-c", code, "streamkm", "--version"]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    assert found.stdout == f"streamkm {streamkm.__version__}\n"


def test_it_loads_nothing_heavy():
    code = (
        "import sys, streamkm.cli.dask_plugin;"
        "print([m for m in ('numpy', 'dask', 'sklearn', 'zarr', 'cyclopts') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
