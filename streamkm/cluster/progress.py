"""How far a running fit is, in one small file of its run directory.

For people who look on: it is no part of the result, and resuming ignores it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from streamkm.cluster.rundir import PROGRESS, RunDir
from streamkm.runtime.base import Executor
from streamkm.runtime.events import Event, GroupDone, PassDone, PassStarted
from streamkm.typing import Json, Listener

EVERY_S: Final = 1.0
START_EVERY_S: Final = 0.2  # a long pass may not report for minutes: its beginning should be seen


class ProgressFile:
    """Listens to events and keeps `progress.json` fresh, at most once a second.

    Parameters
    ----------
    folder
        The run directory.
    executor
        Who runs the tasks: the file says how many there are.
    then
        Who listened before, and hears everything still.
    """

    def __init__(self, folder: Path, executor: Executor, then: Listener | None) -> None:
        self._file = folder / PROGRESS
        self._executor = executor
        self._then = then
        self._lock = threading.Lock()  # a cluster's word comes on another thread
        self._workers = executor.crew()
        self._state: Json = {}
        self._begin = self._written = 0.0

    def __call__(self, event: Event) -> None:
        """Take an event, and pass it on."""
        now = time.monotonic()
        if isinstance(event, PassStarted) and now - self._written >= EVERY_S:
            self._workers = self._executor.crew()  # not under the lock: a cluster is asked
        with self._lock:
            match event:
                case PassStarted():
                    is_due = now - self._written >= START_EVERY_S
                    self._begin, self._state = now, _begun(event)
                case GroupDone(n_rows=n_rows):
                    is_due = now - self._written >= EVERY_S
                    # A task that is run again says its rows again.
                    done = self._state.get("rows_done", 0) + n_rows
                    self._state["rows_done"] = min(done, self._state.get("n_rows", done))
                case PassDone():
                    is_due = False
            if is_due:
                self._write(now)
        if self._then is not None:
            self._then(event)

    def _write(self, now: float) -> None:
        """Replace the file, without waiting for the disk: after a power cut nobody misses it."""
        self._written = now
        content = {**self._state, "pass_s": round(now - self._begin, 3), "workers": self._workers}
        temporary = self._file.with_name(f".{PROGRESS}.{os.getpid()}.partial")
        with suppress(OSError):  # a fit does not fail for what only people read
            temporary.write_text(json.dumps(content), encoding="utf-8")
            temporary.replace(self._file)


def _begun(event: PassStarted) -> Json:
    """Return what is to be said of a pass that begins."""
    return {"stage": event.stage, "title": event.title, "n_rows": event.n_rows, "rows_done": 0}


@contextmanager
def shown(executor: Any, run: RunDir | None) -> Iterator[None]:
    """Keep the progress file of a run while the block runs; without a run, do nothing."""
    if run is None:
        yield
        return
    before = executor.listener
    executor.listener = ProgressFile(run.path, executor, before)
    try:
        yield
    finally:
        executor.listener = before
