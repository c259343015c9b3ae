"""Active-set Lloyd: iterations on the rows that may change, full passes only where others may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from streamkm.cluster.hold import HereHolder, Hold
from streamkm.cluster.hold_away import AwayHolder, HoldAway
from streamkm.cluster.passes import Passes
from streamkm.cluster.tally import Tally, refuse_new_bad
from streamkm.data.cache import CachedSource, WorkersCache
from streamkm.kernels.active_rows import HELD_BYTES, ActivePass, ActiveSums
from streamkm.kernels.centers import LARGEST, prepare
from streamkm.kernels.grouping import order_neighbors
from streamkm.kernels.kept_rows import (
    MOST_DIRECTIONS,
    SUBSPACE_BYTES,
    KeptRows,
    bytes_per_row,
    groups_for,
)
from streamkm.kernels.kept_sums import merged
from streamkm.kernels.lasting import lasting_of
from streamkm.kernels.lloyd import PartialSums
from streamkm.kernels.motion import motion_of, moves
from streamkm.kernels.register_tile import WIDTH
from streamkm.kernels.sketch import Sketch
from streamkm.tasks import fit as tasks
from streamkm.typing import F64, Json

SKETCH_SHARE: Final = 3  # of the memory: more would leave too few rows to hold
FAR: Final = 3.0  # times as long as a hold may last, a row needs no sketch
MOST: Final = 2.0  # times as long, a row is taken not to be among those to be held
SMALLEST: Final = 1e-300  # pace: none is divided by zero
LEAST_GAIN: Final = 1.2  # fewer reads than a cache saves, by which holding rows is worth it


def tally_for(passes: Passes, n_models: int, algorithm: str) -> Tally | ActiveSet:
    """Return what runs the Lloyd passes of a fit; no bit of the sums depends on it."""
    tally, source = Tally(passes, n_models, algorithm), passes.source
    if n_models > 1 or algorithm != "auto" or not passes.may_hold:
        return tally
    if isinstance(source, CachedSource) and not source.holds_all:
        return ActiveSet(tally, HereHolder(passes, source))
    if isinstance(source, WorkersCache) and passes.executor.n_memories:
        away = AwayHolder(passes, source)
        n_rows, n_features = source.shape
        if away.cache_bytes < n_rows * n_features * source.dtype.itemsize:
            return ActiveSet(tally, away)
    return tally


class ActiveSet:
    """Sums of one model from pass to pass, over rows that do not fit in memory.

    Exact: a pass leaves out rows that cannot have another nearest center, by
    the triangle inequality (Elkan, "Using the triangle inequality to accelerate
    k-means", ICML 2003, lemma 1); all rows are read where one that is not held
    may have changed.

    Parameters
    ----------
    tally
        Runs the passes over all rows that hold none.
    holder
        Who holds rows, and in how much memory.
    """

    def __init__(self, tally: Tally, holder: HereHolder | AwayHolder) -> None:
        self.tally, self.passes, self.holder = tally, tally.passes, holder
        self._before: F64 | None = None  # centers of the last pass of any kind
        self._held: Hold | HoldAway | None = None
        self._sums: PartialSums | None = None
        self._estimate: tuple[float, float] | None = None  # iterations a hold lasts, at a pace
        self._kept: KeptRows | None = None  # of all rows, in those sums, where it is known
        self._kept_for: F64 | None = None  # centers

    def sums(
        self, running: Sequence[int], centers: Sequence[F64], title: str
    ) -> tuple[tuple[PartialSums, ...], Json]:
        """Do as `Tally.sums`."""
        (center,) = centers
        found: Json = {"rows_moved": [None]}
        held, change = self._held, None
        if held is not None and self._can_iterate(held, center):
            change = held.iterate(self.passes, center, self._before, title)
        if change is not None:
            self._sums = merged([self._sums, change.change])
            found = {"rows_moved": [change.n_moved]}
        else:
            self._let_go()
            passed = self._plan(center)
            if passed is None:
                (self._sums,), found = self.tally.sums(running, centers, title)
                self._kept = None
            else:
                self._sums = self._hold(passed, center, title)
        self._before = center
        assert self._sums is not None
        return (self._sums,), found

    def _can_iterate(self, held: Hold | HoldAway, centers: F64) -> bool:
        """Return whether no row that is not held may have another nearest center than before."""
        if held.centers.shape != centers.shape:
            return False
        frame = self.passes.data.frame
        has_room = (held.room > _pace(moves(held.centers, centers, frame))).all()
        return bool(has_room) and held.is_settled(centers, frame)

    def _let_go(self) -> None:
        """Iterate on held rows no more; what their labels became is kept."""
        held, self._held = self._held, None
        if isinstance(held, Hold) and self._kept is not None:
            self._kept.labels[held.numbers] = held.kept.labels
            self._kept.upper[held.numbers] = LARGEST

    def _hold(self, passed: ActivePass, centers: F64, title: str) -> PartialSums:
        """Pass over all rows, and hold some; return the sums of all."""
        found: list[ActiveSums] = []  # of the legs so far

        def settle(leg: int, parts: tuple[ActiveSums, ...]) -> tuple[PartialSums, ...]:
            found[:] = [ActiveSums.merge_all([*found, parts[0]])]
            return (parts[0].whole,)

        (whole,) = self.passes.run_models(
            tasks.lloyd,
            [centers],
            stage="assign",
            title=title,
            kept=(self.holder.full_pass(passed),),
            settle=settle,
        )
        refuse_new_bad(whole)
        (part,) = found
        n_held = sum(held.n_rows for held in part.held)
        lasts = lasting_of(part.lasting, self._n_fitting(len(centers), passed.n_groups))
        least = float((part.room / np.maximum(passed.pace, SMALLEST)).min())
        if n_held and least < passed.most:  # a thread or worker had rows that last less than others
            lasts = min(lasts, least)
        self._estimate = lasts, float(passed.pace.max())
        if n_held:
            self._held = self.holder.hold(part, passed)
        self._kept, self._kept_for = passed.kept, centers
        sums: PartialSums | None = merged([self._sums, whole] if passed.motion else [whole])
        assert sums is not None
        return sums

    def _plan(self, centers: F64) -> ActivePass | None:
        """Return how a full pass holds rows, or measures how long it could; None for neither."""
        frame, before = self.passes.data.frame, self._before
        if before is None or before.shape != centers.shape or len(centers) < 2:
            self._restore()
            return None
        pace = _pace(moves(before, centers, frame))
        n_groups = groups_for("auto", *centers.shape)
        share, lasts = 0.0, FAR
        if self._estimate is not None:
            lasts, at = self._estimate
            lasts *= at / max(float(pace.max()), SMALLEST)
            if lasts >= self._least_lasting():
                share = self._n_fitting(len(centers), n_groups) / self.passes.source.shape[0]
                self.holder.clear()
                self.tally.forget()
            else:
                self._restore()
                if pace.max() > at / 2.0:
                    return None  # what was measured still tells
        order = order_neighbors(centers, WIDTH) if self._kept is None else self._kept.order
        ready = prepare(centers, frame, order)
        sketch, kept, motion = None, None, None
        if self._sketch_bytes(len(centers), n_groups):
            n_rows = self.passes.source.shape[0]
            sketch = Sketch.make(n_rows if share else 0, ready, before)
            if share and self.passes.parted is None:  # else sums are wanted whole, leg by leg
                kept = self._kept or KeptRows.empty(n_rows, order, n_groups)
                if self._kept is not None and self._kept_for is not None:
                    motion = motion_of(moves(self._kept_for, centers, frame), ready, n_groups)
        far = FAR * max(lasts, 1.0)
        most = MOST * lasts if share else np.inf
        return ActivePass(ready, n_groups, pace, share, sketch, far, most, kept, motion)

    def _restore(self) -> None:
        """Leave the memory to the cache, and to what is kept of all rows, again."""
        self._kept = None
        if self.holder.restore():
            self.tally.forget()

    def _sketch_bytes(self, n_clusters: int, n_groups: int) -> int:
        """Return what a sketch and bounds of all rows take, and its code; 0 where there is none."""
        if not self.holder.can_sketch or n_clusters > MOST_DIRECTIONS:
            return 0
        n_rows, plan = self.passes.source.shape[0], self.passes.plan
        unspent = plan.limit_bytes - plan.working_bytes - plan.cache_bytes
        code_bytes = max(SUBSPACE_BYTES - unspent, 0)
        sketch_bytes = n_rows * bytes_per_row(0, n_clusters)
        fits = SKETCH_SHARE * sketch_bytes + code_bytes <= self.holder.room_bytes
        n_bytes = sketch_bytes + n_rows * bytes_per_row(n_groups) + code_bytes
        return n_bytes if fits else 0

    def _n_fitting(self, n_clusters: int, n_groups: int) -> int:
        n_rows, n_features = self.passes.source.shape
        row_bytes = n_features * self.passes.source.dtype.itemsize
        room = self.holder.room_bytes - self._sketch_bytes(n_clusters, n_groups)
        return min(room // (row_bytes + bytes_per_row(n_groups) + HELD_BYTES), n_rows)

    def _least_lasting(self) -> float:
        """Return for how many iterations a hold must last to save more than the cache does."""
        n_rows, n_features = self.passes.source.shape
        cached = self.holder.cache_bytes / (n_rows * n_features * self.passes.source.dtype.itemsize)
        return max(LEAST_GAIN / max(1.0 - cached, SMALLEST) - 1.0, 1.0)


def _pace(moved: F64) -> F64:
    """Return, by cluster, how much closer another center may have come than its own."""
    if len(moved) < 2:
        return moved
    second, first = np.sort(moved)[-2:]
    others = np.where(moved == first, np.where((moved == first).sum() > 1, first, second), first)
    pace: F64 = (moved + others) * (1.0 + 2.0**-40)
    return pace
