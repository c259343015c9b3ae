"""Zarr arrays of format 2 or 3 that others wrote, any number of dimensions behind the first."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

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

_PICKLE: Final = "pickle"  # numcodecs' codec that unpickles what it finds


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
        except Exception as error:  # codecs raise whatever they like
            what = re.sub(r"\s+", " ", str(error))[:120] or type(error).__name__
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
    if min(array.shards or array.chunks) < 1:
        raise SourceError(f"{name}: damaged, its chunks are {array.shards or array.chunks}")
    if _PICKLE in _codecs_of(array):
        raise SourceError(f"{name}: its chunks are pickles, which are not loaded; write it anew")
    return ZarrSource(array, name)


def _codecs_of(array: Array) -> list[str]:
    """Return the names of what decodes the chunks of format 2; that of format 3 has no pickles."""
    if array.metadata.zarr_format == 3:
        return []
    codecs = (*(array.metadata.filters or ()), array.metadata.compressor)
    return [codec.codec_id for codec in codecs if codec is not None]


def open_source(locator: str) -> ZarrSource:
    """Open an array by path or URL, `store.zarr` or `group.zarr/name` or `group.zarr:name`."""
    path, member = split_member(locator)
    name = Path(path).name
    if not is_url(path) and not Path(path).exists():
        raise FileNotFoundError(path)
    try:
        node = _open(path)
        if isinstance(node, zarr.Group):
            member, node = _member(node, member, path)
    except StreamKMError:
        raise
    except Exception as error:  # Zarr raises whatever damaged metadata lead it to
        raise SourceError(f"{path}: not a Zarr array or group{_why(error)}") from error
    return from_array(node, name + (f":{member}" if member else ""))


def _member(group: zarr.Group, member: str, path: str) -> tuple[str, Array]:
    """Return an array of a group: the one that is named, X, or the only matrix."""
    if not member and not is_url(path):  # a URL cannot be listed everywhere
        arrays = dict(group.arrays())
        matrices = [key for key, array in arrays.items() if array.ndim >= 2]
        member = "X" if "X" in arrays else matrices[0] if len(matrices) == 1 else ""
    found = group.get(member or "X")
    if not isinstance(found, zarr.Array):
        name = Path(path).name
        held = "" if is_url(path) else f" that holds {', '.join(group.keys()) or 'nothing'}"
        raise SourceError(f"{name}: a group{held}; say which array, as {name}:NAME")
    return member, found


def _open(path: str) -> Array | zarr.Group:
    if not is_url(path):
        # Workers run in folders of their own, and a chunk that is not found there would be zeros.
        return zarr.open(Path(path).absolute(), mode="r")
    formats: dict[str, Literal[2, 3]] = {"zarr.json": 3, ".zarray": 2, ".zgroup": 2}
    base = path.rstrip("/")
    found = next((fmt for key, fmt in formats.items() if fetch(f"{base}/{key}")), None)
    if found is None:
        raise SourceError(
            f"{path}: no Zarr array or group there; a folder of Parquet is parquet:{path}"
        )
    return zarr.open(open_store(path), mode="r", zarr_format=found)


def _why(error: Exception) -> str:
    """Say more than that nothing is there."""
    if isinstance(error, FileNotFoundError):
        return ""
    return f" ({' '.join(str(error).split())[:120] or type(error).__name__})"
