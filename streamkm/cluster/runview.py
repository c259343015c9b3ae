"""A run directory as people see it: read while the fit goes on, and never changed."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamkm.cluster.rundir import (
    CHECKPOINT,
    FINISHED,
    HISTORY,
    PROGRESS,
    REPEATED,
    RUN,
    RunDir,
)
from streamkm.errors import StoreError
from streamkm.typing import Json


@dataclass(frozen=True, slots=True)
class RunView:
    """What a run directory says at one moment.

    Parameters
    ----------
    path
        The folder.
    run
        Algorithm, parameters, data: `run.json`.
    history
        One record a pass, those that were written so far.
    progress
        The pass that is under way, or the one that has just ended; None where there
        is neither.
    result
        What came of the fit, None until it is finished.
    idle_s
        Seconds since the fit last wrote anything here.
    is_locked
        Whether a process that is alive is at work here; False also where the lock of
        another machine cannot be seen.
    """

    path: Path
    run: Json
    history: list[Json]
    progress: Json | None
    result: Json | None
    idle_s: float
    is_locked: bool

    @property
    def is_finished(self) -> bool:
        """Whether the fit has ended by itself."""
        return self.result is not None

    @property
    def goes_on_by(self) -> str:
        """What goes on with it once it has stopped, in words."""
        if self.run["algorithm"] in REPEATED:
            return "the command that began it, given again"
        if self.run.get("_model") is None:
            return f"streamkm.resume({str(self.path)!r}) in Python"
        return f"streamkm resume {self.path}"

    @property
    def state(self) -> Literal["finished", "running", "stopped"]:
        """What has become of the fit, as the lock says it."""
        if self.is_finished:
            return "finished"
        return "running" if self.is_locked else "stopped"

    @property
    def about(self) -> Json:
        """What the rows are: source, n_rows, n_features, dtype; empty in runs of old."""
        found = self.run.get("_about")
        return found if isinstance(found, dict) else {}


def view_run(path: str | Path) -> RunView:
    """Read a run directory.

    Parameters
    ----------
    path
        Folder that `fit` was given as `run_dir` (`--run`).

    Raises
    ------
    StoreError
        If the folder holds no run.
    """
    run = RunDir(path)
    if not run.exists():
        what = "holds no run" if run.path.is_dir() else "no such folder"
        raise StoreError(
            f"{path}: {what}; give the folder that `streamkm fit --run` was given, once its first "
            "pass has begun"
        )
    result = _read(run.path / FINISHED)
    progress = None if result else _read(run.path / PROGRESS)
    if progress and _written(run.path / PROGRESS) < _written(run.path / HISTORY):
        progress["rows_done"] = progress["n_rows"]  # that pass has ended since
    newest = max(_written(run.path / name) for name in (RUN, HISTORY, CHECKPOINT, PROGRESS))
    idle_s = max(time.time() - newest, 0.0)
    history = _history(run.path / HISTORY)
    return RunView(run.path, run.read(), history, progress, result, idle_s, run.is_running())


def find_runs(folder: str | Path) -> list[RunView]:
    """Return the runs in a folder, or the one that it is, by their paths.

    Raises
    ------
    StoreError
        If there is no such folder.
    """
    if not Path(folder).is_dir():
        raise StoreError(f"{folder}: no such folder")
    found = []
    for path, below, files in os.walk(folder):
        below.sort()
        if "zarr.json" in files:  # a store: it may have a million files
            below.clear()
        elif RUN in files:
            found.append(view_run(path))
    return found


def _read(file: Path) -> Json | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _history(file: Path) -> list[Json]:
    """Return the records; the last line may be half written at this moment."""
    records: list[Json] = []
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return records
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict):
            break
        records.append(record)
    return records


def _written(file: Path) -> float:
    """Return when a file was last written, 0 where there is none."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
