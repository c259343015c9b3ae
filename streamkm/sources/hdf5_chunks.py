"""Chunks of an HDF5 dataset decoded outside the library's global lock.

HDF5 decodes under one lock, and h5py under Python's: two threads read no
faster than one and hold up everybody else. Deflated chunks, shuffled or not,
are taken raw and decoded by zlib, which lets other threads run.
"""

from __future__ import annotations

import itertools
import math
import zlib
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from streamkm.errors import SourceError

KNOWN_FILTERS: Final = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE)
CHECKSUM_BYTES: Final = 4  # behind a chunk that has one


def filters_of(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Return the codes of a dataset's filters, in the order of writing."""
    plist = dataset.id.get_create_plist()
    return tuple(plist.get_filter(i)[0] for i in range(plist.get_nfilters()))


def check_chunks(dataset: h5py.Dataset, name: str) -> None:
    """Refuse chunks that are said to lie outside of the file, in one walk over their index.

    HDF5 would take memory for them before it looks, or crash over an empty one; it
    believes what its filters are told of a chunk's size in the same way.

    Raises
    ------
    SourceError
        If there is one, or a filter of chunks of another size.
    """
    if dataset.chunks is None:
        return
    _check_filters(dataset, name)
    whole = dataset.file.id.get_filesize()
    has_checksum = h5py.h5z.FILTER_FLETCHER32 in filters_of(dataset)
    least = CHECKSUM_BYTES if has_checksum else 0

    def is_outside(chunk: Any) -> Any:
        is_inside = least < chunk.size <= whole - chunk.byte_offset
        return None if is_inside else chunk  # anything but None ends the walk

    wrong = dataset.id.chunk_iter(is_outside)
    if wrong is not None:
        raise SourceError(
            f"{name}: damaged or truncated; a chunk of {wrong.size} bytes at byte "
            f"{wrong.byte_offset} in a file of {whole}"
        )


def _check_filters(dataset: h5py.Dataset, name: str) -> None:
    n_values, itemsize = math.prod(dataset.chunks), dataset.dtype.itemsize
    known = {  # which parameter says what of a chunk
        h5py.h5z.FILTER_LZF: {2: n_values * itemsize},
        h5py.h5z.FILTER_SCALEOFFSET: {2: n_values, 4: itemsize},
    }
    plist = dataset.id.get_create_plist()
    for i in range(plist.get_nfilters()):
        code, _, parameters, _ = plist.get_filter(i)
        for place, value in known.get(code, {}).items():
            if len(parameters) > place and parameters[place] != value:
                raise SourceError(f"{name}: damaged; a filter is of chunks of another size")


def read_rows(
    dataset: h5py.Dataset, filters: tuple[int, ...], start: int, stop: int
) -> NDArray[Any] | None:
    """Read rows `start` to `stop`, decoding each chunk once.

    Returns
    -------
    rows
        Shape (stop - start, ...), or None where the chunks need the library:
        other filters, chunks that were never written or skip a filter.
    """
    if not filters or not set(filters) <= set(KNOWN_FILTERS):
        return None
    shape, chunk, dtype = dataset.shape, dataset.chunks, dataset.dtype
    out = np.empty((stop - start, *shape[1:]), dtype)
    corners = [range(start - start % chunk[0], stop, chunk[0])]
    corners += [range(0, size, step) for size, step in zip(shape[1:], chunk[1:], strict=True)]
    for corner in itertools.product(*corners):
        values = _read_chunk(dataset, filters, corner)
        if values is None:
            return None
        first, last = max(corner[0], start), min(corner[0] + chunk[0], stop)
        inner = tuple(
            slice(begin, min(begin + step, size))
            for begin, step, size in zip(corner[1:], chunk[1:], shape[1:], strict=True)
        )
        kept = tuple(slice(0, part.stop - part.start) for part in inner)
        source = values[(slice(first - corner[0], last - corner[0]), *kept)]
        out[(slice(first - start, last - start), *inner)] = source
    return out


def _read_chunk(
    dataset: h5py.Dataset, filters: tuple[int, ...], corner: tuple[int, ...]
) -> NDArray[Any] | None:
    n_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    try:
        mask, raw = dataset.id.read_direct_chunk(corner)
    except (OSError, RuntimeError, ValueError):
        return None
    if mask:
        return None
    for code in reversed(filters):
        if code == h5py.h5z.FILTER_DEFLATE:
            raw = zlib.decompressobj().decompress(raw, n_bytes + 1)
        else:
            size = dataset.dtype.itemsize
            raw = np.frombuffer(raw, np.uint8).reshape(size, -1).T.tobytes()
    return np.frombuffer(raw, dataset.dtype).reshape(dataset.chunks)
