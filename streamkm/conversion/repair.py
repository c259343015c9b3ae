"""Damaged chunks of a store, written anew from the rows that the store was made of."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.conversion.passes import announce, groups_of, without_bad_rows
from streamkm.conversion.plan import Conversion, make_context, plan_conversion
from streamkm.conversion.staging import Staging, chunk_names, digest_of, storage_errors
from streamkm.data.dataset import Dataset
from streamkm.data.exchange import tidy
from streamkm.data.layout import Block, Ranges, block_rows_for
from streamkm.data.wrapped import WrappedSource
from streamkm.errors import SourceError
from streamkm.kernels.hashing import permute
from streamkm.keyed import SHUFFLE, row_key
from streamkm.runtime.base import Executor, counted
from streamkm.tasks import convert as tasks
from streamkm.tasks.repair import CheckContext, DamagedChunks, find_damaged
from streamkm.typing import ColumnSource, RowSource

NAMED: Final = 8  # chunks that a warning lists


def repair_chunks(
    staging: Staging,
    source: RowSource,
    classes: ColumnSource | None,
    executor: Executor,
    memory_limit: int | str | None,
) -> None:
    """Write anew what is damaged or missing among the chunks of a store.

    The new chunks lie beside the store until the fingerprint proves that they are
    what was there; then each takes its place at once. Two passes over the store's
    bytes at most, and as much of the source as the chunks need: all of it where
    the store is shuffled.

    Raises
    ------
    StoreError
        If there is no store, or what is damaged is no chunk of rows.
    SourceError
        If the source is not what the store was made of; the store is as it was.
    """
    tidy(staging.store)
    dataset = Dataset(staging.store)
    spec = dataset.spec
    memory = plan_conversion(spec, source, executor, memory_limit)
    executor.preflight(None)
    job = Conversion(source, classes, spec, staging, executor.limited(memory.n_workers), memory)
    names = ("X",) if spec.target_dtype is None else ("X", "y")
    announce(job, "check", "checking every chunk")
    found: DamagedChunks = job.executor.map_merge(
        find_damaged,
        groups_of(job, spec.chunk_rows, is_sequential=False),
        CheckContext(dataset, names),
    ).parts[0]
    if "sample" in dataset.group:
        dataset.sample()  # a clear error: it cannot be taken again without all rows
    if not found.chunks:
        warnings.warn("no chunk is damaged: nothing was written", stacklevel=3)
        return
    beside = Staging(staging.store.with_name(staging.store.name + ".repair"))
    beside.discard()  # of a repair that was killed
    try:
        with storage_errors(beside):
            beside.prepare(spec, {"repair": spec.fingerprint}, overwrite=False)
            _rewrite(replace(_as_it_was(job), staging=beside), found)
            _put_in_place(job, beside.path, found)
    finally:
        beside.discard()
    listed = ", ".join(f"{name} {number}" for name, number in found.chunks[:NAMED])
    more = ", ..." if len(found.chunks) > NAMED else ""
    warnings.warn(
        f"{counted(len(found.chunks), 'chunk')} damaged and written anew: {listed}{more}",
        stacklevel=3,
    )


def _as_it_was(job: Conversion) -> Conversion:
    """Return the conversion with its rows as the store has them: without bad ones, shuffled."""
    spec, source = job.spec, job.source
    whole = spec.n_rows + spec.n_dropped
    pairs: list[tuple[str, Any, Any]] = [
        ("rows", whole, source.shape[0]),
        ("features", spec.n_features, source.shape[1]),
        ("dtype", spec.dtype, source.dtype.str),
        ("labels", spec.target_dtype, job.classes.dtype.str if job.classes else None),
    ]
    differing = [f"{what}: {a} there, {b} here" for what, a, b in pairs if a != b]
    if differing:
        raise SourceError(
            f"{source.info.name} is not what {job.staging.store} was made of: "
            f"{'; '.join(differing)}"
        )
    if spec.n_dropped:
        before = replace(spec, n_rows=whole, n_dropped=0, dropped_rows=())
        job = replace(without_bad_rows(replace(job, spec=before)), spec=spec)
    return job


class ShuffledSource(WrappedSource):
    """Rows, or labels, in the order that a shuffle gives them; each read is one pass over all.

    Parameters
    ----------
    source
        In the order that they came in.
    job
        The conversion that has shuffled them.
    """

    def __init__(self, source: Any, job: Conversion) -> None:
        super().__init__(source)
        self._key = row_key(job.spec.shuffle_seed or 0, SHUFFLE)
        self._block_rows = block_rows_for(job.spec.n_rows, job.row_bytes, 1, job.memory.block_bytes)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows `start` to `stop` of the shuffled ones."""
        n_rows = self.source.shape[0]
        out = np.empty((stop - start, *self.source.shape[1:]), self.source.dtype)
        for begin in range(0, n_rows, self._block_rows):
            end = min(begin + self._block_rows, n_rows)
            places = permute(self._key, n_rows, begin, end) - start
            mine = np.flatnonzero((places >= 0) & (places < len(out)))
            if len(mine):
                out[places[mine]] = self.source.read(begin, end)[mine]
        return out


def _rewrite(job: Conversion, found: DamagedChunks) -> None:
    """Write the damaged chunks into the staging folder of a repair."""
    spec = job.spec
    announce(job, "convert", "writing damaged chunks anew")
    plain = replace(job, spec=replace(spec, shuffle_seed=None))
    context = make_context(plain, *job.staging.arrays(spec))
    if spec.shuffle_seed is not None:
        classes = None if job.classes is None else ShuffledSource(job.classes, job)
        context = replace(context, source=ShuffledSource(job.source, job), classes=classes)
    blocks = tuple(
        Block(n * spec.chunk_rows, min((n + 1) * spec.chunk_rows, spec.n_rows))
        for n in sorted({number for _, number in found.chunks})
    )
    groups = [Ranges(i, (block,)) for i, block in enumerate(blocks)]
    if job.source.info.is_sequential:
        groups = [Ranges(0, blocks)]
    job.executor.map_merge(tasks.convert, groups, context)


def _put_in_place(job: Conversion, beside: Path, found: DamagedChunks) -> None:
    """Replace the damaged chunks by new ones, if those are what was there.

    Raises
    ------
    SourceError
        If the store has another fingerprint with them.
    """
    spec, store = job.spec, job.staging.store
    damaged = {name for name in chunk_names(spec) if _numbered(name) in found.chunks}
    files = {name: beside / name for name in damaged}
    if digest_of(store, spec, files) != spec.fingerprint:
        raise SourceError(
            f"the rows of {job.source.info.name} are not those that {store} was made of, or a "
            "newer library compresses them otherwise: nothing was changed; convert it again"
        )
    for name, new in files.items():
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(new, store / name)


def _numbered(name: str) -> tuple[str, int]:
    """Return array and number of a chunk's file."""
    array, _, number, *_ = name.split("/")
    return array, int(number)
