"""Dask arrays as rows: their chunks become inputs of the pass's tasks."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import dask
import numpy as np
from dask.task_spec import TaskRef
from numpy.typing import NDArray

from streamkm.errors import SourceError
from streamkm.typing import ColumnSource, Labeler, Rows, SourceInfo, TaskFunction


def is_dask_array(value: Any) -> bool:
    """Return whether a value quacks like a dask array."""
    return hasattr(value, "__dask_graph__") and hasattr(value, "chunks")


@dataclass(frozen=True, slots=True)
class ChunkGroup:
    """One chunk of a dask array: the group of one task."""

    index: int
    start: int
    stop: int

    @property
    def n_rows(self) -> int:
        """Rows of the chunk."""
        return self.stop - self.start

    def blocks(self) -> list[ChunkGroup]:
        """Return itself: the chunk is in memory."""
        return [self]


class DaskRows:
    """Rows of a dask array of shape (n_rows, n_features), chunked along its rows.

    Raises
    ------
    SourceError
        If the array is not 2-D, has unknown chunk sizes, or is not numeric.
    """

    def __init__(self, array: Any, feature_names: tuple[str, ...] = ()) -> None:
        if array.ndim != 2:
            raise SourceError(f"expected a 2-D dask array, found {array.ndim} dimensions")
        if any(math.isnan(size) for size in array.shape):
            raise SourceError(
                "the dask array does not know its number of rows; call "
                "x.compute_chunk_sizes() first"
            )
        if array.dtype.kind not in "buif":
            raise SourceError(f"dtype {array.dtype} is not numeric")
        self.array = array if array.numblocks[1] == 1 else array.rechunk({1: -1})
        self.feature_names = feature_names
        self.edges = np.concatenate([[0], np.cumsum(self.array.chunks[0])]).tolist()

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return int(self.array.shape[0]), int(self.array.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    @property
    def info(self) -> SourceInfo:
        """The largest chunk is what is read together."""
        largest = max(self.array.chunks[0])
        return SourceInfo("dask array", natural_rows=largest, feature_names=self.feature_names)

    @property
    def labels(self) -> ColumnSource | None:
        """None: an array has none."""
        return None

    def groups(self) -> list[ChunkGroup]:
        """One group a chunk."""
        edges = self.edges
        return [
            ChunkGroup(g, edges[g], edges[g + 1])
            for g in range(len(edges) - 1)
            if edges[g + 1] > edges[g]
        ]

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`, computed here."""
        return np.asarray(self.array[start:stop].compute())

    def evenly(self, chunk_rows: int | None = None) -> DaskRows:
        """Return the same rows in chunks of one size."""
        rows = self.array.rechunk({0: chunk_rows or max(self.array.chunks[0])})
        return DaskRows(rows, self.feature_names)

    def read_groups(self) -> list[ChunkGroup]:
        """Return the groups of a pass."""
        return self.groups()


@dataclass(frozen=True)
class ChunkRows:
    """Rows of chunks that are in memory on a worker."""

    rows: Rows
    start: int

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop` of the whole array."""
        return self.rows[start - self.start : stop - self.start]


def lift_blocks(
    source: DaskRows, context: Any, groups: Sequence[Any]
) -> tuple[dict[Any, Any], dict[int, tuple[int, list[TaskRef]]], Any, Sequence[Any]]:
    """Put a dask array's own tasks into a pass's graph.

    Returns
    -------
    graph
        The array's optimised graph.
    blocks_of
        For each group the first row of the chunks that its rows lie in, and
        references to these.
    context
        The context without the array.
    groups
        As given.
    """
    (array,) = dask.optimize(source.array)
    graph = dict(array.__dask_graph__())
    keys = [key for row in array.__dask_keys__() for key in row]
    blocks_of = {}
    for index, group in enumerate(groups):
        first = bisect_right(source.edges, group.start) - 1
        last = bisect_right(source.edges, group.stop - 1) - 1
        begin = source.edges[first]  # a group may begin inside of a chunk
        blocks_of[index] = begin, [TaskRef(key) for key in keys[first : last + 1]]
    return graph, blocks_of, replace(context, source=None), groups


def run_on_blocks(
    fn: TaskFunction[Any, Any],
    group: Any,
    context: Any,
    begin: int,
    blocks: Sequence[NDArray[Any]],
) -> Any:
    """Run one group on chunks that Dask computed, the first of which begins at row `begin`."""
    rows = blocks[0] if len(blocks) == 1 else np.concatenate(list(blocks))
    return fn(group, replace(context, source=ChunkRows(np.asarray(rows), begin)))


def lazy_map(array: Any, fn: Any, labeler: Labeler, width: int | None, dtype: str) -> Any:
    """Apply `fn(rows, labeler)` to a dask array chunk by chunk, lazily."""
    rows = DaskRows(array).array
    if width is None:
        meta = np.empty((0,), dtype)
        return rows.map_blocks(fn, labeler, drop_axis=1, dtype=dtype, meta=meta)
    chunks, meta = (rows.chunks[0], (width,)), np.empty((0, 0), dtype)
    return rows.map_blocks(fn, labeler, chunks=chunks, dtype=dtype, meta=meta)
