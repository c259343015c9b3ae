"""Any numeric dataset of an HDF5 file, whatever its chunks.

Rows are read in bands of whole chunks, so that files that are blocked by
column decode each chunk once. A chunk that spans the whole file and is only
deflated is inflated in pieces and read forwards: HDF5 itself would decode it
whole, and again for every read.
"""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from streamkm.errors import SourceError, StreamKMError
from streamkm.metering import count
from streamkm.sources.bounded import bounded_memory
from streamkm.sources.hdf5_chunks import check_chunks, filters_of, read_rows
from streamkm.sources.streams import ForwardReader, InflateStream
from streamkm.typing import ColumnSource, Rows, SourceInfo

LARGE_CHUNK_BYTES: Final = 32 << 20
OPENING_BYTES: Final = 256 << 20  # and as much as the file has: names, indices of chunks
_LOCAL = threading.local()


@dataclass(frozen=True)
class Hdf5Source:
    """Rows of one dataset."""

    path: str
    dataset: str
    array_shape: tuple[int, ...]
    stored: np.dtype[Any]
    chunks: tuple[int, ...] | None
    filters: tuple[int, ...]
    stored_bytes: int
    reader: ForwardReader | None = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return self.array_shape[0], math.prod(self.array_shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Native byte order of the stored type."""
        return self.stored.newbyteorder("=")

    @property
    def info(self) -> SourceInfo:
        """Bands of whole chunks; a chunk that is inflated in pieces is sequential."""
        chunk_bytes = math.prod(self.chunks) * self.stored.itemsize if self.chunks else 0
        return SourceInfo(
            name=f"{Path(self.path).name}:{self.dataset}",
            sample_shape=self.array_shape[1:] if len(self.array_shape) > 2 else (),
            natural_rows=1 if self.reader or not self.chunks else self.chunks[0],
            is_sequential=self.reader is not None,
            is_column=len(self.array_shape) == 1,
            scratch_bytes=0 if self.reader else 2 * chunk_bytes,
        )

    @property
    def labels(self) -> ColumnSource | None:
        """None: name the dataset of the labels as the target."""
        return None

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`."""
        n_features = self.shape[1]
        with _damage(self.info.name):
            if self.reader is not None:
                row_bytes = n_features * self.stored.itemsize
                raw = self.reader.read_at(start * row_bytes, (stop - start) * row_bytes)
                rows = np.frombuffer(raw, self.stored)
            else:
                dataset = _open(self.path)[self.dataset]
                found = read_rows(dataset, self.filters, start, stop)
                rows = dataset[start:stop] if found is None else found
        stored = self.stored_bytes * (stop - start) // self.array_shape[0]
        count(bytes_read=stored, bytes_decoded=rows.nbytes)
        return rows.reshape(stop - start, n_features).astype(self.dtype, copy=False)


@dataclass(frozen=True)
class _ChunkOpener:
    path: str
    dataset: str

    def __call__(self) -> InflateStream:
        dataset = _open(self.path)[self.dataset]
        _, raw = dataset.id.read_direct_chunk((0,) * dataset.ndim)
        return InflateStream(raw)


def _open(path: str) -> h5py.File:
    """Return this thread's handle; never that of a file that was since replaced."""
    stat = Path(path).stat()
    key = (path, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if getattr(_LOCAL, "key", None) != key:
        if getattr(_LOCAL, "handle", None) is not None:
            _LOCAL.handle.close()
        _LOCAL.handle = h5py.File(path, "r", rdcc_nbytes=LARGE_CHUNK_BYTES)
        _LOCAL.key = key
    return _LOCAL.handle


def open_source(locator: str) -> Hdf5Source:
    """Open `file.h5:path/of/dataset`; the path may be left out where there is one matrix."""
    path, _, name = locator.partition(":")
    size = Path(path).stat().st_size
    if size == 0:
        raise SourceError(f"{Path(path).name}: the file is empty")
    # By one damaged length of a list of names HDF5 would fill all memory with zeros.
    file_name = Path(path).name
    try:
        with bounded_memory(OPENING_BYTES + size), _damage(file_name), h5py.File(path) as handle:
            return from_dataset(_find(handle, name.strip("/"), file_name))
    except MemoryError as error:
        raise SourceError(f"{file_name}: damaged, or it has too many names") from error


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """Say what cannot be read; h5py raises one of these for each kind of error in the library."""
    try:
        yield
    except (StreamKMError, FileNotFoundError):
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, zlib.error) as error:
        what = " ".join(str(error).split())[:160]
        raise SourceError(f"{name}: damaged or truncated ({what})") from error


def from_dataset(dataset: h5py.Dataset) -> Hdf5Source:
    """Describe an open dataset; the source opens the file again by itself."""
    name = f"{Path(dataset.file.filename).name}:{dataset.name.strip('/')}"
    if dataset.dtype.kind not in "buif" or dataset.dtype.hasobject:
        raise SourceError(f"{name}: dtype {dataset.dtype} is not numeric")
    if not dataset.shape or math.prod(dataset.shape) == 0:
        raise SourceError(f"{name}: holds no rows (shape {dataset.shape})")
    with _damage(name):
        check_chunks(dataset, name)
    path, inner = str(dataset.file.filename), dataset.name.strip("/")
    reader = ForwardReader(_ChunkOpener(path, inner), name) if _is_one_stream(dataset) else None
    return Hdf5Source(
        path,
        inner,
        tuple(dataset.shape),
        dataset.dtype,
        dataset.chunks,
        filters_of(dataset),
        dataset.id.get_storage_size(),
        reader,
    )


def _is_one_stream(dataset: h5py.Dataset) -> bool:
    """Return whether the data is one large deflated chunk, without other filters."""
    if dataset.chunks is None or dataset.chunks != dataset.shape:
        return False
    only_deflate = filters_of(dataset) == (h5py.h5z.FILTER_DEFLATE,)
    return bool(only_deflate and dataset.nbytes > LARGE_CHUNK_BYTES)


def _find(handle: h5py.File, name: str, file_name: str) -> h5py.Dataset:
    found: list[h5py.Dataset] = []
    handle.visititems(
        lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None
    )
    if name:
        for item in found:
            if item.name.strip("/") == name:
                return item
    matrices = [item for item in found if item.ndim >= 2 and item.dtype.kind in "buif"]
    if not name and len(matrices) == 1:
        return matrices[0]
    names = ", ".join(item.name.strip("/") for item in found) or "nothing"
    asked = f"no dataset {name!r}" if name else "several datasets"
    raise SourceError(f"{file_name}: {asked}; it holds {names}; say which, as {file_name}:NAME")
