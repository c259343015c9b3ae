"""Every example runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.real_data
def test_the_study_of_two_starts(data_dir):
    images = data_dir / "mnist" / "train-images-idx3-ubyte.gz"
    words = [sys.executable, str(EXAMPLES / "mnist_two_starts.py"), str(images), "--seeds", "2"]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    rows = [[float(x) for x in line.split()] for line in found.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == list(range(5, 21))
    for row in rows:  # within 3 % of the report, from both starts
        assert row[2] == pytest.approx(row[1], rel=0.03)
        assert row[5] == pytest.approx(row[4], rel=0.03)
