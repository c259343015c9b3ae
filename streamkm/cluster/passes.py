"""The driver of a fit's passes: data, plan, executor and history in one place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from streamkm.cluster.fitdata import FitData
from streamkm.cluster.rows import take
from streamkm.data.cache import CachedSource
from streamkm.data.dataset import Dataset
from streamkm.data.layout import block_rows_for, plan_groups
from streamkm.data.sampling import sample_capacity, sample_share
from streamkm.errors import BadRowsError, SourceError
from streamkm.kernels.moments import first_shift
from streamkm.kernels.select import SelectedRows
from streamkm.kernels.summary import Summary
from streamkm.kernels.tile import unit_rows
from streamkm.keyed import SAMPLE, row_key
from streamkm.runtime.base import Executor
from streamkm.runtime.events import PassDone, PassStarted
from streamkm.runtime.memory import plan_memory
from streamkm.runtime.serial import SerialExecutor
from streamkm.sources.array import MemorySource
from streamkm.tasks.base import PassResult, PassStats, bad_rows_message
from streamkm.tasks.fit import FitContext
from streamkm.tasks.survey import SurveyContext, survey
from streamkm.typing import F64, ColumnSource, Json, Rows, RowSource

ROW_OVERHEAD_BYTES = 32  # labels, distances and weights of a row
SUM_BYTES = 64  # a sum in flight: two float64, two int64, and as much again in merges
MAX_VALUE = 1e100


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
    metric
        "euclidean" or "cosine".

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
        metric: str = "euclidean",
    ) -> None:
        self.is_unit = metric == "cosine"
        info = source.info
        n_rows, n_features = source.shape
        row_bytes = n_features * source.dtype.itemsize + ROW_OVERHEAD_BYTES + 16 * out_width
        plan = plan_memory(
            executor.default_limit() if memory_limit is None else memory_limit,
            executor.n_workers,
            executor.n_processes,
            unit_bytes=min(info.natural_rows, n_rows) * row_bytes,
            task_bytes=model_values * SUM_BYTES + (4 << 20),
            scratch_bytes=info.scratch_bytes,
            can_limit=executor.can_limit,
            held_bytes=held_bytes,
        )
        block_rows = block_rows_for(n_rows, row_bytes, info.natural_rows, plan.block_bytes)
        in_memory = isinstance(source, MemorySource)
        self.source: RowSource = source
        if executor.shares_memory and not in_memory and not hasattr(source, "read_groups"):
            self.source = CachedSource(source, plan.cache_bytes)
        self.weights = weights
        self.block_rows = block_rows
        self.groups: Sequence[Any] = plan_groups(
            n_rows, row_bytes, block_rows, is_sequential=info.is_sequential
        )
        if hasattr(source, "read_groups"):
            self.groups = source.read_groups()
        self.executor = executor.limited(plan.n_workers)
        self.history: list[Json] = []
        self._data: FitData | None = None

    @property
    def data(self) -> FitData:
        """What `look` found."""
        assert self._data is not None
        return self._data

    def release(self) -> RowSource:
        """Leave the memory limit to other passes: forget the cache, return what it cached."""
        if isinstance(self.source, CachedSource):
            self.source.forget()
            return self.source.source
        return self.source

    def look(self, least_sample_rows: int) -> FitData:
        """Learn the moments and a sample: from the store, or by one pass.

        Raises
        ------
        BadRowsError
            If rows hold NaN or infinity.
        SourceError
            If values are too large for their squares.
        """
        source = self.release()
        found = None
        if isinstance(source, Dataset) and self.weights is None and not self.is_unit:
            summary = Summary.from_json(source.moments)
            indices, sample = source.sample()
            if len(sample) >= min(least_sample_rows, summary.count):
                found = summary, indices, sample, 0
        summary, indices, sample, n_zero = found or self._survey(least_sample_rows)
        if not summary.magnitude.max() < MAX_VALUE:
            raise SourceError(f"values up to {summary.magnitude.max():g} are too large to square")
        if not summary.weight > 0.0:
            raise SourceError("all sample weights are zero")
        weights = take(self.weights, indices) if self.weights is not None else None
        if self.is_unit:
            sample = unit_rows(sample)
        self._data = FitData(
            self.source, self.weights, summary, sample, weights, self.is_unit, n_zero
        )
        return self._data

    def _survey(self, least_sample_rows: int) -> tuple[Summary, Any, Rows, int]:
        n_rows, n_features = self.source.shape
        capacity = sample_capacity(n_rows, n_features * self.source.dtype.itemsize)
        capacity = min(max(capacity, least_sample_rows), n_rows)
        first = self.source.read(0, min(256, n_rows))
        context = SurveyContext(
            source=self.source,
            weights=self.weights,
            shift=first_shift(unit_rows(first) if self.is_unit else first),
            is_unit=self.is_unit,
            sample_key=row_key(0, SAMPLE),
            sample_rows=capacity,
            sample_share=sample_share(capacity, n_rows),
        )
        moments, sample = self.run(survey, context, stage="survey", title="looking at the rows")
        self.note()
        if moments.n_bad:
            raise BadRowsError(bad_rows_message(moments.n_bad, moments.bad_rows.tolist()))
        chosen: SelectedRows = sample.by_row()
        return moments.summary(), chosen.indices, chosen.rows, moments.n_zero

    def run_models(
        self, task: Callable[[Any, FitContext], PassResult], models: Sequence[F64],
        *, stage: str, title: str, **extra: Any,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Run a pass that several models share; one result for each."""
        context = self.data.context(models, **extra)
        return self.run(task, context, stage=stage, title=title, n_models=len(models))

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
                "compute_s": stats.compute_s,
                "bytes_read": stats.bytes_read,
                "bytes_decoded": stats.bytes_decoded,
                "n_rows": stats.n_rows,
            }
        )

    def note(self, **fields: Any) -> None:
        """Complete the last pass's line of the history, and say so."""
        self.history[-1].update(fields)
        self._tell(PassDone(self.history[-1]))

    def _tell(self, event: Any) -> None:
        if self.executor.listener is not None:
            self.executor.listener(event)
