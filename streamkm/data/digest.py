"""What tells one set of rows from another."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np

from streamkm.data.dataset import Dataset
from streamkm.typing import ColumnSource, RowSource

STRETCHES: Final = 64
STRETCH_ROWS: Final = 4


def fingerprint(source: RowSource) -> str:
    """Return a digest that tells this data from other data.

    A store's own is the digest of all its chunks; elsewhere it is shape, dtype
    and 64 stretches of rows.
    """
    if isinstance(source, Dataset):
        return source.spec.fingerprint
    return sampled(source)


def sampled(source: RowSource | ColumnSource) -> str:
    """Return a digest of shape, dtype and stretches of rows."""
    n_rows = source.shape[0]
    digest = hashlib.sha256(f"{tuple(source.shape)} {source.dtype.str}".encode())
    for start in sorted({n_rows * i // STRETCHES for i in range(STRETCHES)}):
        rows = source.read(start, min(start + STRETCH_ROWS, n_rows))
        digest.update(np.ascontiguousarray(rows).tobytes())
    return digest.hexdigest()


def whole(array: Any) -> str:
    """Return a digest of all values of an array in memory."""
    values = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{values.shape} {values.dtype.str}".encode())
    digest.update(values.data.cast("B") if values.size else b"")
    return digest.hexdigest()
