"""What `convert` accepts: paths, descriptions, arrays, and labels of either kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streamkm.data.dataset import Dataset, kind_of, refuse_unfinished
from streamkm.data.digest import sampled, whole
from streamkm.errors import SourceError
from streamkm.sources import open_column, open_rows
from streamkm.sources.array import MemorySource, native
from streamkm.sources.columns import MemoryColumn
from streamkm.typing import ColumnSource, Json, RowSource


def as_source(src: Any) -> RowSource:
    """Return the rows of a path, a description, an array, or a RowSource."""
    if isinstance(src, (str, Path)):
        if not str(src):
            raise SourceError("the source is an empty path")
        refuse_unfinished(str(src))
        if kind_of(src) == "dataset":
            return Dataset(src)  # with its labels
        return open_rows(src)
    if isinstance(src, np.ndarray):
        if src.ndim < 2 or src.size == 0:
            raise SourceError(f"expected a 2-D array with rows, got shape {src.shape}")
        return MemorySource(native(src))
    if isinstance(src, RowSource):
        return src
    if (hasattr(src, "__array__") and not hasattr(src, "__dask_graph__")) or isinstance(src, list):
        return as_source(np.asarray(src))  # data frames, lists
    raise SourceError(f"cannot convert {type(src).__name__}; pass a path, an array or a RowSource")


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


def identity_of(value: Any) -> Json:
    """Return what tells a source from another one: a continued conversion must not mix two."""
    if value is None:
        return {}
    if isinstance(value, (str, Path)):
        return {"name": str(value), "files": _files_of(str(value))}
    if isinstance(value, RowSource) and not isinstance(value, np.ndarray):
        return {"rows": sampled(value)}
    return {"array": whole(value)}


def _files_of(locator: str) -> list[list[Any]]:
    """Return name, size and time of every file behind `path`, `format:path` or `path:array`."""
    parts = locator.split(":")
    candidates = [locator, *parts, ":".join(parts[1:]), ":".join(parts[:-1])]
    for path in (Path(text) for text in candidates if text):
        if path.is_file() or path.is_dir():
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            stats = [(str(file), file.stat()) for file in files if file.is_file()]
            return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
    return []
