"""Passes by the hundred leave memory, file descriptors and threads as they were.

On a cluster a thousand take minutes: `docs/reliability.md` has what was measured.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

MIB = 1 << 20

# Rows on a line, all centers at one end: Lloyd creeps.
SCRIPT = """
import json, os, sys
import numpy as np, psutil
import streamkm
from streamkm.runtime import make_executor
from streamkm.runtime.clusters import local_cluster
from streamkm.runtime.events import PassStarted

N_PASSES = int(sys.argv[2])

def tree():
    me = psutil.Process()
    all_of_us = [me, *me.children(recursive=True)]
    return {
        "rss": [p.memory_info().rss for p in all_of_us],
        "fds": [p.num_fds() for p in all_of_us],
        "threads": [p.num_threads() for p in all_of_us],
    }

def main():
    streamkm.convert(np.arange(20000.0)[:, None], "x.zarr", chunk_rows=1250)
    seen, marks = [0], {}

    def listen(event):
        seen[0] += isinstance(event, PassStarted)
        if isinstance(event, PassStarted) and seen[0] in (N_PASSES // 10, N_PASSES // 2, N_PASSES):
            marks[seen[0]] = tree()

    def fit(executor):
        executor.listener = listen
        start = np.arange(40.0)[:, None]
        streamkm.KMeans(40, init=start, n_init=1, tol=0, max_iter=N_PASSES + 20, run_dir="run",
                        executor=executor).fit("x.zarr")

    if sys.argv[1] == "threads":
        fit(make_executor("threads", 2))
    else:
        with local_cluster(2, 2 << 30) as executor:
            fit(executor)
    print(json.dumps(list(marks.values())))

if __name__ == "__main__":
    main()
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("crew", "n_passes"), [("threads", 1000), ("cluster", 300)])
def test_nothing_grows_with_the_passes(crew, n_passes, tmp_path):
    (tmp_path / "long.py").write_text(SCRIPT)
    found = subprocess.run(
        [sys.executable, "long.py", crew, str(n_passes)],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=590,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-2000:]
    _, middle, end = json.loads(found.stdout)
    assert len(middle["rss"]) == len(end["rss"]) == (1 if crew == "threads" else 4)
    for before, after in zip(middle["rss"], end["rss"], strict=True):
        assert after - before < 16 * MIB
    for before, after in zip(middle["fds"], end["fds"], strict=True):
        assert after <= before + 2
    for before, after in zip(middle["threads"], end["threads"], strict=True):
        assert after <= before + 2
