"""Rows that worker processes hold between two full passes, and the iterations on them.

A full pass leaves with each process, group by group, the rows of it that may change soonest.
An iteration is one task for each of a process's threads, over groups that it holds: it says
what changes in the sums, or that it does not find the rows as the pass before left them. Then
its process was lost, or the task was run elsewhere, or again: another full pass is due.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from streamkm.data.here import kept_here, name_here
from streamkm.kernels.active_rows import HELD_BYTES, ActiveAccumulator, ActivePass, ActiveSums
from streamkm.kernels.centers import Centers
from streamkm.kernels.frame import Frame
from streamkm.kernels.held_rows import HeldAway, HeldRows
from streamkm.kernels.kept_rows import KeptPass, KeptRows, bytes_per_row
from streamkm.kernels.kept_sums import KeptAccumulator, KeptSums
from streamkm.kernels.lloyd import Grids
from streamkm.kernels.settle import RowArrays
from streamkm.kernels.update import writable
from streamkm.tasks.base import PassResult, PassStats
from streamkm.tasks.sent import Which
from streamkm.typing import F64, I64, Rows

HELD: Final = "held"


@dataclass(frozen=True, slots=True)
class SentActive:
    """A full pass whose workers hold rows, as they need it.

    Parameters
    ----------
    token
        Of the pass: under it a worker holds rows.
    order
        The order of the centers in their groups, shape (n_clusters,).
    n_groups, pace, share
        As for `ActivePass`.
    budget_bytes
        The most that each worker holds.
    """

    token: str
    order: I64
    n_groups: int
    pace: F64
    share: float
    budget_bytes: int


@dataclass(frozen=True, slots=True)
class HeldContext:
    """Context of an iteration on held rows; without their source, which takes time to open.

    Parameters
    ----------
    centers, frame, grids
        As for any Lloyd pass.
    token
        Of the full pass.
    number, since
        Names of this pass and of the one before, the full pass's token at first.
    """

    centers: F64
    frame: Frame
    grids: Grids
    token: str
    number: str
    since: str

    @property
    def partial_bytes(self) -> int:
        """Bytes of one task's result."""
        return 2 * self.centers.nbytes


@dataclass(frozen=True, slots=True)
class HeldShare:
    """Held rows that one task goes through.

    Parameters
    ----------
    home
        The address of the worker that holds them.
    keys
        Under which it does, as `HeldAway` says.
    n_rows
        How many they are.
    """

    home: str
    keys: tuple[str, ...]
    n_rows: int


@dataclass(frozen=True, slots=True)
class HeldSums:
    """What an iteration changes in the sums, and how many of the rows were not found."""

    sums: KeptSums
    n_lost: int = 0

    @classmethod
    def merge_all(cls, parts: Sequence[HeldSums]) -> HeldSums:
        """Add them all."""
        sums = KeptSums.merge_all([part.sums for part in parts])
        return cls(sums, sum(part.n_lost for part in parts))


@dataclass(frozen=True, slots=True)
class _Held:
    """Rows of some groups, their weights, and what is known of them for a pass and its centers."""

    number: str
    centers: F64
    blocks: tuple[tuple[Rows, F64 | None], ...]
    known: KeptRows

    @property
    def arrays(self) -> RowArrays:
        return self.known.part(0, len(self.known.labels))


class Holdings:
    """What one worker holds since a full pass: as much as fits."""

    def __init__(self, budget_bytes: int = 0) -> None:
        self.budget_bytes = budget_bytes
        self._reserved: dict[Which, tuple[str, int]] = {}  # by group: key, bytes
        self._held: dict[tuple[str, ...], _Held] = {}
        self._lock = threading.Lock()

    def reserve(self, which: Which, n_rows: int, row_bytes: int) -> tuple[str, int]:
        """Return a key to hold rows of a group under, and how many may be held."""
        key = uuid.uuid4().hex
        with self._lock:
            before, _ = self._reserved.pop(which, ("", 0))  # of a task that is run again
            self._held.pop((before,), None)
            left = self.budget_bytes - sum(n_bytes for _, n_bytes in self._reserved.values())
            n_rows = min(n_rows, max(left, 0) // row_bytes)
            self._reserved[which] = key, n_rows * row_bytes
        return key, n_rows

    def put(self, keys: tuple[str, ...], held: _Held) -> None:
        """Hold rows, as a pass left them; not where there is room for another run's instead."""
        with self._lock:
            if {key for key, _ in self._reserved.values()}.issuperset(keys):
                self._held[keys] = held

    def take(self, keys: tuple[str, ...], since: str) -> _Held | None:
        """Return rows as pass `since` left them, and hold them no more: a task may fail half-way.

        None where they are not all here.
        """
        with self._lock:
            whole = self._held.pop(keys, None)
            singles = [] if whole else [self._held.pop((key,), None) for key in keys]
        if whole is None:
            found = [held for held in singles if held is not None]
            if len(found) < len(keys):
                return None
            blocks = tuple(block for held in found for block in held.blocks)
            known = KeptRows.joined([held.arrays for held in found], found[0].known.order)
            whole = replace(found[0], blocks=blocks, known=known)
        return whole if whole.number == since else None

    def close(self) -> None:
        """Forget all, and hold nothing from then on."""
        with self._lock:
            self.budget_bytes = 0
            self._reserved.clear()
            self._held.clear()


class HoldingAccumulator:
    """Labels a group's rows, adds them, and has this process hold those that may change soonest."""

    def __init__(self, passed: SentActive, centers: Centers, grids: Grids, group: Any) -> None:
        self.passed = passed
        self.which: Which = (int(group.start), int(group.n_rows))
        own = ActivePass(centers, passed.n_groups, writable(passed.pace), passed.share)
        self.own = ActiveAccumulator(own, grids, group.n_rows)
        self.holdings = kept_here(passed.token, HELD, lambda: Holdings(passed.budget_bytes))
        self._key = ""
        self._extra_bytes = HELD_BYTES + bytes_per_row(passed.n_groups)

    def add(self, start: int, rows: Rows, weights: F64 | None) -> None:
        """Add a block whose first row is row `start` of the data."""
        if not self._key:
            row_bytes = rows[:1].nbytes + self._extra_bytes
            wanted = self.own.capacity
            self._key, self.own.capacity = self.holdings.reserve(self.which, wanted, row_bytes)
        self.own.add(start, rows, weights)

    def result(self) -> ActiveSums:
        """Return the sums, and say what is held here."""
        found = self.own.result()
        parts = [part for part in found.held if isinstance(part, HeldRows)]
        if not parts:
            return found
        known = KeptRows.joined([part.known for part in parts], self.passed.order)
        blocks = tuple((part.rows, part.weights) for part in parts)
        self.holdings.put(
            (self._key,), _Held(self.passed.token, self.own.passed.centers.exact, blocks, known)
        )
        return replace(found, held=(HeldAway(self._key, len(known.labels), name_here()),))


def lloyd_held(group: HeldShare, context: HeldContext) -> PassResult:
    """Pass over the rows of a share that this process holds: HeldSums."""
    holdings = kept_here(context.token, HELD, Holdings)
    held = holdings.take(group.keys, context.since)
    if held is None:
        return PassResult((HeldSums(KeptSums(None, None, 0), group.n_rows),), PassStats())
    begin, start = time.perf_counter(), 0
    passed = KeptPass.over(held.known, context.centers, held.centers, context.frame)
    own = KeptAccumulator(passed, context.grids)
    for rows, weights in held.blocks:
        own.add(start, rows, weights)
        start += len(rows)
    result = own.result()
    holdings.put(group.keys, replace(held, number=context.number, centers=context.centers))
    stats = PassStats(n_rows=start, compute_s=time.perf_counter() - begin)
    return PassResult((HeldSums(result),), stats)
