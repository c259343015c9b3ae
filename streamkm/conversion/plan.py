"""What a conversion will write, and how it spends its memory: decided before any work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from streamkm.conversion.staging import Staging
from streamkm.data.dataset import Dataset
from streamkm.data.layout import default_chunk_rows
from streamkm.data.permuted import FragmentLayout
from streamkm.data.sampling import sample_capacity, sample_share
from streamkm.data.spec import DatasetSpec
from streamkm.data.store import CODECS, DEFAULT_CODEC
from streamkm.errors import StoreError
from streamkm.kernels.moments import first_shift
from streamkm.keyed import SAMPLE, SHUFFLE, row_key
from streamkm.runtime.base import Executor
from streamkm.runtime.memory import MemoryPlan, plan_memory
from streamkm.tasks.convert import ConvertContext
from streamkm.typing import ColumnSource, RowSource

SAMPLE_SEED: Final = 0
TASK_BYTES: Final = 2 << 20  # a task's part of the sample, and its moments
ROW_OVERHEAD_BYTES: Final = 48  # targets, order and labels of a row on its way


@dataclass(frozen=True, slots=True)
class Conversion:
    """One conversion: from where, to where, run by whom, under which plan.

    `base` is the store that grows, whose rows come first; None for a new store.
    """

    source: RowSource
    classes: ColumnSource | None
    spec: DatasetSpec
    staging: Staging
    executor: Executor
    memory: MemoryPlan
    base: Dataset | None = None

    @property
    def row_bytes(self) -> int:
        """Bytes of a row with its label."""
        return self.spec.row_bytes + (self.classes.dtype.itemsize if self.classes else 0)


def make_spec(
    source: RowSource,
    classes: ColumnSource | None,
    chunk_rows: int | None,
    codec: str | None,
    shuffle_seed: int | None,
) -> DatasetSpec:
    """Return what the store will say of itself, before anything is known of its values.

    Raises
    ------
    StoreError
        If the chunks or the codec cannot be.
    """
    if codec is not None and codec not in CODECS:
        raise StoreError(f"codec must be one of {', '.join(CODECS)}, got {codec!r}")
    if chunk_rows is not None and chunk_rows < 1:
        raise StoreError(f"chunk_rows must be at least 1, got {chunk_rows}")
    n_rows, n_features = source.shape
    unit = source.info.natural_rows
    wanted = default_chunk_rows(n_rows, n_features * source.dtype.itemsize, unit)
    return DatasetSpec(
        n_rows=n_rows,
        n_features=n_features,
        dtype=source.dtype.str,
        chunk_rows=min(chunk_rows or wanted, n_rows),
        codec=codec or DEFAULT_CODEC,
        sample_shape=source.info.sample_shape,
        source=source.info.name,
        shuffle_seed=shuffle_seed,
        target_dtype=classes.dtype.str if classes is not None else None,
        class_names=getattr(classes, "class_names", ()),
        feature_names=source.info.feature_names,
    )


def plan_conversion(
    spec: DatasetSpec, source: RowSource, executor: Executor, memory_limit: int | str | None
) -> MemoryPlan:
    """Spend the memory limit on chunks in flight."""
    return plan_memory(
        executor.default_limit() if memory_limit is None else memory_limit,
        executor.n_workers,
        executor.n_processes,
        unit_bytes=(spec.row_bytes + ROW_OVERHEAD_BYTES) * spec.chunk_rows,
        task_bytes=TASK_BYTES,
        scratch_bytes=source.info.scratch_bytes,
        can_limit=executor.can_limit,
        whole_units=True,
    )


def make_context(job: Conversion, x: Any = None, y: Any = None) -> ConvertContext:
    """Return what the tasks of a conversion need; x and y are the arrays that they write."""
    spec = job.spec
    columns: tuple[tuple[str, int], ...] = ((spec.dtype, spec.n_features),)
    if spec.target_dtype is not None:
        columns = (*columns, (spec.target_dtype, 1))
    fragments = None
    if spec.shuffle_seed is not None:
        folder = str(job.staging.fragments.absolute())
        fragments = FragmentLayout(folder, spec.n_rows, spec.chunk_rows, columns)
    capacity = sample_capacity(spec.n_rows, spec.row_bytes)
    if capacity == spec.n_rows:
        capacity = 0  # the sample is all rows: they are stored once
    return ConvertContext(
        source=job.source,
        classes=job.classes,
        x=x,
        y=y,
        chunk_rows=spec.chunk_rows,
        fragments=fragments,
        shuffle_key=row_key(spec.shuffle_seed or 0, SHUFFLE),
        shift=first_shift(job.source.read(0, min(256, spec.n_rows))),
        sample_key=row_key(SAMPLE_SEED, SAMPLE),
        sample_rows=capacity,
        sample_share=sample_share(capacity, spec.n_rows),
    )
