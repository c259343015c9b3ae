"""The public names, the version, and that a light import stays light."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import homogeneity_score

import streamkm
from streamkm.metrics.clusters import homogeneity, majority_accuracy


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


def test_homogeneity_equals_scikit_learns(rng):
    classes, clusters = rng.integers(0, 5, 1000), rng.integers(0, 7, 1000)
    clusters[:400] = classes[:400]
    table = np.zeros((7, 5), np.int64)
    np.add.at(table, (clusters, classes), 1)
    assert homogeneity(table) == pytest.approx(homogeneity_score(classes, clusters), rel=1e-9)
    best = sum(np.bincount(classes[clusters == k]).max() for k in range(7)) / 1000
    assert majority_accuracy(table) == pytest.approx(best)
