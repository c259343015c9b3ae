"""IDX files (MNIST and its relatives), plain or gzipped.

Format: two zero bytes, a type byte, the number of dimensions, then each
dimension as a big-endian int32 (LeCun, Cortes & Burges, "The MNIST database").
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamkm.errors import SourceError
from streamkm.metering import count
from streamkm.sources.columns import RecordColumn
from streamkm.sources.streams import Reader, check_promise, file_reader
from streamkm.typing import ColumnSource, Rows, SourceInfo

TYPES: Final[dict[int, np.dtype[Any]]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}


@dataclass(frozen=True)
class IdxSource:
    """Rows of an IDX file, each sample flattened."""

    path: str
    dimensions: tuple[int, ...]
    stored: np.dtype[Any]
    reader: Reader = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return self.dimensions[0], math.prod(self.dimensions[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Native byte order of the stored type."""
        return self.stored.newbyteorder("=")

    @property
    def info(self) -> SourceInfo:
        """Name and sample shape; gzipped files are sequential."""
        return SourceInfo(
            name=Path(self.path).name,
            sample_shape=self.dimensions[1:] if len(self.dimensions) > 2 else (),
            is_sequential=self.path.endswith(".gz"),
            is_column=len(self.dimensions) == 1,
        )

    @property
    def labels(self) -> ColumnSource | None:
        """Labels from the file beside it, by MNIST's naming (images-idx3 -> labels-idx1)."""
        name = Path(self.path).name
        beside = name.replace("images-idx3", "labels-idx1").replace("images.idx3", "labels.idx1")
        candidate = Path(self.path).with_name(beside)
        if beside == name or not candidate.exists():
            return None
        source = open_source(str(candidate))
        return RecordColumn(source.read, source.shape[0], source.dtype)

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`, in native byte order."""
        n_features = self.shape[1]
        row_bytes = n_features * self.stored.itemsize
        header = 4 + 4 * len(self.dimensions)
        raw = self.reader.read_at(header + start * row_bytes, (stop - start) * row_bytes)
        count(bytes_read=len(raw), bytes_decoded=len(raw))
        rows = np.frombuffer(raw, self.stored).reshape(stop - start, n_features)
        return rows.astype(self.dtype, copy=False)


def open_source(locator: str) -> IdxSource:
    """Open an IDX file; its header is checked against the file's size."""
    path = str(Path(locator))
    name = Path(path).name
    if Path(path).stat().st_size == 0:
        raise SourceError(f"{name}: the file is empty")
    reader = file_reader(path)
    magic = reader.read_at(0, 4).tobytes()
    if magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] == 0:
        raise SourceError(f"{name}: not an IDX file (it begins with {magic.hex()})")
    n_dimensions = magic[3]
    dimensions = struct.unpack(f">{n_dimensions}I", reader.read_at(4, 4 * n_dimensions).tobytes())
    stored = TYPES[magic[2]]
    if math.prod(dimensions) == 0:
        raise SourceError(f"{name}: holds no values (dimensions {str(dimensions)[:100]})")
    check_promise(path, 4 + 4 * n_dimensions + math.prod(dimensions) * stored.itemsize)
    return IdxSource(path, dimensions, stored, reader)
