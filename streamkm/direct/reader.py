"""Rows of a local Zarr array: each chunk's file is opened, read and decoded here."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import zarr
from numpy.typing import NDArray

from streamkm.direct.boxes import Box, Cell, cut
from streamkm.direct.buffers import Buffers
from streamkm.direct.codecs import CHECKSUM_BYTES, DECODERS, Octets, verify
from streamkm.direct.layout import Layout, layout_of
from streamkm.metering import count, fetching

NO_CHUNK: Final = 2**64 - 1  # in a shard's index
ABSENT: Final = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


def open_direct(
    array: zarr.Array[Any], folder: Path | None = None, *, is_whole: bool = False
) -> DirectReader | None:
    """Return a reader of an array, or None where only Zarr can read it.

    Parameters
    ----------
    array
        An open array; of a local store unless `folder` is given.
    folder
        Where it lies.
    is_whole
        Whether every chunk was written: one that is missing is damage.
    """
    layout = layout_of(array, folder)
    return DirectReader(layout, is_whole=is_whole) if layout is not None else None


class DirectReader:
    """Reads row ranges of an array as Zarr does, without Zarr.

    Parameters
    ----------
    layout
        Where and how the array is stored.
    is_whole
        Whether a chunk that is missing is damage; else it holds the fill value.
    """

    def __init__(self, layout: Layout, *, is_whole: bool) -> None:
        self.layout = layout
        self.is_whole = is_whole
        self._buffers = Buffers()

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows `start` to `stop`, in native byte order.

        Raises
        ------
        ValueError, RuntimeError
            If a chunk is damaged or cut short.
        OSError
            If the system does not give its bytes.
        """
        layout = self.layout
        start, stop, _ = slice(start, stop).indices(layout.shape[0])
        dtype = layout.stored_dtype.newbyteorder("=")
        out = self._buffers.rows((max(stop - start, 0), *layout.shape[1:]), dtype)
        if out.size:
            box = (slice(start, stop), *(slice(0, size) for size in layout.shape[1:]))
            for cell in cut(box, layout.file_shape):
                self._read_file(cell, out[cell.into])
        return out

    def _read_file(self, cell: Cell, out: NDArray[Any]) -> None:
        layout = self.layout
        name = layout.key(cell.coordinates)
        try:
            file = io.FileIO(Path(layout.folder, name))
        except ABSENT as error:
            if self.is_whole:
                raise ValueError(f"chunk {name} is missing") from error
            out[...] = layout.fill_value
            return
        with file:
            n_bytes = os.fstat(file.fileno()).st_size
            try:
                if layout.index is None:
                    self._read_chunk(file, 0, n_bytes, cell.within, out)
                else:
                    self._read_shard(file, n_bytes, cell, out)
            except (ValueError, RuntimeError) as error:
                raise ValueError(f"chunk {name}: {error}") from error
            except OSError as error:  # say where: the system does not
                raise OSError(error.errno, error.strerror, name) from error

    def _read_shard(self, file: io.FileIO, n_bytes: int, cell: Cell, out: NDArray[Any]) -> None:
        layout = self.layout
        table = self._read_index(file, n_bytes)
        for inner in cut(cell.box, layout.chunk_shape):
            place = tuple(
                c % n for c, n in zip(inner.coordinates, layout.chunks_of_file, strict=True)
            )
            offset, length = table[place].tolist()
            if offset == length == NO_CHUNK:
                out[inner.into] = layout.fill_value
            elif offset + length > n_bytes:
                raise ValueError(f"{n_bytes} bytes, but a part ends at {offset + length}")
            else:
                self._read_chunk(file, offset, length, inner.within, out[inner.into])

    def _read_index(self, file: io.FileIO, n_bytes: int) -> NDArray[np.uint64]:
        layout = self.layout
        assert layout.index is not None
        table = np.empty((*layout.chunks_of_file, 2), "<u8")
        mark = np.empty(CHECKSUM_BYTES * layout.index.is_checked, np.uint8)
        begin = 0 if layout.index.is_first else n_bytes - table.nbytes - len(mark)
        if begin < 0:
            raise ValueError(f"{n_bytes} bytes do not hold an index")
        data = _octets(table)
        _fetch(file, begin, data, mark)
        verify(data, mark)
        return table

    def _read_chunk(
        self, file: io.FileIO, offset: int, length: int, within: Box, out: NDArray[Any]
    ) -> None:
        """Read one chunk's part of the rows: in place where nothing is left out or between."""
        layout = self.layout
        is_in_place = out.flags.c_contiguous and out.shape[1:] == layout.chunk_shape[1:]
        if is_in_place and (layout.chain.is_plain or out.shape == layout.chunk_shape):
            self._check_size(length)
            if layout.chain.is_plain:
                skipped = within[0].start * (out.nbytes // len(out))
                _fetch(file, offset + skipped, _octets(out))
            else:
                self._decode(file, offset, length, _octets(out))
            if not layout.stored_dtype.isnative:
                out.byteswap(inplace=True)
            return
        n_bytes = math.prod(layout.chunk_shape) * layout.stored_dtype.itemsize
        with self._buffers.lend(n_bytes) as scratch:
            self._decode(file, offset, length, scratch)
            values = scratch.view(layout.stored_dtype).reshape(layout.chunk_shape)
            out[...] = values[within]

    def _check_size(self, length: int) -> None:
        layout = self.layout
        expected = math.prod(layout.chunk_shape) * layout.stored_dtype.itemsize
        expected += layout.chain.checksum_bytes
        if layout.chain.compressor is None and length != expected:
            raise ValueError(f"{length} bytes instead of {expected}")

    def _decode(self, file: io.FileIO, offset: int, length: int, out: Octets) -> None:
        chain = self.layout.chain
        mark = np.empty(chain.checksum_bytes, np.uint8)
        if chain.compressor is None:
            self._check_size(length)
            _fetch(file, offset, out, mark)
            verify(out, mark)
            return
        if length <= len(mark):
            raise ValueError(f"{length} bytes hold nothing")
        with self._buffers.lend(length - len(mark)) as data:
            _fetch(file, offset, data, mark)
            verify(data, mark)
            DECODERS[chain.compressor](data, out)


def _octets(values: NDArray[Any]) -> Octets:
    return values.reshape(-1).view(np.uint8)


def _fetch(file: io.FileIO, offset: int, *parts: Octets) -> None:
    """Fill memory from consecutive bytes of a file."""
    with fetching():
        file.seek(offset)
        for part in parts:
            n_filled = 0
            while n_filled < len(part):  # the system may give less than was asked for
                n_read = file.readinto(part[n_filled:].data)
                if not n_read:
                    raise ValueError("the file is cut short")
                n_filled += n_read
    count(bytes_read=sum(map(len, parts)))
