"""Rows that come once, block by block, put aside as a .npy file so that they can be read again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from streamkm.errors import SourceError, StorageError
from streamkm.sources.array import native
from streamkm.sources.frames import unwrapped


@contextmanager
def spooled(blocks: Iterator[Any], store: Path) -> Iterator[Path]:
    """Write the rows of an iterator to a file beside the store, for the time of a conversion.

    Raises
    ------
    SourceError
        If a block is no array of rows, or not of the first one's kind.
    StorageError
        If the disk refuses.
    """
    path = store.with_name(store.name + ".rows.partial.npy")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as stream:
                _write(stream, blocks)
        except OSError as error:
            raise StorageError(f"{path} cannot be written ({error})") from error
        yield path
    finally:
        path.unlink(missing_ok=True)


def _write(stream: BinaryIO, blocks: Iterator[Any]) -> None:
    """Write blocks one behind the other, and the header once their number of rows is known."""
    first, n_rows = None, 0
    for number, block in enumerate(blocks):
        rows = _rows_of(block, number)
        if first is None:
            first = np.empty((0, *rows.shape[1:]), rows.dtype)
            _write_header(stream, first, 0)
        if rows.dtype != first.dtype or rows.shape[1:] != first.shape[1:]:
            raise SourceError(
                f"block {number} of the iterator holds rows of {rows.shape[1:]} {rows.dtype}, the "
                f"first of {first.shape[1:]} {first.dtype}; all must be of one kind"
            )
        stream.write(np.ascontiguousarray(rows).data)
        n_rows += len(rows)
    if first is None or n_rows == 0:
        raise SourceError("the iterator yields no rows")
    stream.seek(0)
    _write_header(stream, first, n_rows)


def _rows_of(block: Any, number: int) -> NDArray[Any]:
    rows = np.asarray(unwrapped(block))
    if rows.ndim < 2:
        raise SourceError(
            f"block {number} of the iterator has shape {rows.shape}; each must be an array of "
            "rows, of shape (n_rows, n_features)"
        )
    return native(rows)


def _write_header(stream: BinaryIO, first: NDArray[Any], n_rows: int) -> None:
    """Write a header; NumPy leaves room in it for any number of rows."""
    shape = (n_rows, *first.shape[1:])
    header = {"descr": first.dtype.str, "fortran_order": False, "shape": shape}
    npy_format.write_array_header_1_0(stream, header)
