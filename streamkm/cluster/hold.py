"""Rows that are held in memory between two full passes, and what is known of the others."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from streamkm.data.layout import Block, Ranges, share_out
from streamkm.kernels.active_rows import ActivePass, ActiveSums
from streamkm.kernels.kept_rows import KeptRows
from streamkm.kernels.sketch import Sketch
from streamkm.typing import F64, I64, Rows


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
        parts = found.held
        edges = [0, *accumulate(len(part.rows) for part in parts)]
        labels, upper, lower = (np.concatenate([part.known[i] for part in parts]) for i in range(3))
        order = passed.centers.slots[: len(centers)].astype(np.int64)
        weights = [part.weights for part in parts if part.weights is not None]
        blocks = [Block(a, b) for a, b in pairwise(edges)]
        return cls(
            centers,
            found.room,
            Pieces([part.rows for part in parts], edges),
            Pieces(weights, edges) if weights else None,
            KeptRows(labels, upper, lower, order),
            share_out(blocks, min(n_tasks, len(blocks))),
            passed.sketch,
            np.concatenate([part.numbers for part in parts]),
        )


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
