"""Which rows may change soonest: chosen while all are read, held until the others may too.

A full pass finds for every row how far centers may move before it can change: its lower bound on
the distance to any other center less the upper bound on that to its own. Rows with the least room
are held, as many as fit; the others are constant in all sums until the centers have moved by the
least room among them. Or, with a sketch of all rows, as long as it tells that none has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.accumulate import SumsAccumulator
from streamkm.kernels.bounds import assign_moved, widen
from streamkm.kernels.centers import Centers
from streamkm.kernels.held_rows import HeldAway, HeldRows
from streamkm.kernels.kept_rows import KeptRows
from streamkm.kernels.lasting import BINS, count_lasting, find_lasting, keep_least
from streamkm.kernels.lloyd import Grids, PartialSums
from streamkm.kernels.motion import Motion
from streamkm.kernels.settle import RowArrays
from streamkm.kernels.sketch import Sketch
from streamkm.typing import F32, F64, I32, I64, Rows

HELD_BYTES: Final = 32  # of a held row, beside its values: weight, room, lasting time, number
SAMPLED: Final = 8  # one in so many rows is measured where none is held


@dataclass(frozen=True, slots=True)
class ActivePass:
    """A full pass that chooses which rows to hold.

    Parameters
    ----------
    centers
        In the order of their groups.
    n_groups
        Groups of centers: lower bounds that held rows get.
    pace
        By how much the room of a cluster's rows may shrink in an iteration,
        shape (n_clusters,): what a row's room is measured in.
    share
        Of the rows: how many are held; 0 only measures.
    sketch
        Of rows that do not last `far` iterations by their room, to tell of them more exactly;
        None where it would leave too little for rows.
    most
        Iterations: a row that lasts longer is taken not to be among those to be held.
    kept
        Labels and bounds of all rows, which the pass brings up to date; None without a sketch.
    motion
        How far centers moved since they were; None where nothing is known of them. Else sums are
        what changes in those of the labels.
    """

    centers: Centers
    n_groups: int
    pace: F64
    share: float
    sketch: Sketch | None = None
    far: float = 0.0
    most: float = np.inf
    kept: KeptRows | None = None
    motion: Motion | None = None

    @property
    def order(self) -> I64:
        """The order of the centers in their groups, shape (n_clusters,)."""
        return self.centers.slots[: len(self.centers.exact)].astype(np.int64)

    def lasting(self, known: RowArrays) -> tuple[F64, F64]:
        """Return the room of rows, and for how many iterations it lasts."""
        room, lasts = np.empty(len(known[0])), np.empty(len(known[0]))
        find_lasting(known, self.pace, room, lasts)
        return room, lasts


@dataclass(frozen=True, slots=True)
class ActiveSums:
    """Sums of all rows, the rows that are held, and the room of the others.

    Parameters
    ----------
    whole
        Sums of all rows, or what changes in them.
    held
        By stretch of the data.
    room
        Least room of the rows that are not held, by cluster, shape
        (n_clusters,); infinite where there are none.
    lasting
        Rows by how many iterations they last at the present pace, in quarters
        of an octave, shape (BINS,).
    """

    whole: PartialSums
    held: tuple[HeldRows | HeldAway, ...]
    room: F64
    lasting: I64

    @classmethod
    def merge_all(cls, parts: Sequence[ActiveSums]) -> ActiveSums:
        """Add the sums, list what is held, keep the least room."""
        return cls(
            PartialSums.merge_all([part.whole for part in parts]),
            tuple(held for part in parts for held in part.held),
            np.min([part.room for part in parts], axis=0),
            np.sum([part.lasting for part in parts], axis=0),
        )


class ActiveAccumulator:
    """Labels blocks of rows, adds them, and holds those that may change soonest."""

    def __init__(self, passed: ActivePass, grids: Grids, n_rows: int) -> None:
        self.passed = passed
        self.sums = SumsAccumulator(len(passed.pace), grids, passed.centers.frame)
        self.capacity = int(passed.share * n_rows)
        self.room = np.full(len(passed.pace), np.inf)
        self.lasting = np.zeros(BINS, np.int64)
        self.n_held = 0
        self._limit = passed.most  # a row that lasts longer is not held
        self._arrays: tuple[Rows, ...] | None = None

    def add(self, start: int, rows: Rows, weights: F64 | None) -> None:
        """Add a block whose first row is row `start` of the data."""
        passed, n = self.passed, len(rows)
        kept = passed.kept or KeptRows.empty(n, np.empty(0, np.int64), passed.n_groups)
        begin = start if passed.kept else 0
        known = kept.part(begin, begin + n)
        seen = self._label(rows, weights, known)
        self.sums.n_bad += int(np.count_nonzero(known[0] < 0))
        room, lasts = passed.lasting(known)
        if passed.sketch is not None:
            self._ask_sketch(passed.sketch, start, rows, seen, known[0], room, lasts)
        count_lasting(lasts, self.lasting)
        chosen = self._hold(start, rows, weights, known, room, lasts)
        room[chosen] = np.inf
        keep_least(known[0], room, self.room)

    def _label(self, rows: Rows, weights: F64 | None, known: RowArrays) -> F32 | None:
        """Label a block and add it, or what changes; return what was seen of its near rows, if so.

        Rows whose bounds hold for long are not looked at.
        """
        passed, sketch, labels = self.passed, self.passed.sketch, known[0]
        if sketch is None or passed.motion is None:
            assign_moved(rows, passed.centers, None, known)
            self.sums.add_labeled(rows, weights, labels)
            return None
        is_open = widen(passed.motion, passed.centers, known)
        near = np.flatnonzero(is_open | (passed.lasting(known)[1] < passed.far))
        before = labels.copy()
        seen = np.empty((len(rows), sketch.seen.shape[1]), np.float32)
        seen[near] = sketch.see(rows, near)
        sketch.assign(rows, near, seen, known)
        moved = np.flatnonzero(labels != before)
        self.sums.move(rows, weights, moved, before[moved], labels)
        return seen

    def _ask_sketch(
        self, sketch: Sketch, start: int, rows: Rows, seen: F32 | None, labels: I32, room: F64,
        lasts: F64,
    ) -> None:  # fmt: skip
        """Add the rows of a block whose room does not last; it is asked where it tells more."""
        near = np.flatnonzero(lasts < self.passed.far)
        every = 1 if self.passed.share else SAMPLED
        some = near[::every]
        there = sketch.see(rows, some) if seen is None else seen[some]
        found = np.repeat(sketch.foresee(there, labels[some]), every)[: len(near)]
        is_asked = found > lasts[near]
        lasts[near] = np.maximum(lasts[near], found)
        room[near[is_asked]] = np.inf
        if self.passed.share:
            sketch.seen[start + near] = there
            sketch.labels[start + near] = np.where(is_asked, labels[near], -1)

    def _hold(
        self, start: int, rows: Rows, weights: F64 | None, known: RowArrays, room: F64, lasts: F64
    ) -> I64:
        """Hold rows of a block in place of held ones that last longer; return which."""
        wanted = np.flatnonzero(lasts < self._limit)[: None if self.capacity else 0]
        if not len(wanted):
            return wanted
        if self._arrays is None:
            n, (labels, upper, lower) = self.capacity, known
            mass = rows[:0, 0].astype(np.float64) if weights is None else weights
            self._arrays = tuple(
                np.empty((n, *like.shape[1:]), like.dtype)
                for like in (rows, mass, labels, upper, lower, room, lasts, wanted)
            )
        held = self._arrays[6][: self.n_held]
        everyone = np.concatenate([held, lasts[wanted]])
        kept = np.arange(len(everyone))
        if len(everyone) > self.capacity:
            kept = np.argpartition(everyone, self.capacity - 1)[: self.capacity]
            self._limit = float(everyone[kept].max())
        gone = np.setdiff1d(np.arange(self.n_held), kept, assume_unique=True)
        keep_least(self._arrays[2][gone], self._arrays[5][gone], self.room)
        chosen = wanted[kept[kept >= self.n_held] - self.n_held]
        n_after = len(kept)
        places = np.concatenate([gone, np.arange(self.n_held, n_after)])
        mass = np.ones(len(rows)) if weights is None else weights
        fresh: tuple[Rows, ...] = (rows, mass, *known, room, lasts, np.arange(len(rows)) + start)
        for array, values in zip(self._arrays, fresh, strict=True):
            array[places] = values[chosen]
        self.n_held = n_after
        return chosen

    def result(self) -> ActiveSums:
        """Return what was added so far."""
        held: tuple[HeldRows, ...] = ()
        if self._arrays is not None and self.n_held:
            rows, mass, *known = (array[: self.n_held] for array in self._arrays[:5])
            weights = None if self.sums.weights is None else mass
            numbers = self._arrays[7][: self.n_held]
            held = (HeldRows(rows, weights, (known[0], known[1], known[2]), numbers),)
            if self.passed.sketch is not None:
                self.passed.sketch.labels[numbers] = -1
        return ActiveSums(self.sums.result(), held, self.room, self.lasting)
