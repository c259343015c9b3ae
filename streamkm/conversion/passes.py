"""What the passes of a conversion share: groups, announcements, rows that are left out."""

from __future__ import annotations

import warnings
from dataclasses import replace

from streamkm.conversion.filtered import FilteredSource
from streamkm.conversion.plan import ROW_OVERHEAD_BYTES, Conversion, make_context
from streamkm.data.layout import Group, block_rows_for, plan_groups
from streamkm.data.spec import DatasetSpec
from streamkm.errors import BadRowsError
from streamkm.runtime.dask_input import DaskRows
from streamkm.runtime.events import PassStarted
from streamkm.tasks import convert as tasks


def without_bad_rows(job: Conversion) -> Conversion:
    """Return the conversion of the rows that hold neither NaN nor infinity.

    Raises
    ------
    BadRowsError
        If no row is left.
    """
    spec = job.spec
    announce(job, "check", "looking for NaN and infinity")
    context = replace(make_context(job), fragments=None)
    rows = block_rows_for(
        spec.n_rows, job.row_bytes + ROW_OVERHEAD_BYTES, 1, job.memory.block_bytes
    )
    groups = groups_of(job, rows, is_sequential=job.source.info.is_sequential)
    bad: tasks.BadCounts = job.executor.map_merge(tasks.count_bad, groups, context).parts[0]
    n_bad = int(bad.counts.sum())
    if n_bad == 0:
        return job
    if n_bad == spec.n_rows:
        raise BadRowsError(f"all {n_bad} rows hold NaN or infinity; nothing is left to convert")
    kept = FilteredSource(job.source, job.classes, bad.starts, bad.counts)
    smaller = replace(
        spec,
        n_rows=kept.shape[0],
        n_dropped=n_bad,
        dropped_rows=tuple(bad.first.tolist()),
        chunk_rows=min(spec.chunk_rows, kept.shape[0]),
    )
    return replace(job, source=kept, classes=kept.labels, spec=smaller)


def warn_of_dropped(spec: DatasetSpec) -> None:
    """Say that rows are left out, and which."""
    if spec.n_dropped:
        first = ", ".join(map(str, spec.dropped_rows[:5]))
        warnings.warn(
            f"{spec.n_dropped} rows with NaN or infinity are left out (the first, counted from 0, "
            f"are {first}; a missing value is a NaN): behind them the store's row numbers, and so "
            "those of its labels, are not the source's; `streamkm info --json` lists those left "
            "out",
            stacklevel=3,
        )


def groups_of(job: Conversion, block_rows: int, *, is_sequential: bool) -> list[Group]:
    """Cut the rows into groups of blocks, as the source can be read."""
    n_rows, info = job.spec.n_rows, job.source.info
    if isinstance(job.source, DaskRows):  # its chunks are the tasks' inputs: one each, about
        step = max(info.natural_rows // block_rows, 1) * block_rows
        starts = enumerate(range(0, n_rows, step))
        return [Group(g, start, min(start + step, n_rows), block_rows) for g, start in starts]
    row_bytes = job.row_bytes + ROW_OVERHEAD_BYTES
    return plan_groups(n_rows, row_bytes, block_rows, is_sequential=is_sequential, parts=info.parts)


def announce(job: Conversion, stage: str, title: str) -> None:
    """Say that a pass begins."""
    if job.executor.listener is not None:
        job.executor.listener(PassStarted(stage, title, job.spec.n_rows))
