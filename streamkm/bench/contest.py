"""The rounds of one case: every contestant in its process, one after the other, again and again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamkm.bench.cases import Measure
from streamkm.bench.contestants import Contestant, asked, missing, version_of
from streamkm.bench.figures import Result, Round
from streamkm.bench.process import ContestantError, Process
from streamkm.bench.rows import Prepared, inertia_of
from streamkm.bench.task import Crew, Task
from streamkm.errors import StreamKMError
from streamkm.runtime.memory import available_bytes, format_bytes

WARM: Final = 3  # iterations of the first fit: it compiles and starts pools, and is watched


@dataclass(frozen=True, slots=True)
class Settings:
    """How a case is measured.

    Parameters
    ----------
    repeats
        Rounds.
    iterations
        Of the longer of the two fits whose difference gives one pass, less
        that of the shorter one.
    max_iter
        The most iterations to convergence.
    peers
        Distributions of the peers that take part; None for all that are installed.
    crew
        Who runs streamkm's tasks.
    """

    repeats: int = 5
    iterations: int = 20
    max_iter: int = 300
    peers: tuple[str, ...] | None = None
    crew: Crew = field(default_factory=Crew)


Said = Callable[[str, int, int], None]  # what is done now, steps done, steps in all


def run_case(
    prepared: Prepared, measure: Measure, settings: Settings, folder: Path, say: Said
) -> list[Result]:
    """Measure one case.

    Parameters
    ----------
    prepared
        The case.
    measure
        Which of its measures.
    settings
        How.
    folder
        For centers on their way to the judge.
    say
        Told of every step.

    Returns
    -------
    results
        One for every contestant, in the order of `CONTESTANTS`; who could not
        take part says why.
    """
    rows = prepared.rows
    contestants = asked(
        measure, settings.peers, is_loaded=prepared.array is not None, dtype=rows.dtype.name
    )
    with ExitStack() as stack:
        entries = [_Entry(contestant, prepared, measure) for contestant in contestants]
        total = len(entries) * (settings.repeats + 1)
        for entry in entries:
            entry.start(settings, stack)
        for index, entry in enumerate(entries):
            say(f"{entry.contestant.name}: first fit", index, total)
            entry.begin()
        for turn in range(settings.repeats):
            for index, entry in enumerate(entries):
                done = len(entries) * (turn + 1) + index
                say(f"{entry.contestant.name}: round {turn + 1}", done, total)
                entry.turn(settings, folder)
    return [entry.result() for entry in entries]


class _Entry:
    """A contestant in one case: its process, and what it has done so far."""

    def __init__(self, contestant: Contestant, prepared: Prepared, measure: Measure) -> None:
        self.contestant = contestant
        self._prepared, self._measure = prepared, measure
        self._process: Process | None = None
        self._skipped = missing(contestant)
        self._rounds: list[Round] = []
        self._first: dict[str, Any] = {}
        self._inertia: float | None = None

    def start(self, settings: Settings, stack: ExitStack) -> None:
        """Start the process; it loads its rows while others do."""
        self._skipped = self._skipped or self._too_large()
        if self._skipped is not None:
            return
        case = self._prepared.case
        task = Task(
            self.contestant.maker, self.contestant.way, self._prepared.array, case.source,
            self._prepared.start, self._measure, settings.crew,
        )  # fmt: skip
        self._process = stack.enter_context(Process(task))

    def begin(self) -> None:
        """Wait until the rows are loaded, and fit for the first time."""
        if self._process is None:
            return
        try:
            self._process.wait()
            first = self._process.fit(WARM, is_watched=True)
            self._first["first_call_s"] = first["seconds"]
            self._first.update({key: first[key] for key in ("peak_bytes", "held_bytes")})
        except ContestantError as error:
            self._give_up(error)

    def turn(self, settings: Settings, folder: Path) -> None:
        """Time the contestant once more."""
        if self._process is None:
            return
        try:
            if self._measure == "pass":
                short = self._process.fit(1)
                long = self._process.fit(1 + settings.iterations)
                self._rounds.append(Round.of_passes(short, long))
                return
            is_last = len(self._rounds) + 1 == settings.repeats
            centers = str(folder / "centers.npy") if is_last else None
            whole = self._process.fit(settings.max_iter, centers=centers)
            self._rounds.append(Round.of_fit(whole))
            if centers is not None:
                self._inertia = inertia_of(self._prepared.rows, np.load(centers))
        except ContestantError as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Leave a peer out that fails; where streamkm fails, there is nothing to compare."""
        if self.contestant.package == "streamkm":
            raise StreamKMError(f"streamkm's own fit failed: {error}") from error
        self._process, self._skipped = None, f"failed: {error}"

    def _too_large(self) -> str | None:
        """Return why a peer cannot hold the rows, where it cannot."""
        if self.contestant.package in ("streamkm", "dask_ml"):
            return None
        needed = 4 * self._prepared.rows.shape[0] * self._prepared.rows.shape[1]
        free = available_bytes()
        if needed <= free:
            return None
        return f"{format_bytes(needed)} as float32 in memory, of which {format_bytes(free)} is free"

    def result(self) -> Result:
        """Return what was measured."""
        rows = self._prepared.rows
        return Result(
            case=self._prepared.title,
            shape=(*rows.shape, rows.dtype.name, self._prepared.case.n_clusters),
            measure=self._measure,
            contestant=self.contestant.name,
            version=version_of(self.contestant.distribution),
            rounds=() if self._skipped else tuple(self._rounds),
            inertia=self._inertia,
            skipped=self._skipped,
            **self._first,
        )
