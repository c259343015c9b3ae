"""The driver of a fit's passes: data, plan, executor and history in one place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from streamkm.cluster.cutting import cut, row_bytes_of
from streamkm.cluster.fitdata import FitData
from streamkm.cluster.looking import Looked, check_summary, survey_rows, what_is_stored
from streamkm.cluster.rows import take
from streamkm.cluster.scaling import Scaling
from streamkm.data.cache import CachedSource, WorkersCache
from streamkm.data.dataset import Dataset
from streamkm.data.here import forget_here
from streamkm.kernels.tile import seen_rows
from streamkm.kernels.view import AS_THEY_ARE, View
from streamkm.metering import reading
from streamkm.runtime.base import Executor
from streamkm.runtime.events import PassDone, PassStarted
from streamkm.runtime.memory import plan_memory
from streamkm.runtime.serial import SerialExecutor
from streamkm.sources.array import MemorySource
from streamkm.tasks.base import PassResult, PassStats
from streamkm.tasks.fit import FitContext
from streamkm.typing import F64, ColumnSource, Json, RowSource

KEPT_SHARE = 4  # of the cache: what is kept of all rows, such as labels and bounds
SUM_BYTES = 64  # a sum in flight: two float64, two int64, and as much again in merges


class Passes:
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
        in_memory = isinstance(source, MemorySource)
        self.source: RowSource = source
        self._rows = source
        self.keep_bytes = self.sent_bytes = 0
        self.may_hold = True  # rows of its own; not where other models share the passes
        if executor.shares_memory:
            self.keep_bytes = plan.cache_bytes if in_memory else plan.cache_bytes // KEPT_SHARE
            if not in_memory and not hasattr(source, "read_groups"):
                self.source = CachedSource(source, plan.cache_bytes - self.keep_bytes)
        self.weights = weights
        self.block_rows, self.groups = cut(source, plan, model_values, out_width)
        self.executor = executor.limited(plan.n_workers)
        self.history: list[Json] = []
        self._data: FitData | None = None
        self._held: tuple[Any, Any] | None = None

    @property
    def data(self) -> FitData:
        """What `look` found."""
        assert self._data is not None
        return self._data

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
    def view(self) -> View:
        """How rows are seen; known after `find_view`."""
        assert self._view is not None
        return self._view

    def find_view(self, least_sample_rows: int) -> None:
        """Learn how rows are seen: without a look at them unless their moments are needed."""
        if self._view is None:
            is_blind = not self._scaling.needs_moments
            summary = None if is_blind else self._look_raw(least_sample_rows).summary
            self._view = self._scaling.view(self.source.shape[1], summary)

    def look(self, least_sample_rows: int) -> FitData:
        """Learn the moments and a sample, as rows are seen: from the store, or by one pass.

        Two passes are taken where rows of unit length need the moments of all first.

        Raises
        ------
        BadRowsError
            If rows hold NaN or infinity.
        SourceError
            If values are too large for their squares.
        """
        self.find_view(least_sample_rows)
        view = self.view
        if view.is_unit:
            found = survey_rows(self, least_sample_rows, view)
            summary = found.summary
        else:
            found = self._look_raw(least_sample_rows)
            summary = found.summary.through(view)
        check_summary(summary)
        weights = take(self.weights, found.indices) if self.weights is not None else None
        self._data = FitData(
            self.source, self.weights, summary, seen_rows(found.sample, view), weights, view,
            self._scaling.is_cosine, found.n_zero, found.sample,
        )  # fmt: skip
        self._raw = None
        return self._data

    def stored(self) -> Looked | None:
        """Return what the store knows of its rows as they are."""
        return what_is_stored(self._rows) if self.weights is None else None

    def _look_raw(self, least_sample_rows: int) -> Looked:
        if self._raw is None:
            found = self.stored()
            if found is None or len(found.sample) < min(least_sample_rows, found.summary.count):
                found = survey_rows(self, least_sample_rows, AS_THEY_ARE)
            check_summary(found.summary.through(self._scaling.picks))
            self._raw = found
        return self._raw

    def run_models(
        self, task: Callable[[Any, FitContext], PassResult], models: Sequence[F64],
        *, stage: str, title: str, groups: Sequence[Any] | None = None, **extra: Any,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Run a pass that several models share; one result for each."""
        context = self.data.context(models, **extra)
        return self.run(
            task, context, stage=stage, title=title, n_models=len(models), groups=groups
        )

    def run(
        self, task: Any, context: Any, *, stage: str, title: str, n_models: int = 1,
        groups: Sequence[Any] | None = None,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Run a pass, over all rows or over some groups, and begin its line of the history."""
        groups = self.groups if groups is None else groups
        self.announce(stage, title, sum(group.n_rows for group in groups))
        begin = time.perf_counter()
        result = self.work(task, groups, context)
        self.record(stage, time.perf_counter() - begin, result.stats, n_models=n_models)
        return result.parts

    def work(self, task: Any, groups: Sequence[Any], context: Any) -> PassResult:
        """Run a task over groups; a single one in this thread, where that is the same."""
        runner = self.executor
        if runner.shares_memory and len(groups) == 1:
            runner = SerialExecutor()
            runner.listener = self.executor.listener
        result: PassResult = runner.map_merge(task, groups, context)
        return result

    def announce(self, stage: str, title: str, n_rows: int) -> None:
        """Say that a pass begins."""
        self._tell(PassStarted(stage, title, n_rows))

    def record(self, stage: str, seconds: float, stats: PassStats, *, n_models: int = 1) -> None:
        """Begin a pass's line of the history."""
        self.history.append(
            {
                "pass": len(self.history) + 1,
                "stage": stage,
                "n_models": n_models,
                "seconds": seconds,
                "read_s": stats.read_s,
                "decode_s": stats.decode_s,
                "compute_s": stats.compute_s,
                "merge_s": stats.merge_s,
                "bytes_read": stats.bytes_read,
                "bytes_decoded": stats.bytes_decoded,
                "n_rows": stats.n_rows,
            }
        )

    def note(self, **fields: Any) -> None:
        """Complete the last pass's line of the history, and say so."""
        self.history[-1].update(fields)
        self.executor.log_pass(self.history[-1])
        self._tell(PassDone(self.history[-1]))

    def _tell(self, event: Any) -> None:
        if self.executor.listener is not None:
            self.executor.listener(event)
