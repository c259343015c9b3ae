"""What `convert` accepts: paths, descriptions, arrays, and labels of either kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streamkm.errors import SourceError
from streamkm.sources import open_column, open_source
from streamkm.sources.array import MemorySource
from streamkm.sources.columns import MemoryColumn
from streamkm.typing import ColumnSource, Json, RowSource


def as_source(src: Any) -> RowSource:
    """Return the rows of a path, a description, an array, or a RowSource."""
    if isinstance(src, (str, Path)):
        return open_source(src)
    if isinstance(src, np.ndarray):
        if src.ndim < 2 or src.size == 0:
            raise SourceError(f"expected a 2-D array with rows, got shape {src.shape}")
        if src.dtype.kind not in "buif":
            raise SourceError(f"dtype {src.dtype} is not numeric; convert it to numbers first")
        return MemorySource(src)
    if isinstance(src, RowSource):
        return src
    raise SourceError(f"cannot convert {type(src).__name__}; pass a path, an array or a RowSource")


def as_classes(target: Any, source: RowSource) -> ColumnSource | None:
    """Return the labels: those asked for, else those that the format has; one a row."""
    n_rows = source.shape[0]
    if target is None:
        classes = source.labels
    elif isinstance(target, (str, Path)):
        classes = open_column(target)
    else:
        classes = MemoryColumn(np.asarray(target))
    if classes is not None and classes.shape != (n_rows,):
        raise SourceError(f"{classes.shape[0]} labels for {n_rows} rows; each row needs one")
    return classes


def identity_of(value: Any) -> Json:
    """Return what tells a source from another one under the same name."""
    if isinstance(value, (str, Path)):
        path = Path(str(value).partition(":")[0])
        if not path.is_file():
            path = Path(value)
        stat = path.stat() if path.exists() else None
        seen = [stat.st_size, stat.st_mtime_ns] if stat else []
        return {"name": str(value), "seen": seen}
    return {"name": repr(type(value))}
