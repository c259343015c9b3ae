"""What `convert` accepts: paths, descriptions, arrays, tables, and labels of either kind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from glob import has_magic
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.data.dataset import Dataset, kind_of
from streamkm.data.digest import sampled, whole
from streamkm.data.store import refuse_unfinished
from streamkm.errors import SourceError
from streamkm.remote import is_url, stamp_of
from streamkm.runtime.dask_input import DaskRows, is_dask_array
from streamkm.sources import find_row, may_be_store, open_column, open_rows
from streamkm.sources.array import MemorySource, native
from streamkm.sources.columns import MemoryColumn
from streamkm.sources.frames import names_of, unwrapped
from streamkm.sources.locators import matches, read_columns, split_member
from streamkm.typing import ColumnSource, Json, RowSource


def as_source(
    src: Any, columns: str | Sequence[str] | None = None, target: Any = None
) -> RowSource:
    """Return the rows of a path, a description, an array, a table, or a RowSource.

    Parameters
    ----------
    src
        What `convert` was given.
    columns
        Names of a table's columns; a string holds them between commas.
    target
        The labels: a column of the same table is none of the rows'.
    """
    names = read_columns(columns) if isinstance(columns, str) else tuple(columns or ())
    if isinstance(src, (str, Path)):
        return _open_path(str(src), names, target)
    if isinstance(src, RowSource) and not isinstance(src, np.ndarray):
        if names:
            raise SourceError(f"columns are asked of {type(src).__name__}, which has none")
        return src
    array, features = unwrapped(src, names), names_of(src, names)
    if is_dask_array(array):
        return DaskRows(array, features)
    if hasattr(array, "__array__") or isinstance(array, list):
        array = np.asarray(array)
        if array.ndim < 2 or array.size == 0:
            raise SourceError(f"expected a 2-D array with rows, got shape {array.shape}")
        return MemorySource(native(array), features)
    raise SourceError(f"cannot convert {type(src).__name__}; pass a path, an array or a RowSource")


def _open_path(src: str, columns: tuple[str, ...], target: Any) -> RowSource:
    if not src:
        raise SourceError("the source is an empty path")
    refuse_unfinished(src)
    if may_be_store(src) and kind_of(src) == "dataset":
        if columns:
            raise SourceError(
                f"{src}: columns are chosen when a table is converted; convert the table again "
                "with --columns, or fit some of the store's with fit --columns 0,3"
            )
        return Dataset(src)  # with its labels
    if not columns and isinstance(target, (str, Path)):
        columns = _all_but(src, str(target))
    return open_rows(src, columns)


def _all_but(src: str, target: str) -> tuple[str, ...]:
    """Return what leaves the label out of its own table's rows."""
    path, member = split_member(src)
    labels, label = split_member(target)
    if member or not label or Path(path) != Path(labels) or not find_row(src)[0].has_columns:
        return ()
    return tuple(f"-{name}" for name in read_columns(label))


def as_classes(target: Any, source: RowSource) -> ColumnSource | None:
    """Return the labels: those asked for, else those that the format has; one a row."""
    n_rows = source.shape[0]
    if target is None:
        classes = source.labels
    elif isinstance(target, (str, Path)):
        classes = open_column(target)
    else:
        classes = MemoryColumn(native(np.asarray(target)))
    if classes is not None and classes.shape != (n_rows,):
        raise SourceError(f"{classes.shape[0]} labels for {n_rows} rows; each row needs one")
    return classes


def identity_of(value: Any, source: RowSource | None = None, columns: Any = None) -> Json:
    """Return what tells a source from another one: a continued conversion must not mix two.

    Parameters
    ----------
    value
        What `convert` was given: a path, an array, or None.
    source
        The rows that it stands for, where it stands for rows.
    columns
        Those that were chosen of it.
    """
    if value is None:
        return {}
    if isinstance(value, (str, Path)):
        chosen = columns if isinstance(columns, str) else list(columns or ())
        return {"name": str(value), "columns": chosen, "files": _files_of(str(value))}
    if isinstance(source, MemorySource):
        return {"array": whole(source.array)}
    if isinstance(source, DaskRows):
        return {"dask": source.array.name}
    return {"array": whole(value)} if source is None else {"rows": sampled(source)}


def _files_of(locator: str) -> str:
    """Return a digest of name, size and time of every file that a locator stands for."""
    if is_url(locator):
        return stamp_of(split_member(locator)[0])
    parts = locator.split(":")
    candidates = [locator, *parts, ":".join(parts[1:]), ":".join(parts[:-1])]
    for text in filter(None, [*candidates, *(part.partition("?")[0] for part in parts)]):
        digest, n_files = hashlib.sha256(), 0
        for file in _files_behind(text):
            stat = file.stat()
            digest.update(f"{file} {stat.st_size} {stat.st_mtime_ns}\n".encode())
            n_files += 1
        if n_files:
            return digest.hexdigest()
    return ""


def _files_behind(text: str) -> Iterator[Path]:
    path = Path(text)
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    elif has_magic(text):
        yield from map(Path, matches(text))
