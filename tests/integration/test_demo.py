"""The demo, whole: larger than its limit, under its limit, the same centers on a cluster."""

from __future__ import annotations

import json

import pytest

from tests.helpers import run_measured


@pytest.mark.timeout(900)
def test_the_demo_holds_its_word_on_threads_and_on_a_cluster(tmp_path):
    found = {}
    for words in (["demo", "--json"], ["demo", "--cluster", "--json"]):
        ran = run_measured(words, tmp_path, 400.0)
        assert ran.status == 0, ran.err
        facts = json.loads(ran.out)
        assert facts["decoded_bytes"] > facts["memory_limit_bytes"]
        # What the limit covers: the workers of a local cluster, or what is added to this process;
        # see docs/explanation/memory.md.
        peak = ran.workers_peak_bytes if "--cluster" in words else ran.peak_bytes
        assert peak - facts["held_memory_bytes"] < facts["memory_limit_bytes"]
        assert [step["step"] for step in facts["steps"]] == [
            "convert",
            "fit",
            "label",
            "judge",
            "draw",
        ]
        assert facts["majority_accuracy"] > 0.6
        assert (tmp_path / "streamkm-demo.png").stat().st_size > 10_000
        if "--cluster" in words:
            assert "dashboard: http://127.0.0.1:" in ran.err
        found[len(words)] = facts["centers_checksum"]
    assert found[2] == found[3]
