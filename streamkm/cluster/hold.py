"""Rows that are held in memory between two full passes, and what is known of the others."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from streamkm.cluster.passes import Passes
from streamkm.data.cache import CachedSource
from streamkm.data.layout import Block, Ranges, share_out
from streamkm.kernels.active_rows import ActivePass, ActiveSums
from streamkm.kernels.centers import prepare
from streamkm.kernels.frame import Frame
from streamkm.kernels.held_rows import HeldRows
from streamkm.kernels.kept_rows import KeptPass, KeptRows
from streamkm.kernels.kept_sums import KeptSums
from streamkm.kernels.sketch import Sketch
from streamkm.tasks import fit as tasks
from streamkm.typing import F64, I64, Rows


class HereHolder:
    """Holds rows in this process, in place of what its cache keeps.

    Attributes
    ----------
    cache_bytes, room_bytes
        Of the cache, and of all that is for rows.
    """

    can_sketch = True

    def __init__(self, passes: Passes, cached: CachedSource) -> None:
        self.passes, self.cached = passes, cached
        self.cache_bytes = cached.budget_bytes
        self.room_bytes = self.cache_bytes + passes.keep_bytes

    def clear(self) -> None:
        """Leave the memory of the cache to rows that are held."""
        self.cached.forget()
        self.cached.budget_bytes = 0

    def restore(self) -> bool:
        """Give it back; return whether what is kept of all rows is lost by that: it is not."""
        self.cached.budget_bytes = self.cache_bytes
        return False

    def full_pass(self, passed: ActivePass) -> ActivePass:
        """Return a full pass as tasks need it."""
        return passed

    def hold(self, found: ActiveSums, passed: ActivePass) -> Hold:
        """Return what a full pass held."""
        n_tasks = self.passes.executor.n_workers
        return Hold.of(found, passed.centers.exact, passed, n_tasks)


@dataclass(frozen=True, slots=True)
class Hold:
    """Rows in memory, and what is known of the others since a full pass.

    Parameters
    ----------
    centers
        Of the pass.
    room
        How far they may move, by cluster, as `ActiveSums` has it.
    rows, weights, kept
        The rows, and what is kept of them.
    groups
        Into which an iteration on them goes.
    sketch
        Of the others; None where room alone tells of them.
    numbers
        Which rows of the data are held.
    """

    centers: F64
    room: F64
    rows: Pieces
    weights: Pieces | None
    kept: KeptRows
    groups: list[Ranges]
    sketch: Sketch | None
    numbers: I64

    @classmethod
    def of(cls, found: ActiveSums, centers: F64, passed: ActivePass, n_tasks: int) -> Hold:
        """Return what a full pass held, for iterations of so many tasks."""
        parts = [part for part in found.held if isinstance(part, HeldRows)]
        edges = [0, *accumulate(part.n_rows for part in parts)]
        weights = [part.weights for part in parts if part.weights is not None]
        blocks = [Block(a, b) for a, b in pairwise(edges)]
        return cls(
            centers,
            found.room,
            Pieces([part.rows for part in parts], edges),
            Pieces(weights, edges) if weights else None,
            KeptRows.joined([part.known for part in parts], passed.order),
            share_out(blocks, min(n_tasks, len(blocks))),
            passed.sketch,
            np.concatenate([part.numbers for part in parts]),
        )

    def is_settled(self, centers: F64, frame: Frame) -> bool:
        """Return whether no other row can have another label, by the sketch, if there is one."""
        sketch = self.sketch
        return sketch is None or sketch.is_settled(prepare(centers, frame, self.kept.order))

    def iterate(self, passes: Passes, centers: F64, before: F64 | None, title: str) -> KeptSums:
        """Pass over the rows; return what changes in the sums."""
        passed = KeptPass.over(self.kept, centers, before, passes.data.frame)
        change: KeptSums
        (change,) = passes.run_models(
            tasks.lloyd,
            [centers],
            stage="assign",
            title=f"{title}, on {len(self.kept.labels)} rows in memory",
            groups=self.groups,
            source=self.rows,
            weights=self.weights,
            kept=(passed,),
        )
        return change


class Pieces:
    """Arrays one behind the other, read piece by piece; in memory, so there is no `info`."""

    def __init__(self, arrays: Sequence[Rows], edges: Sequence[int]) -> None:
        self.arrays, self.edges = arrays, edges
        self.shape = (edges[-1], *arrays[0].shape[1:])
        self.dtype = arrays[0].dtype

    def read(self, start: int, stop: int) -> Rows:
        """Return rows of one piece."""
        piece = bisect_right(self.edges, start) - 1
        begin = self.edges[piece]
        return self.arrays[piece][start - begin : stop - begin]
