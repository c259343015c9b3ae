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


def run(name, *words):
    command = [sys.executable, str(EXAMPLES / name), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_half_life_finds_the_centers_that_jumped():
    found = {line[:24].strip(): line[24:].split() for line in run("drifting_stream.py", "new.png")}
    forgets, keeps = map(float, found["two half-lives after"])
    assert forgets < 0.5 < keeps
    assert Path("new.png").stat().st_size > 10_000


def test_spectral_clustering_parts_moons_and_rings():
    found = {
        tuple(line.split()[:2]): float(line.split()[-1]) for line in run("shapes.py", "new.png")
    }
    assert {place for place, agreement in found.items() if agreement > 0.95} == {
        ("moons", "SpectralClustering"),
        ("rings", "SpectralClustering"),
    }
    assert len(found) == 4
    assert Path("new.png").stat().st_size > 10_000
