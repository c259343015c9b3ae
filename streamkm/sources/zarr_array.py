"""Zarr arrays of format 2 or 3 that others wrote, any number of dimensions behind the first."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr

from streamkm.direct import DirectReader, open_direct
from streamkm.errors import SourceError, StoreError, StreamKMError
from streamkm.metering import count
from streamkm.remote import fetch, is_url
from streamkm.remote.zarr_store import open_store
from streamkm.sources.locators import split_member
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
        try:
            if self._direct is not None:
                rows = self._direct.read(start, stop)
            else:
                rows = np.asarray(self.array[start:stop])
                count(bytes_read=rows.nbytes)
        except StreamKMError:
            raise
        except (ValueError, RuntimeError) as error:
            what = re.sub(r"\s+", " ", str(error))[:120]
            raise StoreError(f"{self.name}: rows {start} to {stop}: damaged ({what})") from error
        count(bytes_decoded=rows.nbytes)
        return rows.reshape(stop - start, -1).astype(self.dtype, copy=False)

    @cached_property
    def _direct(self) -> DirectReader | None:
        return open_direct(self.array)


def from_array(array: Array, name: str = "zarr array") -> ZarrSource:
    """Check an open array and describe it."""
    if array.dtype.kind not in "buif":
        raise SourceError(f"{name}: dtype {array.dtype} is not numeric")
    if array.ndim == 0 or math.prod(array.shape) == 0:
        raise SourceError(f"{name}: holds no rows (shape {array.shape})")
    return ZarrSource(array, name)


def open_source(locator: str) -> ZarrSource:
    """Open an array by path or URL, `store.zarr` or `group.zarr/name` or `group.zarr:name`."""
    path, member = split_member(locator)
    name = Path(path).name
    if not is_url(path) and not Path(path).exists():
        raise FileNotFoundError(path)
    node = _open(path)
    if isinstance(node, zarr.Group):
        if not member and not is_url(path):  # a URL cannot be listed everywhere
            arrays = dict(node.arrays())
            matrices = [key for key, array in arrays.items() if array.ndim >= 2]
            member = "X" if "X" in arrays else matrices[0] if len(matrices) == 1 else ""
        found = node.get(member or "X")
        if not isinstance(found, zarr.Array):
            held = "" if is_url(path) else f" that holds {', '.join(node.keys()) or 'nothing'}"
            raise SourceError(f"{name}: a group{held}; say which array, as {name}:NAME")
        node = found
    return from_array(node, name + (f":{member}" if member else ""))


def _open(path: str) -> Array | zarr.Group:
    try:
        if not is_url(path):
            return zarr.open(path, mode="r")
        formats: dict[str, Literal[2, 3]] = {"zarr.json": 3, ".zarray": 2, ".zgroup": 2}
        base = path.rstrip("/")
        found = next((fmt for key, fmt in formats.items() if fetch(f"{base}/{key}")), None)
        if found is None:
            raise SourceError(
                f"{path}: no Zarr array or group there; a folder of Parquet is parquet:{path}"
            )
        return zarr.open(open_store(path), mode="r", zarr_format=found)
    except StreamKMError:
        raise
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise SourceError(f"{path}: not a Zarr array or group") from error
