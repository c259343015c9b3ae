"""Which row stands where in a stream: runs of neighbouring rows, taken from all over the data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from streamkm.data.layout import Block
from streamkm.typing import I64

RUNS: Final = 64  # runs of neighbouring rows that fill a buffer


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """Which row stands where in the stream.

    Parameters
    ----------
    n_rows
        Rows in all.
    run_rows
        Rows that stay neighbours.
    runs
        Where each run is taken from, shape (n_rows // run_rows,); None where
        rows keep their order.
    """

    n_rows: int
    run_rows: int
    runs: I64 | None

    @classmethod
    def spread(cls, n_rows: int, run_rows: int, draws: np.random.Generator) -> StreamOrder:
        """Return an order in which RUNS runs in a row come from all over the data.

        The data is cut into RUNS parts, each in a random order of its own, and
        the stream takes a run from every part in turn: rows that are sorted by
        class come in nearly the proportions of the whole.
        """
        n_whole = n_rows // run_rows
        edges = [n_whole * part // RUNS for part in range(RUNS + 1)]
        shuffled = [first + draws.permutation(stop - first) for first, stop in pairwise(edges)]
        turns = np.concatenate([np.arange(len(part)) for part in shuffled])
        order = np.argsort(turns, kind="stable")
        return cls(n_rows, run_rows, np.concatenate(shuffled)[order])

    def ranges(self, start: int, stop: int) -> list[Block]:
        """Return the row ranges at the stream's positions `start` to `stop`, in this order."""
        if self.runs is None:
            return [Block(start, stop)]
        found = []
        for position in range(start // self.run_rows, (stop - 1) // self.run_rows + 1):
            # What is left of the rows after the last whole run stays last.
            run = int(self.runs[position]) if position < len(self.runs) else position
            shift = (run - position) * self.run_rows
            low = max(position * self.run_rows, start) + shift
            high = min((position + 1) * self.run_rows, stop) + shift
            found.append(Block(low, high))
        return found
