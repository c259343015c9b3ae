"""The public names, the version, and that a light import stays light."""

from __future__ import annotations

import subprocess
import sys

import pytest

import streamkm


def test_every_public_name_is_there_and_documented():
    for name in streamkm.__all__:
        assert getattr(streamkm, name).__doc__
    with pytest.raises(AttributeError):
        streamkm.no_such_name  # noqa: B018


def test_import_and_version_load_nothing_heavy():
    heavy = "('numpy', 'dask', 'sklearn', 'zarr')"
    code = f"import sys, streamkm.cli; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
