"""Zarr arrays of format 2 or 3 that others wrote, any number of dimensions behind the first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from streamkm.errors import SourceError
from streamkm.metering import count
from streamkm.typing import ColumnSource, Rows, SourceInfo

Array = zarr.Array[Any]


@dataclass(frozen=True, eq=False)
class ZarrSource:
    """Rows of a Zarr array; read in bands of whole chunks."""

    array: Array = field(repr=False)
    name: str

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return self.array.shape[0], math.prod(self.array.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Native byte order of the stored type."""
        return np.dtype(self.array.dtype).newbyteorder("=")

    @property
    def info(self) -> SourceInfo:
        """Bands of whole shards, or chunks where there are no shards."""
        unit = self.array.shards or self.array.chunks
        return SourceInfo(
            name=self.name,
            sample_shape=self.array.shape[1:] if self.array.ndim > 2 else (),
            natural_rows=min(unit[0], self.array.shape[0]),
            is_column=self.array.ndim == 1,
            scratch_bytes=2 * math.prod(unit) * self.array.dtype.itemsize,
        )

    @property
    def labels(self) -> ColumnSource | None:
        """None: name the array of the labels as the target."""
        return None

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`."""
        rows = np.asarray(self.array[start:stop]).reshape(stop - start, -1)
        count(bytes_read=rows.nbytes, bytes_decoded=rows.nbytes)
        return rows.astype(self.dtype, copy=False)


def from_array(array: Array, name: str = "zarr array") -> ZarrSource:
    """Check an open array and describe it."""
    if array.dtype.kind not in "buif":
        raise SourceError(f"{name}: dtype {array.dtype} is not numeric")
    if array.ndim == 0 or math.prod(array.shape) == 0:
        raise SourceError(f"{name}: holds no rows (shape {array.shape})")
    return ZarrSource(array, name)


def open_source(locator: str) -> ZarrSource:
    """Open an array by path, `store.zarr` or `group.zarr/name` or `group.zarr:name`."""
    path, _, member = locator.partition(":") if "://" not in locator else (locator, "", "")
    if "://" not in path and not Path(path).exists():
        raise FileNotFoundError(path)
    try:
        node = zarr.open(path, mode="r")
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise SourceError(f"{path}: not a Zarr array or group") from error
    if isinstance(node, zarr.Group):
        arrays = dict(node.arrays())
        matrices = [key for key, array in arrays.items() if array.ndim >= 2]
        member = member or ("X" if "X" in arrays else matrices[0] if len(matrices) == 1 else "")
        if member not in arrays:
            raise SourceError(
                f"{Path(path).name}: a group that holds {', '.join(arrays) or 'nothing'}; "
                f"say which array, as {Path(path).name}:NAME"
            )
        node = arrays[member]
    return from_array(node, Path(path).name + (f":{member}" if member else ""))
