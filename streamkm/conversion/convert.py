"""`convert`: from any source to a store, in bounded memory, whatever happens in between."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from streamkm.conversion.append import (
    grown,
    grown_spec,
    link_chunks,
    n_linked_chunks,
    open_base,
    was_done,
)
from streamkm.conversion.inputs import as_classes, as_source, identity_of
from streamkm.conversion.passes import announce, groups_of, warn_of_dropped, without_bad_rows
from streamkm.conversion.plan import (
    ROW_OVERHEAD_BYTES,
    Conversion,
    make_context,
    make_spec,
    plan_conversion,
)
from streamkm.conversion.repair import repair_chunks
from streamkm.conversion.spool import spooled
from streamkm.conversion.staging import Staging, storage_errors
from streamkm.data.dataset import Dataset
from streamkm.data.layout import block_rows_for
from streamkm.errors import SourceError
from streamkm.runtime import make_executor
from streamkm.runtime.base import Executor
from streamkm.sources.frames import is_iterator
from streamkm.tasks import convert as tasks
from streamkm.tasks.base import PassResult
from streamkm.typing import ColumnSource, Json, RowSource


def convert(
    src: Any,
    store: str | Path,
    *,
    target: Any = None,
    columns: str | Sequence[str] | None = None,
    shuffle: bool = False,
    seed: int = 0,
    on_bad_rows: Literal["raise", "drop"] = "raise",
    overwrite: bool = False,
    append: bool = False,
    repair: bool = False,
    chunk_rows: int | None = None,
    codec: Literal["none", "lz4", "zstd"] | None = None,
    tmp: str | Path | None = None,
    executor: str | Executor | None = None,
    memory_limit: int | str | None = None,
) -> Dataset:
    """Convert any source to a chunked Zarr store.

    Parameters
    ----------
    src
        A path, glob, URL or description (see `streamkm.sources.open_source`), a
        NumPy or dask array of shape (n_rows, ...), a data frame of pandas or
        dask, an Arrow table, an xarray.DataArray, an iterator of such blocks of
        rows, or any `RowSource`.
    store
        Folder of the new store. It appears under this name when it is whole;
        until then the work lies beside it, in `STORE.partial`.
    target
        Labels: a path, or an array of shape (n_rows,). By default those that
        the format has. A column of the table itself, such as skin.csv:skin, is
        left out of the rows.
    columns
        Columns of a table that become features, in this order: names, or a
        string of names between commas. By default all, which must be numbers.
    shuffle
        Put the rows into a random order (mini-batches need mixed rows). Takes
        a second copy on disk and one more pass.
    seed
        The order is a function of the number of rows and this seed.
    on_bad_rows
        "raise" refuses rows with NaN or infinity, "drop" leaves them out.
    overwrite
        Replace an existing store, once the new one is whole.
    append
        Add the rows, and labels where the store has them, to the end of an
        existing store. Every call that ends appends again.
    repair
        Check every chunk of an existing store, and write those that are damaged
        or missing anew, from the source it was made of. A warning says which.
    chunk_rows
        Rows of a chunk; by default the growing store's, else about 16 MiB,
        less for small data.
    codec
        Compression; by default the growing store's, else lz4.
    tmp
        Folder for what a shuffle puts aside.
    executor
        "serial", "threads", "processes", an executor, or None for what Dask
        would use here.
    memory_limit
        Bytes, or a size such as "1 GiB"; None for half of what is free.

    Returns
    -------
    dataset
        The store, open for reading.

    Raises
    ------
    SourceError
        If the source is missing, damaged, not numeric, has no rows, or rows of
        another kind than the store that grows.
    BadRowsError
        If rows hold NaN or infinity under "raise".
    StoreExistsError
        If the store exists and neither `overwrite` nor `append` was asked.
    StoreError
        If there is no store to append to or to repair.
    BusyError
        If another conversion to this store is under way.
    StorageError
        If the disk is too small or refuses to be written.
    MemoryLimitError
        If the work does not fit.

    Notes
    -----
    Killed at any moment and called again with the same arguments, it continues
    and ends with the same bytes. One pass over the source; two with `shuffle`;
    one more with "drop". The moments of the rows and a uniform sample are
    taken on the way.

    A store that grew is, byte for byte, the conversion of the old rows and the
    new ones together with its `chunk_rows` and codec. The old store is whole
    under its name until the grown one takes it. Its full chunks are linked,
    not written again, and read once. Rows appended to a shuffled store are not
    mixed in: it then counts as not shuffled.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> dataset = streamkm.convert(np.eye(4, dtype="f4"), "eye.zarr")
    >>> dataset.shape
    (4, 4)
    """
    if on_bad_rows not in ("raise", "drop"):
        raise SourceError(f"on_bad_rows must be 'raise' or 'drop', got {on_bad_rows!r}")
    if seed < 0:
        raise SourceError(f"seed must not be negative, got {seed}")
    refuse_together("append", append, shuffle=shuffle, overwrite=overwrite)
    refuse_together(
        "repair", repair, shuffle=shuffle, overwrite=overwrite, append=append,
        chunk_rows=chunk_rows is not None, codec=codec is not None,
    )  # fmt: skip
    is_there = append or repair  # then it is what a link names
    staging = Staging(os.path.realpath(store) if is_there else store, tmp)
    with ExitStack() as stack:
        if is_iterator(src):  # it comes but once: refuse first
            staging.refuse_taken(overwrite=overwrite or is_there)
        src, source, classes = _opened(stack, src, staging, columns, target)
        runner = make_executor(executor)
        if executor is None or isinstance(executor, str):
            stack.callback(runner.close)
        if repair:
            repair_chunks(staging, source, classes, runner, memory_limit)
            return Dataset(store)
        base = open_base(staging, source, classes) if append else None
        stack.enter_context(storage_errors(staging))
        identity = {"src": identity_of(src, source, columns), "target": identity_of(target)}
        if was_done(staging, base, identity):
            return Dataset(store)
        spec = make_spec(source, classes, chunk_rows, codec, seed if shuffle else None)
        whole = grown_spec(spec, base, chunk_rows, codec)
        memory = plan_conversion(whole, source, runner, memory_limit)
        runner.preflight(None)
        job = Conversion(source, classes, spec, staging, runner.limited(memory.n_workers), memory)
        if on_bad_rows == "drop" and source.dtype.kind == "f":
            job = without_bad_rows(job)
            warn_of_dropped(job.spec)
        _run(grown(job, base, whole), identity, overwrite or append)
    return Dataset(store)


def _opened(
    stack: ExitStack, src: Any, staging: Staging, columns: str | Sequence[str] | None, target: Any
) -> tuple[Any, RowSource, ColumnSource | None]:
    """Return the source as it is read, its rows and its labels; then nobody else converts here.

    An iterator is put aside in a file beside the store: the lock comes before it.
    """
    is_stream = is_iterator(src)
    if is_stream:
        stack.enter_context(staging.alone())
        src = stack.enter_context(spooled(src, staging.store))
    source = as_source(src, columns, target)
    classes = as_classes(target, source)
    if not is_stream:
        stack.enter_context(staging.alone())
    return src, source, classes


def refuse_together(name: str, is_asked: bool, **others: bool) -> None:
    """Refuse options that contradict each other.

    Raises
    ------
    SourceError
        If `name` is asked and one of the others is.
    """
    for other, is_too in others.items():
        if is_asked and is_too:
            raise SourceError(f"{name} cannot be combined with {other}")


def _run(job: Conversion, identity: Json, overwrite: bool) -> None:
    spec, staging = job.spec, job.staging
    row_bytes = job.row_bytes + ROW_OVERHEAD_BYTES
    block_rows = block_rows_for(spec.n_rows, row_bytes, 1, job.memory.block_bytes)
    shuffled = spec.shuffle_seed is not None
    raw = (spec.n_rows - n_linked_chunks(job) * spec.chunk_rows) * job.row_bytes
    if not staging.path.exists():
        staging.check_disk(raw, raw + 8 * spec.n_rows if shuffled else 0)
    # The fragments' blocks are part of the plan: another memory limit begins again.
    fragment_rows = block_rows if shuffled else 0
    base = job.base.spec.fingerprint if job.base is not None else ""
    identity = {**identity, "fragment_rows": fragment_rows, "base": base}
    staging.prepare(spec, identity, overwrite=overwrite)
    link_chunks(job)
    context = make_context(job, *staging.arrays(spec))
    if shuffled:
        announce(job, "shuffle", "shuffling: sorting rows into fragments")
        groups = groups_of(job, block_rows, is_sequential=job.source.info.is_sequential)
        job.executor.for_each(tasks.scatter, groups, context)
        context = replace(context, source=None)  # all rows are in the fragments
    announce(job, "convert", "converting")
    sequential = job.source.info.is_sequential and not shuffled
    groups = groups_of(job, spec.chunk_rows, is_sequential=sequential)
    result: PassResult = job.executor.map_merge(tasks.convert, groups, context)
    moments, sample = result.parts
    staging.finalise(spec, moments.summary(), sample)
