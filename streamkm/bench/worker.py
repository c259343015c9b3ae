"""A contestant's process: fits when it is told to, and says what it took.

It reads a task and then commands, one JSON object a line, and answers each
with one.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import warnings
from typing import Any

import numpy as np

from streamkm.bench.task import Fit, Fitted, Task
from streamkm.errors import StreamKMError
from streamkm.runtime.memory import PeakMeter
from streamkm.typing import Json

SAMPLED_S = 0.005


def main() -> None:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    warnings.simplefilter("ignore")  # that it stopped before it converged is what was asked

    def say(answer: Json) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    try:
        task = Task.from_json(sys.stdin.readline())
        with _maker(task.maker)(task) as fit:
            say({})
            for line in sys.stdin:
                say(_run(fit, **json.loads(line)))
    except Exception as error:  # noqa: BLE001 - the parent decides what it means
        text = " ".join(str(error).split()) or type(error).__name__
        is_ours = isinstance(error, StreamKMError)
        say({"error": text if is_ours else f"{type(error).__name__}: {text}", "is_ours": is_ours})


def _maker(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _run(fit: Fit, max_iter: int, *, is_watched: bool = False, centers: str | None = None) -> Json:
    """Fit once; a watched fit also says the peak of memory, and is a little slower for it."""
    gc.collect()
    memory = {}
    if is_watched:
        with PeakMeter(SAMPLED_S) as peak:
            found, seconds = _timed(fit, max_iter)
        memory = {"peak_bytes": peak.peak_bytes, "held_bytes": peak.held_bytes}
    else:
        found, seconds = _timed(fit, max_iter)
    if centers is not None:
        np.save(centers, np.asarray(found.centers, np.float64))
    said = {"seconds": seconds, "n_iter": int(found.n_iter), "bytes_read": found.bytes_read}
    return {**said, **memory}


def _timed(fit: Fit, max_iter: int) -> tuple[Fitted, float]:
    begin = time.perf_counter()
    found = fit(max_iter)
    return found, time.perf_counter() - begin
