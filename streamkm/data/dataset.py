"""A complete store, open for reading: rows, labels, moments and a sample."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from streamkm.data.retry import retried
from streamkm.data.sampling import SAMPLE_ROWS
from streamkm.data.spec import KEY, DatasetSpec
from streamkm.data.store import Array, array_of, open_group
from streamkm.direct import DirectReader, open_direct
from streamkm.errors import SourceError, StorageError, StoreError, UnreachableError
from streamkm.metering import count
from streamkm.remote import fetch, is_url
from streamkm.typing import I64, ColumnSource, Json, Rows, SourceInfo


class Dataset:
    """Rows of a streamkm store; opened read-only, cheap to pickle.

    Parameters
    ----------
    path
        Folder or URL of the store.

    Raises
    ------
    StoreError
        If there is no store, or it is of a newer format.
    IncompleteError
        If its conversion was not finished.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.group = open_group(self.path)
        self.spec = DatasetSpec.from_attributes(self.group.attrs, Path(self.path).name)
        self._arrays: dict[str, Array] = {}
        self._readers: dict[str, DirectReader | None] = {}
        x = self.array("X")
        if x.shape != self.shape or np.dtype(x.dtype) != self.dtype:
            raise StoreError(f"{self.path}: X is {x.shape} {x.dtype}, not what the store says")
        if (x.shards or x.chunks)[0] > self.spec.chunk_rows:
            raise StoreError(f"{self.path}: chunks of X have more rows than the store says")

    def __reduce__(self) -> tuple[type[Dataset], tuple[str]]:
        return (
            Dataset,
            (str(Path(self.path).absolute()) if not is_url(self.path) else self.path,),
        )

    def __repr__(self) -> str:
        n_rows, n_features = self.shape
        return f"Dataset({self.path!r}: {n_rows} x {n_features} {self.dtype})"

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return self.spec.n_rows, self.spec.n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """The data's own dtype."""
        return np.dtype(self.spec.dtype)

    @property
    def info(self) -> SourceInfo:
        """Chunks are what is read together; Zarr needs them twice besides the rows."""
        return SourceInfo(
            name=Path(self.path).name,
            sample_shape=self.spec.sample_shape,
            natural_rows=self.spec.chunk_rows,
            feature_names=self.spec.feature_names,
            scratch_bytes=0
            if self._reader("X")
            else 2 * self.spec.chunk_rows * self.spec.row_bytes,
        )

    @property
    def labels(self) -> ColumnSource | None:
        """The labels `y`, where the store has them."""
        return StoredColumn(self, "y") if self.spec.target_dtype is not None else None

    @property
    def sample_weight(self) -> ColumnSource | None:
        """The row weights, where the store has an array `sample_weight`."""
        return StoredColumn(self, "sample_weight") if "sample_weight" in self.group else None

    @property
    def moments(self) -> Json:
        """Moments of the rows, as plain numbers."""
        return cast("Json", self.spec.moments)

    def array(self, name: str) -> Array:
        """Return one of the store's arrays, opened once."""
        if name not in self._arrays:
            self._arrays[name] = array_of(self.group, name, self.path)
        return self._arrays[name]

    def _reader(self, name: str) -> DirectReader | None:
        if name not in self._readers:
            array, is_local = self.array(name), not is_url(self.path)
            folder = Path(self.path, name)
            self._readers[name] = open_direct(array, folder, is_whole=True) if is_local else None
        return self._readers[name]

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`."""
        return self.read_from("X", start, stop)

    def read_from(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read rows of any of the store's arrays.

        Raises
        ------
        StoreError
            If a chunk is damaged; names it, and the rows.
        StorageError
            If the disk does not give them, again and again.
        UnreachableError
            If the store's URL does not answer any more.
        """
        with self._damage(f"{name}, rows {start} to {stop}", "convert SRC {} --repair"):
            rows = retried(self._read, name, start, stop)
        count(bytes_decoded=rows.nbytes)
        return rows

    @contextmanager
    def _damage(self, what: str, remedy: str) -> Iterator[None]:
        """Say of what is damaged where it is, and which command writes it anew."""
        try:
            yield
        except UnreachableError:
            raise
        except OSError as error:
            raise StorageError(f"{self.path}: {what} cannot be read ({error})") from error
        except (ValueError, RuntimeError, SystemError) as error:  # the last of numcodecs
            why = re.sub(r"\s+", " ", str(error))[:120]
            again = f"streamkm {remedy.format(self.path)}"
            raise StoreError(
                f"{self.path}: {what}: damaged ({why}); write it anew: {again}"
            ) from error

    def _read(self, name: str, start: int, stop: int) -> NDArray[Any]:
        reader = self._reader(name)
        if reader is not None:
            return reader.read(start, stop)
        return np.asarray(self.array(name)[start:stop])

    def sample(self) -> tuple[I64, Rows]:
        """Row numbers and rows of the uniform sample, by row number: all rows of small data."""
        if "sample" not in self.group:
            return np.arange(self.shape[0]), self.read(0, self.shape[0])
        index, rows = self.array("sample_index"), self.array("sample")
        n_rows = min(self.shape[0], SAMPLE_ROWS)
        if rows.shape != (*index.shape, self.shape[1]) or not 0 < rows.shape[0] <= n_rows:
            raise StoreError(f"{self.path}: damaged, its sample is {rows.shape} at {index.shape}")
        with self._damage("sample", "convert SRC {} --overwrite"):
            return np.asarray(index[:]), np.asarray(rows[:])


class StoredColumn:
    """One array of a store that holds a number a row."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        self.dataset = dataset
        self.name = name
        if dataset.array(name).shape != (dataset.shape[0],):
            raise SourceError(f"{dataset.path}: {name} does not hold one value a row")

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_rows,)."""
        return (self.dataset.shape[0],)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the labels were called; empty where they were numbers."""
        return self.dataset.spec.class_names if self.name == "y" else ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values."""
        return np.dtype(self.dataset.array(self.name).dtype)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the values of rows `start` to `stop`."""
        return self.dataset.read_from(self.name, start, stop)


def open_dataset(store: str | Path) -> Dataset:
    """Open a store that `convert` made.

    Parameters
    ----------
    store
        Folder or URL.

    Returns
    -------
    dataset
        Open for reading; nothing is loaded.

    Raises
    ------
    StoreError
        If there is no store, or it is of a newer format.
    IncompleteError
        If its conversion was not finished.
    """
    return Dataset(store)


def kind_of(path: str | Path) -> str | None:
    """Return "dataset" or "model" where a folder or URL is one of ours, else None.

    Raises
    ------
    UnreachableError
        If it is behind a URL that does not answer.
    """
    try:
        if is_url(str(path)):
            text = fetch(f"{str(path).rstrip('/')}/zarr.json") or b""
        else:
            text = Path(path, "zarr.json").read_bytes()
        attributes = json.loads(text).get("attributes", {})
        kind = attributes.get(KEY, {}).get("kind")
    except UnreachableError:
        raise
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return str(kind) if kind else None
