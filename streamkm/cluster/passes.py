"""The driver of a fit's passes: data, plan, executor and history in one place."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkm.cluster.cutting import cut, row_bytes_of
from streamkm.cluster.fitdata import FitData
from streamkm.cluster.journal import MOST_LEGS, Journal, Settle
from streamkm.cluster.looking import Looked, Looking
from streamkm.cluster.scaling import Scaling
from streamkm.data.cache import CachedSource, WorkersCache
from streamkm.data.dataset import Dataset
from streamkm.data.here import forget_here
from streamkm.data.layout import DEALT, Group, deal
from streamkm.kernels.narrowing import SHIFT_ROWS, take_bytes
from streamkm.kernels.tile import readable
from streamkm.kernels.view import View
from streamkm.metering import reading
from streamkm.runtime.base import Executor
from streamkm.runtime.hands import Hands
from streamkm.runtime.memory import plan_memory
from streamkm.runtime.serial import SerialExecutor
from streamkm.sources.array import MemorySource
from streamkm.tasks.base import PassResult
from streamkm.tasks.fit import FitContext
from streamkm.typing import F64, I32, ColumnSource, Rows, RowSource

KEPT_SHARE = 4  # of the cache: what is kept of all rows, such as labels and bounds
SLOW_BYTES_S, SLOW_PRODUCTS_S = 50e6, 2e8  # a second: no machine is slower than this
NARROW_FROM = 8 << 20  # bytes of all rows: what the cores may hold near them
BRIEF_S = 3e-3  # of computing: threads would cost as much as they save
QUICK_S = 0.1  # of a pass: a graph would cost a share of it, and so would pieces of blocks
SHORT_S = 2.0  # of a pass: how far it is need not be told
SUM_BYTES = 64  # a sum in flight: two float64, two int64, and as much again in merges


class Passes(Looking):
    """Runs passes over one source and keeps their history.

    Parameters
    ----------
    source, weights
        Rows and their weights, None where all weigh one.
    executor
        Who runs the tasks.
    memory_limit
        Bytes, a size, or None for half of what is free.
    model_values
        Numbers in the centers of all models that share a pass.
    out_width
        Numbers that each row becomes, where they are written.
    held_bytes
        What the call holds besides its tasks.
    scaling
        How rows should be seen.
    view
        How they are seen, where that is known.

    Raises
    ------
    MemoryLimitError
        If the work does not fit.
    """

    def __init__(
        self,
        source: RowSource,
        weights: ColumnSource | None,
        executor: Executor,
        memory_limit: int | str | None,
        model_values: int,
        out_width: int = 0,
        held_bytes: int = 0,
        scaling: Scaling = Scaling(),  # noqa: B008 - it is frozen
        view: View | None = None,
    ) -> None:
        self._scaling, self._view = scaling, view
        self._raw: Looked | None = None
        self.is_stored = isinstance(source, Dataset)
        info, n_rows, row_bytes = source.info, source.shape[0], row_bytes_of(source, out_width)
        self.plan = plan = plan_memory(
            executor.default_limit() if memory_limit is None else memory_limit,
            executor.n_workers,
            executor.n_processes,
            unit_bytes=min(info.natural_rows, n_rows) * row_bytes,
            task_bytes=model_values * SUM_BYTES + (4 << 20),
            scratch_bytes=info.scratch_bytes,
            can_limit=executor.can_limit,
            held_bytes=held_bytes,
            data_bytes=n_rows * row_bytes,
        )
        self._in_memory = in_memory = isinstance(source, MemorySource)
        self.source = self._rows = source
        self.keep_bytes = self.sent_bytes = 0
        self.may_hold = True  # rows of its own; not where other models share the passes
        self.journal: Journal | None = None  # where a fit that was killed goes on within a pass
        self.most_s = n_rows * (row_bytes / SLOW_BYTES_S + model_values / SLOW_PRODUCTS_S)
        if executor.shares_memory:
            self.keep_bytes = plan.cache_bytes if in_memory else plan.cache_bytes // KEPT_SHARE
            if not in_memory and not self._has_graph:
                self.source = CachedSource(source, plan.cache_bytes - self.keep_bytes)
        self.weights = weights
        self._hands: Hands | None = None
        self._last: dict[Any, float] = {}  # seconds of tasks: over all rows, over some
        self.block_rows, self.groups = cut(source, plan, model_values, out_width)
        self._are_dealt = executor.shares_memory and not out_width and self._may_deal()
        super().__init__(executor.limited(plan.n_workers))
        self.labels: dict[int, I32] = {}  # of all rows, after the last pass of each model
        self._data: FitData | None = None
        self._held: tuple[Any, Any] | None = None

    def room_for_bytes(self, first: Rows, view: View) -> NDArray[np.uint8] | None:
        """Return room for the rows in bytes, where the first are whole numbers from 0 to 255.

        None where that is not wanted, or they are in bytes already, or not in memory, or are so
        few that they are read as fast, or bytes would leave too little for what is kept of rows.
        """
        source, n_values = self.source, math.prod(self.source.shape)
        can_narrow = (
            self.may_narrow
            and self.parted is None  # else some rows may have been looked at before, and not here
            and isinstance(source, MemorySource)
            and self.weights is None
            and view.is_plain
            and len(first) == SHIFT_ROWS
            and source.dtype.itemsize > 1
            and source.dtype != np.float16
            and n_values * source.dtype.itemsize >= NARROW_FROM
            and n_values <= self.keep_bytes - self.keep_bytes // KEPT_SHARE
        )
        if not can_narrow or not take_bytes(readable(first)[0], np.empty(first.shape, np.uint8)):
            return None
        return np.empty(source.shape, np.uint8)

    def narrow(self, rows: NDArray[np.uint8]) -> None:
        """Go through these rows from now on: the same numbers in bytes."""
        self.source = MemorySource(rows, self.source.info.feature_names)
        self.keep_bytes -= rows.nbytes

    @contextmanager
    def many(self) -> Iterator[Passes]:
        """Have worker processes keep blocks, too, for the time of many passes."""
        executor = self.executor
        is_apart = executor.n_memories > 0 and not executor.shares_memory
        if is_apart and not hasattr(self._rows, "read_groups"):
            cache_bytes = self.plan.cache_under(executor.default_limit()) // executor.n_processes
            self.sent_bytes = cache_bytes // KEPT_SHARE
            self.source = WorkersCache(self._rows, cache_bytes - self.sent_bytes)
        try:
            yield self
        finally:
            self.release()

    def release(self) -> RowSource:
        """Leave the memory limit to other passes: forget the cache, return what it cached."""
        if isinstance(self.source, CachedSource):
            self.source.forget()
        elif isinstance(self.source, WorkersCache):
            self.executor.everywhere(forget_here, self.source.token)
        return self._rows

    def hold(self, key: Any, load: Callable[[], Any]) -> Any:
        """Return what `load` gives, and keep it until another key is asked for."""
        if self._held is None or self._held[0] != key:
            self._held = None  # freed before the next is loaded
            with reading():
                self._held = key, load()
        return self._held[1]

    @property
    def goes_on(self) -> bool:
        """Whether a part of the next pass over all rows was done by a fit that was killed."""
        journal = self.parted
        return journal is not None and journal.is_begun()

    def run_models(
        self, task: Callable[[Any, FitContext], PassResult], models: Sequence[F64],
        *, stage: str, title: str, groups: Sequence[Any] | None = None,
        settle: Settle | None = None, most_legs: int = MOST_LEGS, **extra: Any,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Run a pass that several models share; one result for each."""
        return self.run(
            task, self.data.context(models, **extra), stage=stage, title=title,
            n_models=len(models), groups=groups, settle=settle, most_legs=most_legs,
        )  # fmt: skip

    def run(
        self, task: Any, context: Any, *, stage: str, title: str, n_models: int = 1,
        groups: Sequence[Any] | None = None, settle: Settle | None = None,
        most_legs: int = MOST_LEGS,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Run a pass, over all rows or over some groups, and begin its line of the history.

        What tasks return is settled before it is merged with what the journal has.
        """
        journal = self.parted if groups is None else None
        groups = self.groups if groups is None else groups
        self.announce(stage, title, sum(group.n_rows for group in groups))
        begin = time.perf_counter()
        if journal is not None:
            result = journal.run(
                self.work, task, groups, context, n_workers=self.executor.n_workers,
                settle=settle, most_legs=most_legs, tell=self.skip, agree=self.agree,
            )  # fmt: skip
        else:
            result = self.work(task, groups, context)
            if settle is not None:
                result = replace(result, parts=settle(0, result.parts))
        self.record(stage, time.perf_counter() - begin, result.stats, n_models=n_models)
        return result.parts

    def agree(self, n_legs: int) -> int:
        """Return into how many legs a pass is parted where so many are wanted."""
        return n_legs

    @property
    def parted(self) -> Journal | None:
        """The journal, where passes over all rows can be parted and may last long enough for it."""
        is_long = self.journal is not None and self.most_s > self.journal.every_s
        return self.journal if is_long and isinstance(self.groups[-1], Group) else None

    @property
    def _has_graph(self) -> bool:
        """Whether rows come by a graph of their own, of which a pass is then a part."""
        return hasattr(self._rows, "read_groups")

    def _may_deal(self) -> bool:
        """Return whether any task may read any block."""
        info = self._rows.info
        if info.is_sequential or self._has_graph:
            return False
        return self._in_memory or self.block_rows >= info.natural_rows  # else read by several

    def work(self, task: Any, groups: Sequence[Any], context: Any) -> PassResult:
        """Run a task over groups; what is quick without a graph, where that is the same."""
        runner, is_whole = self.executor, groups is self.groups
        is_here = runner.shares_memory and not self._has_graph
        last_s = self._last.get((task, is_whole), math.inf) if is_here else math.inf
        most_s = math.inf if self._in_memory else SHORT_S
        if self._are_dealt and is_whole and len(groups) > 1 and last_s <= most_s:
            n_hands = 1 if last_s < BRIEF_S else runner.n_workers
            n_pieces = DEALT if self._in_memory and last_s > QUICK_S else 1
            groups = deal(self.groups, n_hands, n_pieces)
        result: PassResult
        if runner.shares_memory and len(groups) == 1:
            alone = SerialExecutor()
            alone.listener = runner.listener
            result = alone.map_merge(task, groups, context)
        elif last_s < QUICK_S and len(groups) <= runner.n_workers:
            self._hands = self._hands or Hands(runner.n_workers)
            result = self._hands.map_merge(task, groups, context, runner.listener)
        else:
            result = runner.map_merge(task, groups, context)
        stats = result.stats
        self._last[task, is_whole] = stats.read_s + stats.decode_s + stats.compute_s
        return result
