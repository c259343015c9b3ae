"""CIFAR-100's binary files: `cifar100:train.bin`, labeled with the 100 fine classes.

A record is the coarse label, the fine label, and 3072 bytes of pixels, channel by channel
(Krizhevsky, "Learning multiple layers of features from tiny images", 2009).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.errors import SourceError
from streamkm.metering import count
from streamkm.sources.columns import RecordColumn
from streamkm.sources.streams import Reader, file_reader
from streamkm.typing import ColumnSource, Rows, SourceInfo

PIXELS: Final = 3072
RECORD: Final = 2 + PIXELS


@dataclass(frozen=True)
class Cifar100Source:
    """Rows of one file."""

    name: str
    n_rows: int
    reader: Reader = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return self.n_rows, PIXELS

    @property
    def dtype(self) -> np.dtype[Any]:
        """Unsigned bytes."""
        return np.dtype(np.uint8)

    @property
    def info(self) -> SourceInfo:
        """Channels first."""
        return SourceInfo(name=self.name, sample_shape=(3, 32, 32))

    @property
    def labels(self) -> ColumnSource:
        """The fine class of each record."""
        return RecordColumn(self.records, self.shape[0], self.dtype, 1)

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`."""
        return np.ascontiguousarray(self.records(start, stop)[:, 2:])

    def records(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Both labels and pixels, shape (n, 3074)."""
        raw = self.reader.read_at(start * RECORD, (stop - start) * RECORD)
        count(bytes_read=len(raw), bytes_decoded=len(raw))
        return np.frombuffer(raw, np.uint8).reshape(-1, RECORD)


def open_source(locator: str) -> Cifar100Source:
    """Open `train.bin` or `test.bin`."""
    path = Path(locator)
    n_bytes = path.stat().st_size
    if n_bytes == 0 or n_bytes % RECORD:
        raise SourceError(
            f"{path.name}: truncated or not CIFAR-100; {n_bytes} bytes are not whole records of "
            f"{RECORD}"
        )
    return Cifar100Source(path.name, n_bytes // RECORD, file_reader(str(path)))
