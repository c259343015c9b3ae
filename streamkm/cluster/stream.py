"""The rows as a stream of mini-batches: in which order, and from where they are read.

A store that `convert --shuffle` mixed is read as it lies. Any other is read
through a shuffle buffer: runs of neighbouring rows from all over the data are
held in memory and mixed there. Which rows a batch holds follows from the
number of rows and the two sizes alone: not from chunks, memory limit or
executor, nor from the seed of a model, so that several models can share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamkm.cluster.passes import Passes
from streamkm.cluster.rows import pick
from streamkm.cluster.stream_order import RUNS, StreamOrder
from streamkm.data.aligned import AlignedSource
from streamkm.data.cache import CachedSource
from streamkm.data.dataset import Dataset
from streamkm.data.layout import Block, Group, share_out
from streamkm.data.wrapped import WrappedSource
from streamkm.kernels.hashing import permute
from streamkm.keyed import STREAM, generator, row_key
from streamkm.sources.array import MemorySource
from streamkm.sources.columns import MemoryColumn
from streamkm.typing import F64, I64, ColumnSource, Rows, RowSource

BUFFER_BYTES: Final = 64 << 20
ORDER_SEED: Final = 0
TASK_PRODUCTS: Final = 1 << 25  # products that are worth a task: some milliseconds


def is_mixed(source: RowSource) -> bool:
    """Return whether the rows lie in random order already."""
    return isinstance(source, Dataset) and source.spec.shuffle_seed is not None


def buffer_rows_for(rows: RowSource, buffer_rows: int | None, batch_size: int) -> int:
    """Return the rows that are read together: whole batches, and no more than there are."""
    n_rows, n_features = rows.shape
    fitting = BUFFER_BYTES // (n_features * rows.dtype.itemsize)
    wanted = fitting if buffer_rows is None else buffer_rows
    return min(max(wanted // batch_size, 1) * batch_size, n_rows)


def buffer_bytes(rows: RowSource, buffer_rows: int | None, batch_size: int) -> int:
    """Return the size of the buffer, and of a batch beside it."""
    n_rows = buffer_rows_for(rows, buffer_rows, batch_size)
    row_bytes = rows.shape[1] * rows.dtype.itemsize
    return (n_rows + min(batch_size, n_rows)) * row_bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one step, and how they are shared out.

    Parameters
    ----------
    source, weights
        Where the groups find them.
    groups
        For the executor.
    ranges
        Where in the source the batch's rows lie, in the stream's order.
    """

    source: RowSource
    weights: ColumnSource | None
    groups: list[Any]
    ranges: list[Block]

    @property
    def n_rows(self) -> int:
        """Rows of the batch."""
        return sum(block.stop - block.start for block in self.ranges)

    def take(self, positions: I64) -> Rows:
        """Return the rows at some positions of the batch."""
        edges = np.cumsum([0] + [block.stop - block.start for block in self.ranges])
        which = np.searchsorted(edges, positions, side="right") - 1
        numbers = [
            self.ranges[i].start + p - edges[i] for i, p in zip(which, positions, strict=True)
        ]
        return pick(self.source, np.array(numbers))


class Stream:
    """Cuts a source into batches.

    Parameters
    ----------
    passes
        The data.
    batch_size
        Rows of a batch; the last of a buffer may have fewer.
    buffer_rows
        Rows that are read together.
    n_clusters
        How heavy the work on a row is.
    """

    def __init__(self, passes: Passes, batch_size: int, buffer_rows: int, n_clusters: int) -> None:
        source = passes.source
        raw = source.source if isinstance(source, WrappedSource) else source
        self.n_rows, n_features = source.shape
        self.batch_size = min(batch_size, self.n_rows)
        self.buffer_rows = buffer_rows
        self._passes = passes
        self._is_mixed = is_mixed(raw)
        self._run_rows = self.n_rows if self._is_mixed else max(buffer_rows // RUNS, 1)
        # Whole chunks at a time, and no more of them than a run fills.
        unit = source.info.natural_rows
        whole = max(unit, self._run_rows // unit * unit)
        self._aligned = AlignedSource(source, min(whole, passes.block_rows))
        self._task_rows = max(TASK_PRODUCTS // (n_features * n_clusters), 1)
        self._is_whole = self.batch_size == buffer_rows
        # Tasks read large batches themselves; small ones come from rows that are held here.
        is_remote = self._is_mixed and not passes.executor.shares_memory
        self._is_direct = (self._is_whole or is_remote) and not hasattr(raw, "read_groups")
        self._kept = isinstance(raw, MemorySource) or (
            isinstance(source, CachedSource) and source.holds_all
        )
        self._order: tuple[int, StreamOrder] | None = None

    @property
    def steps_per_buffer(self) -> int:
        """Batches of a full buffer."""
        return -(-self.buffer_rows // self.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one time through the data."""
        whole, rest = divmod(self.n_rows, self.buffer_rows)
        return whole * self.steps_per_buffer + -(-rest // self.batch_size)

    @property
    def n_bytes(self) -> int:
        """Size of the data, decoded."""
        return self.n_rows * self._aligned.shape[1] * self._aligned.dtype.itemsize

    @property
    def reads(self) -> float:
        """How often a block is decoded in one time through the data, about."""
        if self._is_mixed or self._kept:
            return 1.0
        return 1.0 + self._aligned.block_rows / self._run_rows

    def order(self, epoch: int) -> StreamOrder:
        """Return the order of one time through the data."""
        if self._is_mixed:
            return StreamOrder(self.n_rows, self.n_rows, None)
        if self._order is None or self._order[0] != epoch:
            draws = generator(ORDER_SEED, STREAM, epoch)
            self._order = epoch, StreamOrder.spread(self.n_rows, self._run_rows, draws)
        return self._order[1]

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, counted from 0 through all epochs."""
        epoch, step = divmod(step, self.steps_per_epoch)
        buffer, step = divmod(step, self.steps_per_buffer)
        begin = buffer * self.buffer_rows
        length = min(self.buffer_rows, self.n_rows - begin)
        first, last = step * self.batch_size, min((step + 1) * self.batch_size, length)
        if self._is_direct:
            return self._in_place(self.order(epoch).ranges(begin + first, begin + last))
        rows, weights = self._load(epoch, begin, length)
        chosen = np.arange(first, last)
        if not (self._is_mixed or self._is_whole):
            chosen = permute(row_key(ORDER_SEED, STREAM, epoch, buffer), length, first, last)
        batch = np.ascontiguousarray(rows[chosen])
        groups = self._slices(len(batch))
        column = None if weights is None else MemoryColumn(weights[chosen])
        return Batch(MemorySource(batch), column, groups, [Block(0, len(batch))])

    def prefix(self, n_rows: int) -> Batch:
        """Return the first rows of the first epoch, read in place."""
        return self._in_place(self.order(0).ranges(0, n_rows))

    def _in_place(self, ranges: list[Block]) -> Batch:
        """Let the tasks read: blocks of the store's own, shared out."""
        rows = self._aligned.block_rows
        pieces = [
            Block(max(block.start, start), min(block.stop, start + rows))
            for block in ranges
            for start in range(block.start // rows * rows, block.stop, rows)
        ]
        total = sum(block.stop - block.start for block in ranges)
        groups: list[Any] = list(share_out(pieces, min(self._n_tasks(total), len(pieces))))
        return Batch(self._aligned, self._passes.weights, groups, ranges)

    def _n_tasks(self, n_rows: int) -> int:
        most = 4 * self._passes.executor.n_workers
        return max(min(n_rows // self._task_rows, most), 1)

    def _slices(self, n_rows: int) -> list[Group]:
        n_groups = min(self._n_tasks(n_rows), self._passes.executor.n_workers)
        edges = [n_rows * g // n_groups for g in range(n_groups + 1)]
        return [Group(g, edges[g], edges[g + 1], n_rows) for g in range(n_groups)]

    def _load(self, epoch: int, begin: int, length: int) -> tuple[Rows, F64 | None]:
        """Return the rows of a buffer, held until the next one is asked for."""
        key = (self.buffer_rows, epoch, begin)
        held: tuple[Rows, F64 | None] = self._passes.hold(
            key, lambda: self._gather(self.order(epoch).ranges(begin, begin + length), length)
        )
        return held

    def _gather(self, ranges: list[Block], length: int) -> tuple[Rows, F64 | None]:
        """Read ranges, in the order in which they lie, into the order in which they are asked."""
        offsets = np.cumsum([0] + [block.stop - block.start for block in ranges]).tolist()
        rows = np.empty((length, self._aligned.shape[1]), self._aligned.dtype)
        weights = None if self._passes.weights is None else np.empty(length)
        for index in sorted(range(len(ranges)), key=lambda i: ranges[i].start):
            block, place = ranges[index], slice(offsets[index], offsets[index + 1])
            self._aligned.read_into(block.start, rows[place])
            if weights is not None and self._passes.weights is not None:
                weights[place] = self._passes.weights.read(block.start, block.stop)
        return rows, weights
