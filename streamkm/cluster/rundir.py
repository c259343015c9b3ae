"""The run directory: parameters, a checkpoint after every pass, the history as JSON lines."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamkm.cluster.state import FitState
from streamkm.data.atomic import write_atomically
from streamkm.data.spec import check_version
from streamkm.errors import StorageError, StoreError
from streamkm.typing import Json

FORMAT_VERSION: Final = 1
NUMERICS_VERSION: Final = 2  # raised when the same input would give other bits
RUN: Final = "run.json"
HISTORY: Final = "history.jsonl"
CHECKPOINT: Final = "checkpoint.npz"
PREVIOUS: Final = "checkpoint-previous.npz"
FINISHED: Final = "finished.json"
NUMBERS: Final = ("n_iter", "inertia", "center_shift", "converged", "restart")


class RunDir:
    """One run on disk.

    Parameters
    ----------
    path
        The folder; created by `begin`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._n_written = 0

    def begin(self, run: Json) -> None:
        """Create the run, or make sure that the folder holds this same one.

        Parameters
        ----------
        run
            What must agree: algorithm, parameters, data. Keys with a leading
            underscore may differ.

        Raises
        ------
        StoreError
            If the folder holds another run; says what differs.
        """
        run = {**run, "numerics_version": NUMERICS_VERSION}
        if self.exists():
            found = self.read()
            keys = [key for key in run if not key.startswith("_")]
            differing = [key for key in keys if found.get(key) != run[key]]
            if differing:
                what = "; ".join(_difference(key, found.get(key), run[key]) for key in differing)
                raise StoreError(f"{self.path} holds another run: {what}; choose another folder")
            (self.path / FINISHED).unlink(missing_ok=True)
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if any(self.path.iterdir()):
                raise StoreError(
                    f"{self.path} is not empty and holds no run; choose another folder"
                )
            self._write_run(run)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written ({error})") from error

    def exists(self) -> bool:
        """Return whether a run has begun here."""
        return (self.path / RUN).exists()

    def read(self) -> Json:
        """Return what the run is.

        Raises
        ------
        StoreError
            If the folder holds no run, or one of a newer format.
        """
        try:
            values = json.loads((self.path / RUN).read_text())
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.path}: holds no run to resume") from error
        return check_version(values, str(self.path), "run", FORMAT_VERSION)

    def _write_run(self, run: Json) -> None:
        content = {"streamkm": {"format_version": FORMAT_VERSION, "kind": "run", **run}}
        write_atomically(self.path / RUN, json.dumps(content, indent=1).encode())

    def save(self, states: tuple[FitState, ...], history: list[Json]) -> None:
        """Write history, then the checkpoint; the last two are kept."""
        self._append(history)
        arrays: dict[str, Any] = {"n_history": np.array(len(history))}
        for name in NUMBERS:
            arrays[name] = np.array([getattr(state, name) for state in states])
        for i, state in enumerate(states):
            arrays[f"centers_{i}"] = state.centers
            arrays[f"counts_{i}"] = state.counts
            arrays |= {f"extra_{i}_{name}": values for name, values in state.extra.items()}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        checkpoint = self.path / CHECKPOINT
        if checkpoint.exists():
            checkpoint.replace(self.path / PREVIOUS)
        write_atomically(checkpoint, buffer.getvalue())

    def finish(self, history: list[Json], result: Json) -> None:
        """Write the rest of the history, and mark the run as finished with what came of it."""
        self._append(history)
        write_atomically(self.path / FINISHED, json.dumps(result).encode())

    def _append(self, history: list[Json]) -> None:
        with open(self.path / HISTORY, "a", encoding="utf-8") as stream:
            for record in history[self._n_written :]:
                stream.write(json.dumps(record) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._n_written = len(history)

    def load(self) -> tuple[tuple[FitState, ...], list[Json]] | None:
        """Return the newest readable checkpoint and the history up to it, or None."""
        found = self.peek()
        if found is None:
            (self.path / HISTORY).unlink(missing_ok=True)
            return None
        states, n_history = found
        history = self._read_history(n_history)
        self._n_written = n_history
        return states, history

    def peek(self) -> tuple[tuple[FitState, ...], int] | None:
        """Return the newest readable checkpoint and its number of records; change nothing."""
        for name in (CHECKPOINT, PREVIOUS):
            try:
                content = io.BytesIO((self.path / name).read_bytes())
                with np.load(content) as arrays:
                    return _read_states(arrays), int(arrays["n_history"])
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                continue
        return None

    def _read_history(self, n_records: int) -> list[Json]:
        """Read the records of a checkpoint and cut what a killed pass left behind them."""
        try:
            lines = (self.path / HISTORY).read_text(encoding="utf-8").splitlines()[:n_records]
            records = [json.loads(line) for line in lines]
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.path}: its history is damaged ({error})") from error
        write_atomically(self.path / HISTORY, "".join(line + "\n" for line in lines).encode())
        return records


def _difference(key: str, there: Any, here: Any) -> str:
    """Say in a few words what differs."""
    if isinstance(there, dict) and isinstance(here, dict):
        names = [n for n in here if there.get(n) != here[n]]
        return ", ".join(
            f"{n} is {str(there.get(n))[:40]} there, {str(here[n])[:40]} here" for n in names
        )
    if key in ("fingerprint", "weights"):
        return f"the {'data' if key == 'fingerprint' else 'weights'} differ"
    return f"{key} is {there} there, {here} here"


def _read_states(arrays: Any) -> tuple[FitState, ...]:
    numbers = [arrays[name].tolist() for name in NUMBERS]
    return tuple(
        FitState(
            centers=arrays[f"centers_{i}"],
            counts=arrays[f"counts_{i}"],
            extra=_read_extra(arrays, f"extra_{i}_"),
            **dict(zip(NUMBERS, values, strict=True)),
        )
        for i, values in enumerate(zip(*numbers, strict=True))
    )


def _read_extra(arrays: Any, prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
