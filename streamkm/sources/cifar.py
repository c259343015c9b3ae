"""CIFAR-10: binary or pickled batches, as files, a folder of them, or the .tar.gz of either.

A binary record is one label byte and 3072 bytes of pixels, channel by channel
(Krizhevsky, "Learning multiple layers of features from tiny images", 2009).
"""

from __future__ import annotations

import io
import pickle
import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.errors import SourceError
from streamkm.metering import count
from streamkm.sources.columns import RecordColumn
from streamkm.sources.streams import Reader, check_promise, file_reader
from streamkm.typing import ColumnSource, Rows, SourceInfo

PIXELS: Final = 3072
RECORD: Final = 1 + PIXELS
MAX_PICKLE_BYTES: Final = 1 << 28


class _PickledDtype:
    """What a pickle says of a dtype."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.name = name.decode("ascii") if isinstance(name, bytes) else str(name)
        self.order = "|"

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        self.order = order.decode("ascii") if isinstance(order, bytes) else str(order)

    def dtype(self) -> np.dtype[Any]:
        order: Any = self.order
        found = np.dtype(self.name).newbyteorder(order)
        if found.kind not in "bui":
            raise SourceError(f"its values are {found}, no whole numbers")
        return found


class _PickledArray:
    """What a pickle says of an array, which is then made from its bytes."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> NDArray[Any]:
        _, shape, kind, is_fortran, raw = self.state
        return np.frombuffer(raw, kind.dtype()).reshape(shape, order="F" if is_fortran else "C")


def _new_array(*_: Any) -> _PickledArray:
    return _PickledArray()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1" if encoding == "latin1" else "ascii")


# What a pickled NumPy array is rebuilt from, old and new module names, and nothing else. Ours stand
# for NumPy's own, which trusts what a pickle says and ends the process at a wrong word.
ADMITTED: Final[dict[tuple[str, str], Any]] = {
    ("numpy", "ndarray"): _PickledArray,
    ("numpy", "dtype"): _PickledDtype,
    ("numpy.core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
    ("_codecs", "encode"): _encode,
}


class ArrayUnpickler(pickle.Unpickler):
    """Admits NumPy arrays and builtin containers; anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse every global that is not a part of a NumPy array."""
        if (module, name) not in ADMITTED:
            raise SourceError(
                f"the pickle asks for {module}.{name}; only NumPy arrays are admitted"
            )
        return ADMITTED[module, name]


@dataclass(frozen=True)
class Batch:
    """One batch: where its bytes lie, how many rows, and which encoding."""

    name: str
    offset: int
    n_bytes: int
    n_rows: int
    is_pickle: bool
    reader: Reader = field(repr=False)

    def records(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Label and pixels of rows `start` to `stop` of this batch, shape (n, 3073)."""
        if self.is_pickle:
            labels, pixels = _unpickle(self.reader.read_at(self.offset, self.n_bytes), self.name)
            return np.concatenate([labels[start:stop, None], pixels[start:stop]], axis=1)
        raw = self.reader.read_at(self.offset + start * RECORD, (stop - start) * RECORD)
        count(bytes_read=len(raw), bytes_decoded=len(raw))
        return np.frombuffer(raw, np.uint8).reshape(-1, RECORD)


@dataclass(frozen=True)
class CifarSource:
    """Rows of one or several batches, one behind the other."""

    name: str
    batches: tuple[Batch, ...]
    is_archive: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return sum(batch.n_rows for batch in self.batches), PIXELS

    @property
    def dtype(self) -> np.dtype[Any]:
        """Unsigned bytes."""
        return np.dtype(np.uint8)

    @property
    def info(self) -> SourceInfo:
        """Channels first; archives are sequential, pickles are read whole."""
        pickled = max((batch.n_bytes for batch in self.batches if batch.is_pickle), default=0)
        return SourceInfo(
            name=self.name,
            sample_shape=(3, 32, 32),
            natural_rows=self.batches[0].n_rows if pickled else 1,
            is_sequential=self.is_archive,
            scratch_bytes=3 * pickled,
        )

    @property
    def labels(self) -> ColumnSource:
        """The label byte of each record."""
        return RecordColumn(self.records, self.shape[0], self.dtype)

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`."""
        return np.ascontiguousarray(self.records(start, stop)[:, 1:])

    def records(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Labels and pixels, over the borders of batches."""
        parts, begin = [], 0
        for batch in self.batches:
            first, last = max(start - begin, 0), min(stop - begin, batch.n_rows)
            if first < last:
                parts.append(batch.records(first, last))
            begin += batch.n_rows
        return np.concatenate(parts)


def open_source(locator: str) -> CifarSource:
    """Open a batch file, a folder with data_batch_*, or a .tar.gz of them."""
    path = Path(locator)
    if path.is_dir():
        files = sorted(path.glob("data_batch_*"))
        if not files:
            raise SourceError(f"{path.name}: a folder without data_batch_* and not a Zarr store")
        batches = tuple(_file_batch(file) for file in files)
        return CifarSource(path.name, batches, is_archive=False)
    if path.stat().st_size == 0:
        raise SourceError(f"{path.name}: the file is empty")
    if path.name.endswith((".tar.gz", ".tgz")):
        return CifarSource(path.name, _archive_batches(path), is_archive=True)
    return CifarSource(path.name, (_file_batch(path),), is_archive=False)


def _file_batch(path: Path) -> Batch:
    return _batch(path.name, 0, path.stat().st_size, file_reader(str(path)))


def _archive_batches(path: Path) -> tuple[Batch, ...]:
    reader = file_reader(str(path))
    members = []
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                base = Path(member.name).name
                if member.isreg() and base.startswith("data_batch_"):
                    check_promise_of_member(path, member.size)
                    members.append((base, member.offset_data, member.size))
    except (tarfile.TarError, EOFError, OSError, OverflowError, zlib.error) as error:
        raise SourceError(f"{path.name}: damaged or truncated ({error})") from error
    if not members:
        raise SourceError(f"{path.name}: holds no data_batch_*")
    return tuple(_batch(base, offset, size, reader) for base, offset, size in sorted(members))


def check_promise_of_member(path: Path, size: int) -> None:
    """Refuse a member whose header promises more than the archive can hold."""
    if size > path.stat().st_size * 1032:
        check_promise(str(path), size)


def _batch(name: str, offset: int, n_bytes: int, reader: Reader) -> Batch:
    if name.endswith(".bin"):
        if n_bytes == 0 or n_bytes % RECORD:
            raise SourceError(
                f"{name}: truncated or not CIFAR-10; {n_bytes} bytes are not whole "
                f"records of {RECORD}"
            )
        return Batch(name, offset, n_bytes, n_bytes // RECORD, is_pickle=False, reader=reader)
    if n_bytes > MAX_PICKLE_BYTES:
        raise SourceError(f"{name}: a pickle of {n_bytes} bytes is no CIFAR-10 batch")
    labels, _ = _unpickle(reader.read_at(offset, n_bytes), name)
    return Batch(name, offset, n_bytes, len(labels), is_pickle=True, reader=reader)


def _unpickle(raw: NDArray[np.uint8], name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    try:
        content = ArrayUnpickler(io.BytesIO(raw.data), encoding="bytes").load()
        labels, pixels = content[b"labels"], content[b"data"]
        if isinstance(labels, _PickledArray):
            labels = labels.array()
        labels = np.fromiter(labels, np.uint8)  # flat: lists may hold themselves
        pixels = pixels.array().astype(np.uint8, copy=False)
    except SourceError as error:
        raise SourceError(f"{name}: {error}") from error
    except Exception as error:  # a hostile pickle may raise anything
        raise SourceError(f"{name}: not a CIFAR-10 batch ({type(error).__name__})") from error
    if pixels.shape != (len(labels), PIXELS):
        raise SourceError(f"{name}: expected {len(labels)} rows of {PIXELS}, found {pixels.shape}")
    return labels, pixels
