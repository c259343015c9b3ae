"""Sums of the models that share passes, from pass to pass: by changes where rows are kept."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from streamkm.cluster.journal import MOST_LEGS
from streamkm.cluster.passes import Passes
from streamkm.data.cache import WorkersCache
from streamkm.errors import BadRowsError
from streamkm.kernels.centers import prepare
from streamkm.kernels.frame import Frame
from streamkm.kernels.grouping import order_neighbors
from streamkm.kernels.kept_rows import (
    KeptPass,
    KeptRows,
    directions_for,
    first_directions,
    fitting,
)
from streamkm.kernels.kept_sums import KeptSums, merged
from streamkm.kernels.lloyd import PartialSums
from streamkm.kernels.motion import motion_of, moves
from streamkm.kernels.register_tile import WIDTH
from streamkm.kernels.subspace import Shadow, Subspace
from streamkm.tasks import fit as tasks
from streamkm.tasks.sent import SentPass
from streamkm.typing import F64, I32, I64, Json

SEEN_FROM: Final = 3  # of the passes: before, centers move too far
GROWN_FROM: Final = 6  # of the passes: centers move ever less
MOST_IN_VAIN: Final = 0.7  # of the looks in a subspace: more cost more than they save
LEGS_SHARE: Final = 8  # of what is kept of all rows: their sums, leg by leg
SUM_BYTES: Final = 16


class Tally:
    """Runs Lloyd passes for several models.

    Parameters
    ----------
    passes
        Over the rows.
    n_models
        All models of the fit.
    algorithm
        "auto", "lloyd", "hamerly" or "yinyang": what is kept of the rows. No
        bit of the sums depends on it, or on how many rows are kept.
    """

    def __init__(self, passes: Passes, n_models: int, algorithm: str) -> None:
        self.passes, self.algorithm = passes, algorithm
        self._kept: list[_Kept | _Sent | None] = [None] * n_models
        self._share_bytes = passes.keep_bytes // max(n_models, 1)

    def sums(
        self,
        running: Sequence[int],
        centers: Sequence[F64],
        title: str,
        stage: str = "assign",
        **where: Any,
    ) -> tuple[tuple[PartialSums, ...], Json]:
        """Run a pass of the running models; return their sums, and what the history tells of it.

        Over all rows, or `where` the groups and the source of the context say: over
        no row less than the pass before, since its sums are built on.
        """
        frame = self.passes.data.frame
        is_whole = "groups" not in where
        kept = [self._begin(i, c, is_whole) for i, c in zip(running, centers, strict=True)]
        n_moved: list[int | None] = [None if k is None else 0 for k in kept]

        def settle(leg: int, parts: tuple[Any, ...]) -> tuple[PartialSums, ...]:
            for i, (k, part) in enumerate(zip(kept, parts, strict=True)):
                if k is not None:
                    n_moved[i] = (n_moved[i] or 0) + part.n_moved
            return tuple(
                part if k is None else k.settle(leg, part)
                for k, part in zip(kept, parts, strict=True)
            )

        found = self.passes.run_models(
            tasks.lloyd,
            centers,
            stage=stage,
            title=title,
            kept=tuple(k and k.over(c, frame) for k, c in zip(kept, centers, strict=True)),
            settle=settle,
            most_legs=self._most_legs(kept, centers),
            **where,
        )
        for part in found:
            refuse_new_bad(part)
        return found, {"rows_moved": n_moved}

    def _most_legs(self, kept: Sequence[_Kept | _Sent | None], centers: Sequence[F64]) -> int:
        """Return into how many legs a pass may go, since what is kept has the sums of each."""
        n_values = sum(c.size for k, c in zip(kept, centers, strict=True) if isinstance(k, _Kept))
        room = self.passes.keep_bytes // LEGS_SHARE
        return min(MOST_LEGS, room // (SUM_BYTES * n_values)) if n_values else MOST_LEGS

    def forget(self) -> None:
        """Leave the memory to others; the next pass begins anew."""
        self._kept = [None] * len(self._kept)

    def labels(self) -> dict[int, I32]:
        """Return the labels of the last pass of every model of which all rows' are kept here."""
        n_rows = self.passes.source.shape[0]
        return {
            i: kept.rows.labels
            for i, kept in enumerate(self._kept)
            if isinstance(kept, _Kept) and len(kept.rows.labels) == n_rows
        }

    def _begin(self, model: int, centers: F64, is_whole: bool) -> _Kept | _Sent | None:
        """Return what is kept for a model; anew where it has another number of centers."""
        if isinstance(self.passes.source, WorkersCache) and not is_whole:
            return None  # workers know the groups of whole passes alone
        if is_whole and self.passes.goes_on:
            return None  # what is left of a pass: rows are known from the next one on
        found = self._kept[model]
        if found is None or len(found.order) != len(centers):
            found = self._kept[model] = self._make(model, centers)
        return found

    def _make(self, model: int, centers: F64) -> _Kept | _Sent | None:
        n_rows, source = self.passes.source.shape[0], self.passes.source
        if isinstance(source, WorkersCache):
            room = self.passes.sent_bytes // len(self._kept)
            if room == 0:
                return None
            share = -(-n_rows // max(self.passes.executor.n_memories, 1))
            _, n_groups = fitting(self.algorithm, centers.shape, share, room)
            order = order_neighbors(centers, WIDTH)
            return _Sent(source.token, model, order, n_groups, room)
        room = self._share_bytes
        n_directions = directions_for(self.algorithm, centers.shape, n_rows, room)
        n_kept, n_groups = fitting(self.algorithm, centers.shape, n_rows, room)
        return _Kept(KeptRows.make(n_kept, centers, n_groups, n_directions)) if n_kept else None


def refuse_new_bad(sums: PartialSums) -> None:
    """Raise where rows are bad that were not in the look before the first pass."""
    if sums.n_bad:
        raise BadRowsError("rows hold NaN or infinity that were finite before the first pass")


class _Kept:
    """One model: what is kept of the rows, for which centers, and their sums."""

    def __init__(self, rows: KeptRows) -> None:
        self.rows, self.order = rows, rows.order
        self.centers: F64 | None = None
        self.sums: dict[int, PartialSums | None] = {}  # by leg of the pass
        self.subspace: Subspace | None = None
        self.shadow: Shadow | None = None
        self.n_passes = self.asked = self.in_vain = 0

    def over(self, centers: F64, frame: Frame) -> KeptPass:
        """Return the next pass."""
        before, self.centers = self.centers, centers
        self.n_passes += 1
        if self.in_vain > MOST_IN_VAIN * self.asked:
            self.rows = replace(self.rows, seen=None)
            self.subspace = None
        self.asked = self.in_vain = 0
        n_first, n_last = first_directions(*centers.shape), self.rows.n_directions
        if n_last and self.n_passes == SEEN_FROM:
            self.subspace = Subspace.near(prepare(centers, frame), n_first)
            self.rows.unsee()
        may_grow = self.n_passes == GROWN_FROM and n_first < n_last
        if may_grow and self.subspace is not None and before is not None:
            self.subspace = self.subspace.grown(prepare(centers, frame), before, n_last)
        passed = KeptPass.over(self.rows, centers, before, frame, self.subspace, self.shadow)
        self.shadow = passed.shadow
        return passed

    def settle(self, leg: int, part: KeptSums) -> PartialSums:
        """Return the sums of all rows of a leg of the pass."""
        self.asked, self.in_vain = self.asked + part.looks[0], self.in_vain + part.looks[1]
        self.sums[leg] = merged([self.sums.get(leg), part.change])
        total = merged([self.sums[leg], part.whole])
        assert total is not None
        return total


class _Sent:
    """One model: workers keep what they know of the rows, and return whole sums."""

    def __init__(self, token: str, model: int, order: I64, n_groups: int, room: int) -> None:
        self.token, self.model, self.order = token, model, order
        self.n_groups, self.room = n_groups, room
        self.number = ""
        self.centers: F64 | None = None

    def over(self, centers: F64, frame: Frame) -> SentPass:
        """Return the next pass."""
        since, self.number = self.number, uuid.uuid4().hex
        motion = None
        if self.centers is not None and self.n_groups:
            moved = moves(self.centers, centers, frame)
            motion = motion_of(moved, prepare(centers, frame, self.order), self.n_groups)
        self.centers = centers
        return SentPass(
            self.token,
            self.model,
            self.number,
            since,
            self.order,
            self.n_groups,
            motion,
            self.room,
        )

    def settle(self, leg: int, part: KeptSums) -> PartialSums:
        """Return the sums of all rows of a leg of the pass."""
        assert part.whole is not None
        return part.whole
