"""The run directory: parameters, a checkpoint after every pass, the history as JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from streamkm.cluster.checkpoint import pack, unpack
from streamkm.cluster.differences import differences
from streamkm.cluster.journal import PASSES, Journal, forget
from streamkm.cluster.state import FitState
from streamkm.data.atomic import write_atomically, writing
from streamkm.data.lock import is_locked, only_one
from streamkm.data.spec import check_version
from streamkm.data.store import discard, remove_leftovers
from streamkm.errors import ClusterError, StorageError, StoreError
from streamkm.typing import Json

FORMAT_VERSION: Final = 1
NUMERICS_VERSION: Final = 2  # raised when the same input would give other bits
RUN: Final = "run.json"
HISTORY: Final = "history.jsonl"
CHECKPOINT: Final = "checkpoint.npz"
PREVIOUS: Final = "checkpoint-previous.npz"
FINISHED: Final = "finished.json"
PROGRESS: Final = "progress.json"  # for people who look on; resuming ignores it
EMBEDDING: Final = "embedding.zarr"  # of a spectral clustering, while it is under way
LOCK: Final = ".lock"
LOOK: Final = "look"  # the journal of what comes before the run's first pass
OURS: Final = (HISTORY, CHECKPOINT, PREVIOUS, FINISHED, PROGRESS)  # and RUN
REPEATED: Final = ("coreset", "score")  # runs that no model comes of: their command goes on


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
        self._journal: Journal | None = None

    def journal(self, every_s: float, about: str) -> Journal:
        """Return where the pass under way is written; each checkpoint clears it."""
        self._journal = Journal(self.path, every_s, f"{about} {NUMERICS_VERSION}")
        return self._journal

    def look_journal(self, every_s: float, about: str) -> Journal:
        """Return where the look at the rows is written; it serves until the run ends."""
        return Journal(self.path, every_s, f"{about} {NUMERICS_VERSION}", LOOK)

    def is_running(self) -> bool:
        """Tell whether a fit is under way here; always False where files have no locks."""
        return is_locked(self.path / LOCK)

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
        self.check(run)
        if self.exists():
            (self.path / FINISHED).unlink(missing_ok=True)
            return
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._write_run({**run, "numerics_version": NUMERICS_VERSION})

    def check(self, run: Json) -> None:
        """Raise where `begin` would, and write nothing."""
        run = {**run, "numerics_version": NUMERICS_VERSION}
        if self.exists():
            found = self.read()
            what = differences(found, run)
            if what:
                raise StoreError(f"{self.path} holds another run: {what}; choose another folder")
        elif self.path.exists() and not all(map(_is_empty_of_runs, self.path.iterdir())):
            raise StoreError(f"{self.path} is not empty and holds no run; choose another folder")

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
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{self.path}: holds no run to resume") from error
        return check_version(values, str(self.path), "run", FORMAT_VERSION)

    def _write_run(self, run: Json) -> None:
        content = {"streamkm": {"format_version": FORMAT_VERSION, "kind": "run", **run}}
        write_atomically(self.path / RUN, json.dumps(content, indent=1).encode())

    def save(self, states: tuple[FitState, ...], history: list[Json]) -> None:
        """Write history, then the checkpoint; the last two are kept.

        Raises
        ------
        StorageError
            If the disk is full, or refuses; the checkpoint before is then still there.
        """
        content = pack(states, len(history))
        checkpoint = self.path / CHECKPOINT
        with writing(self.path):
            self._append(history)
            if checkpoint.exists():
                checkpoint.replace(self.path / PREVIOUS)
            write_atomically(checkpoint, content)
            self._forget()

    def finish(self, history: list[Json], result: Json) -> None:
        """Write the rest of the history, and mark the run as finished with what came of it."""
        with writing(self.path):
            self._append(history)
            write_atomically(self.path / FINISHED, json.dumps(result).encode())
            self._forget_all()

    def seed(self, name: str) -> int | None:
        """Return the seed that a run drew, a parameter of this name; None where there is none."""
        found: int | None = self.read()["parameters"].get(name) if self.exists() else None
        return found

    def _forget(self) -> None:
        if self._journal is not None:
            self._journal.forget()

    def _forget_all(self) -> None:
        for name in (LOOK, PASSES):
            forget(self.path, name)

    def remove(self) -> None:
        """Delete the run and its folder; files that are not the run's stay.

        Raises
        ------
        BusyError
            If a fit is under way there.
        """
        with taken(self.path):
            (self.path / RUN).unlink(missing_ok=True)  # first: without it there is no run
            for name in OURS:
                (self.path / name).unlink(missing_ok=True)
            self._forget_all()
            discard(self.path / EMBEDDING)
            remove_leftovers(self.path)
        with suppress(OSError):  # there is something else
            self.path.rmdir()

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
                return unpack((self.path / name).read_bytes())
            except Exception:  # noqa: BLE001, S112 - a damaged archive may raise anything
                continue
        return None

    def _read_history(self, n_records: int) -> list[Json]:
        """Read the records of a checkpoint and cut what a killed pass left behind them."""
        try:
            lines = (self.path / HISTORY).read_text(encoding="utf-8").splitlines()[:n_records]
            records = [json.loads(line) for line in lines]
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{self.path}: its history is damaged ({error})") from error
        if not all(isinstance(record, dict) for record in records):
            raise StoreError(f"{self.path}: its history is damaged (a line is no record)")
        write_atomically(self.path / HISTORY, "".join(line + "\n" for line in lines).encode())
        return records


@contextmanager
def taken(path: str | Path | None) -> Iterator[RunDir | None]:
    """Keep a run directory from a second fit for the time of a block; None where there is none.

    Raises
    ------
    BusyError
        If a fit is under way there.
    StorageError
        If the folder cannot be written.
    """
    if path is None:
        yield None
        return
    run = RunDir(path)
    with ExitStack() as stack:
        with writing(run.path):
            run.path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(only_one(run.path / LOCK, f"running in {run.path}"))
        try:
            yield run
        except (ClusterError, StorageError) as error:
            if run.peek() is not None and run.read()["algorithm"] not in REPEATED:
                error.add_note(f"streamkm.resume({str(path)!r}) goes on from its last pass")
            raise


def _is_empty_of_runs(file: Path) -> bool:
    """Tell whether a file may lie where a run begins: one that was killed left it."""
    return file.name == LOCK or file.name.startswith((f".{RUN}.", f"{LOOK}-", f".{LOOK}-"))
