"""Lloyd passes of worker processes, each of which keeps what it knows of its groups' rows."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from streamkm.data.here import kept_here
from streamkm.kernels.centers import prepare
from streamkm.kernels.frame import Frame
from streamkm.kernels.kept_rows import KeptPass, KeptRows, bytes_per_row
from streamkm.kernels.kept_sums import KeptAccumulator, KeptSums, merged
from streamkm.kernels.lloyd import Grids, PartialSums
from streamkm.kernels.motion import Motion
from streamkm.typing import F64, I64, Rows

# Which rows: a group's first row, and how many.
Which = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SentPass:
    """A pass of one model, as the workers need it.

    Parameters
    ----------
    token, model
        Of the fit, and which of its models: under these a worker keeps what it knows.
    number, since
        Names of this pass and of the model's pass before: what a worker knows since
        that one is of use, and nothing else. Empty before the first.
    order
        The order of the centers in their groups, shape (n_clusters,).
    n_groups
        Groups of centers; 0 where only labels are kept.
    motion
        How far the centers moved since the pass before; None in the first.
    budget_bytes
        The most that each worker keeps.
    """

    token: str
    model: int
    number: str
    since: str
    order: I64
    n_groups: int
    motion: Motion | None
    budget_bytes: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a group after a pass: labels, bounds, and the sums that follow."""

    number: str
    rows: KeptRows
    sums: PartialSums

    @property
    def n_bytes(self) -> int:
        """Bytes that it takes."""
        return len(self.rows.labels) * bytes_per_row(self.rows.n_groups) + sums_bytes(self.sums)


def sums_bytes(sums: PartialSums) -> int:
    """Return the bytes of a group's sums."""
    own = (sums.sums, sums.weights, sums.squares)
    return sums.counts.nbytes + sum(part.limbs.nbytes for part in own if part is not None)


class Knowledge:
    """What one worker knows of its groups, under one model; as much as fits."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._known: dict[Which, Known] = {}
        self._used_bytes = 0
        self._lock = threading.Lock()

    def take(self, which: Which, number: str) -> Known | None:
        """Return what is known since pass `number`, and forget it: a task may fail half-way."""
        with self._lock:
            found = self._known.pop(which, None)
            self._used_bytes -= found.n_bytes if found else 0
        return found if found and found.number == number else None

    def put(self, which: Which, known: Known) -> None:
        """Keep it, where it fits."""
        with self._lock:
            if self._used_bytes + known.n_bytes <= self.budget_bytes:
                self._known[which] = known
                self._used_bytes += known.n_bytes

    def close(self) -> None:
        """Forget all, and keep nothing from then on."""
        with self._lock:
            self.budget_bytes = 0
            self._known.clear()
            self._used_bytes = 0


class SentAccumulator:
    """Labels a group's rows and adds them: from what is known of them, or anew, to the same bits.

    Sums are the whole group's in any case, so that whatever a worker has lost
    costs time and nothing else.
    """

    def __init__(
        self, passed: SentPass, centers: F64, frame: Frame, grids: Grids, group: Any
    ) -> None:
        self.passed, self.which = passed, (int(group.start), int(group.n_rows))
        self.knowledge = kept_here(
            passed.token, passed.model, lambda: Knowledge(passed.budget_bytes)
        )
        self.before = self.knowledge.take(self.which, passed.since)
        rows = KeptRows.empty(group.n_rows, passed.order, passed.n_groups)
        motion = None
        if self.before is not None:
            rows, motion = self.before.rows, passed.motion
        ready = prepare(centers, frame, passed.order)
        self.own = KeptAccumulator(KeptPass(rows, ready, motion), grids)

    def add(self, start: int, rows: Rows, weights: F64 | None) -> None:
        """Add a block whose first row is row `start` of the data."""
        self.own.add(start - self.which[0], rows, weights)

    def result(self) -> KeptSums:
        """Return the group's sums, and keep what is known of it."""
        found = self.own.result()
        sums = merged([self.before.sums if self.before else None, found.change])
        assert sums is not None
        self.knowledge.put(self.which, Known(self.passed.number, self.own.passed.rows, sums))
        return KeptSums(sums, None, found.n_moved)
