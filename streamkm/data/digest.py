"""What tells one set of rows from another."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamkm.data.dataset import Dataset
from streamkm.typing import ColumnSource, RowSource

STRETCHES: Final = 64
STRETCH_ROWS: Final = 4
COLUMN_ROWS: Final = 1 << 20  # that are read at once


def fingerprint(source: RowSource) -> str:
    """Return a digest that tells this data from other data.

    A store's own is the digest of all its chunks; elsewhere it is shape, dtype
    and 64 stretches of rows.
    """
    if isinstance(source, Dataset):
        return source.spec.fingerprint
    return sampled(source)


def stamp(source: RowSource) -> str:
    """Return size and time of the files that rows lie in; nothing where they are not known.

    A digest of a few stretches does not tell a file from itself with one value mended.
    """
    places = [source, *getattr(source, "parts", ())]
    paths = [Path(place.path) for place in places if isinstance(getattr(place, "path", None), str)]
    found = [path.stat() for path in paths if path.is_file()]
    return " ".join(f"{entry.st_size}/{entry.st_mtime_ns}" for entry in found)


def sampled(source: RowSource | ColumnSource) -> str:
    """Return a digest of shape, dtype and stretches of rows."""
    n_rows = source.shape[0]
    digest = hashlib.sha256(f"{tuple(source.shape)} {source.dtype.str}".encode())
    for start in sorted({n_rows * i // STRETCHES for i in range(STRETCHES)}):
        rows = source.read(start, min(start + STRETCH_ROWS, n_rows))
        digest.update(np.ascontiguousarray(rows).tobytes())
    return digest.hexdigest()


def of_column(column: ColumnSource | None) -> str:
    """Return a digest of all values of a column, and of the classes that they stand for."""
    if column is None:
        return ""
    n_rows = column.shape[0]
    names = getattr(column, "class_names", ())
    digest = hashlib.sha256(f"{n_rows} {column.dtype.str} {names}".encode())
    for start in range(0, n_rows, COLUMN_ROWS):
        values = column.read(start, min(start + COLUMN_ROWS, n_rows))
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def whole(array: Any) -> str:
    """Return a digest of all values of an array in memory."""
    values = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{values.shape} {values.dtype.str}".encode())
    digest.update(values.data.cast("B") if values.size else b"")
    return digest.hexdigest()
