"""The input funnel: whatever a user passes becomes a RowSource."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import has_magic
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.data.dataset import Dataset, kind_of
from streamkm.data.store import refuse_unfinished
from streamkm.errors import SourceError
from streamkm.runtime.base import Executor
from streamkm.sources import may_be_store, open_column, open_rows
from streamkm.sources.array import MemorySource, native
from streamkm.sources.array import open_source as open_npy
from streamkm.sources.columns import MemoryColumn
from streamkm.sources.frames import is_iterator, names_of, text_columns, unwrapped
from streamkm.typing import F64, I64, ColumnSource, Json, Rows, RowSource


def as_rows(X: Any) -> RowSource:
    """Return rows of a path, URL, dataset, Zarr, HDF5, dask or NumPy array, table, or RowSource.

    Raises
    ------
    SourceError
        If it is none of these, not 2-D, or not numeric.
    """
    if isinstance(X, (str, Path)):
        return _open_path(str(X))
    names, X = names_of(X), as_given(X)
    if isinstance(X, np.ndarray):
        return _from_array(X, names)
    module = type(X).__module__.partition(".")[0]
    if module == "zarr":
        from streamkm.sources.zarr_array import from_array

        return from_array(X)
    if module == "h5py":
        from streamkm.sources.hdf5 import from_dataset

        return from_dataset(X)
    if hasattr(X, "__dask_graph__"):
        from streamkm.runtime.dask_input import DaskRows

        return DaskRows(X, names)
    if module == "scipy" or hasattr(X, "tocsr"):
        raise SourceError(
            "a sparse matrix was passed, but dense data is required; use X.toarray() where it fits"
        )
    if isinstance(X, RowSource):
        return X
    return _from_array(np.asarray(X), names)


def as_given(X: Any) -> Any:
    """Return what stands behind a table or a labelled array; a pandas data frame stays one.

    Raises
    ------
    SourceError
        If X can be read but once, or has columns that are not numbers.
    """
    if is_iterator(X):
        raise SourceError(
            f"{type(X).__name__}: an iterator can be read but once, a fit reads the rows several "
            "times; convert(iterator, STORE) first, or give the blocks to partial_fit or fit_stream"
        )
    return X if type(X).__module__.partition(".")[0] == "pandas" else unwrapped(X)


@contextmanager
def named_columns(X: Any) -> Iterator[None]:
    """Name the columns of a data frame that are not numbers, where it is refused for them.

    Raises
    ------
    SourceError
        In place of a ValueError or TypeError.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        texts = text_columns(X)
        if not texts:
            raise
        raise SourceError(f"columns that are not numbers: {', '.join(texts)}; drop them") from error


def locate(X: Any) -> str | None:
    """Return where rows can be opened again, or None where only the caller has them."""
    if isinstance(X, Dataset):
        X = X.path
    if not isinstance(X, (str, Path)):
        return None
    head, colon, member = str(X).partition(":")
    is_path = Path(head).exists() or has_magic(head)
    return f"{Path(head).absolute()}{colon}{member}" if is_path else str(X)


def facts_of(rows: RowSource) -> Json:
    """Return what rows are, for people: name, shape, dtype."""
    n_rows, n_features = rows.shape
    return {
        "source": rows.info.name,
        "n_rows": n_rows,
        "n_features": n_features,
        "dtype": rows.dtype.name,
        "sample_shape": list(rows.info.sample_shape),
    }


def is_in_memory(X: Any) -> bool:
    """Return whether X is an array or table that the caller holds in memory."""
    is_lazy = hasattr(X, "__dask_graph__") and getattr(X, "chunks", ()) is not None
    return not (
        isinstance(X, (str, Path))
        or is_lazy  # a labelled array of xarray without chunks is not
        or type(X).__module__.partition(".")[0] in ("zarr", "h5py")
        or (isinstance(X, RowSource) and not isinstance(X, np.ndarray))
    )


def _open_path(path: str) -> RowSource:
    refuse_unfinished(path)
    if may_be_store(path) and kind_of(path) == "dataset":
        return Dataset(path)
    partial = Path(path + ".partial")
    if not Path(path).exists() and partial.exists():
        raise SourceError(f"{path}: its conversion was not finished; run it again")
    return open_rows(path)


def _from_array(array: Any, names: tuple[str, ...] = ()) -> MemorySource:
    if array.ndim != 2:
        raise SourceError(
            f"Expected 2D array, got {array.ndim}D array instead: shape {array.shape}; "
            "reshape your data with X.reshape(-1, 1) if it has one feature"
        )
    array = native(array)
    if array.size == 0:
        raise SourceError(f"no rows or no features: shape {array.shape}")
    return MemorySource(array, names)


Data = tuple[RowSource, ColumnSource | None]


@contextmanager
def shipped(source: RowSource, weights: ColumnSource | None, executor: Executor) -> Iterator[Data]:
    """Put arrays in memory where other processes can read them, for the time of a call.

    Else they would travel with every task.
    """
    if executor.shares_memory:
        yield source, weights
        return
    folder = Path(tempfile.mkdtemp(prefix="streamkm-"))
    try:
        if isinstance(source, MemorySource):
            np.save(folder / "rows.npy", source.array)
            source = open_npy(str(folder / "rows.npy"))
        if isinstance(weights, MemoryColumn):
            np.save(folder / "weights.npy", weights.values)
            weights = open_column(folder / "weights.npy")
        yield source, weights
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def take(column: ColumnSource, indices: I64, block_rows: int = 1 << 20) -> F64:
    """Return the values of some rows of a column; the indices ascend."""
    out = np.empty(len(indices))
    for start in range(0, column.shape[0], block_rows):
        first, last = np.searchsorted(indices, [start, start + block_rows])
        if first < last:
            values = column.read(start, min(start + block_rows, column.shape[0]))
            out[first:last] = values[indices[first:last] - start]
    return out


def pick(source: RowSource, numbers: I64) -> Rows:
    """Return a few rows by their numbers, in this order."""
    return np.concatenate([source.read(row, row + 1) for row in numbers.tolist()])
