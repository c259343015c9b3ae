"""Compressed streams that are read forwards in bounded memory, and size checks."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from streamkm.errors import SourceError

Bytes = NDArray[np.uint8]

PIECE_BYTES: Final = 1 << 20
MAX_DEFLATE_RATIO: Final = 1032  # zlib's documented maximum


@contextmanager
def damage(name: str, where: str = "") -> Iterator[None]:
    """Say which compressed stream is damaged, and where.

    Raises
    ------
    SourceError
        If it is.
    """
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{name}: damaged or truncated{where} ({error})") from error


class Readable(Protocol):
    """Anything with `read(size)` and `close()`."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


class Reader(Protocol):
    """Reads exact stretches of bytes; picklable."""

    def read_at(self, offset: int, size: int) -> Bytes:
        """Return exactly `size` bytes from `offset`, or raise SourceError."""
        ...


class FileReader:
    """Reads anywhere in a plain file; opened for each read, so nothing is kept open.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def read_at(self, offset: int, size: int) -> Bytes:
        """Return exactly `size` bytes from `offset`.

        Raises
        ------
        SourceError
            If the file ends before.
        """
        out = np.empty(size, np.uint8)
        with open(self.path, "rb") as stream:
            stream.seek(offset)
            found = stream.readinto(out.data)
        if found < size:
            raise SourceError(
                f"{Path(self.path).name}: truncated; {size - found} bytes are missing "
                f"behind byte {offset + found}"
            )
        return out


class ForwardReader:
    """Reads at any offset of a stream that only goes forwards.

    Parameters
    ----------
    opener
        Opens the stream at its beginning; picklable.
    name
        For messages.

    Notes
    -----
    Going backwards opens the stream again. One position, so one lock: threads
    take turns, and a plan gives such a source to one task.
    """

    def __init__(self, opener: Callable[[], Readable], name: str) -> None:
        self._opener = opener
        self._name = name
        self._stream: Readable | None = None
        self._position = 0
        self._lock = threading.Lock()

    def read_at(self, offset: int, size: int) -> Bytes:
        """Return exactly `size` bytes from `offset`.

        Raises
        ------
        SourceError
            If the stream ends before, or is damaged.
        """
        with self._lock:
            if self._stream is None or offset < self._position:
                self._close()
                self._stream = self._opener()
                self._position = 0
            self._take(offset - self._position, None)
            out = np.empty(size, np.uint8)  # not a bytearray: that would be zeroed first
            self._take(size, out)
            return out

    def _take(self, size: int, out: Bytes | None) -> None:
        assert self._stream is not None
        done = 0
        while done < size:
            try:
                piece = self._stream.read(min(PIECE_BYTES, size - done))
            except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
                self._close()
                raise SourceError(f"{self._name}: damaged or truncated ({error})") from error
            if not piece:
                self._close()
                raise SourceError(
                    f"{self._name}: truncated; the data ends at byte {self._position}, "
                    f"{size - done} bytes before what its header promises"
                )
            if out is not None:
                out[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
            done += len(piece)
            self._position += len(piece)

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __del__(self) -> None:
        self._close()

    def __getstate__(self) -> dict[str, Any]:
        return {"opener": self._opener, "name": self._name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["opener"], state["name"])  # type: ignore[misc]


class InflateStream:
    """A zlib stream that is held compressed in memory, read in pieces."""

    def __init__(self, compressed: bytes) -> None:
        self._inflate = zlib.decompressobj()
        self._rest = compressed

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end."""
        if self._inflate.eof:
            return b""
        piece = self._inflate.decompress(self._rest, size)
        self._rest = self._inflate.unconsumed_tail
        return piece

    def close(self) -> None:
        """Forget the rest."""
        self._rest = b""


def check_promise(path: str, promised_bytes: int) -> None:
    """Refuse a header that promises more than the file can hold.

    Raises
    ------
    SourceError
        Before any memory is taken.
    """
    found = Path(path).stat().st_size
    is_gzip = path.endswith((".gz", ".tgz"))
    limit = found * MAX_DEFLATE_RATIO if is_gzip else found
    if promised_bytes > limit:
        promise = f"{promised_bytes} bytes" if promised_bytes < 1 << 64 else "2^64 bytes or more"
        held = f"{found} compressed" if is_gzip else f"{found}"
        raise SourceError(
            f"{Path(path).name}: truncated or damaged; its header promises {promise}, the file "
            f"holds {held}"
        )


def _gzip_trailer(path: str) -> int:
    with open(path, "rb") as stream:
        stream.seek(-4, 2)
        return int.from_bytes(stream.read(4), "little")


def _check_by_reading(path: str, promised_bytes: int) -> None:
    """Count what a gzip file holds: its trailer only speaks of its last member."""
    file_reader(path).read_at(promised_bytes, 0)


@dataclass(frozen=True)
class GzipOpener:
    """Opens a gzip file at its beginning."""

    path: str

    def __call__(self) -> Readable:
        """Open it."""
        return gzip.open(self.path, "rb")


def file_reader(path: str) -> Reader:
    """Return a reader of a file's bytes, through gzip where its name says so."""
    if path.endswith((".gz", ".tgz")):
        return ForwardReader(GzipOpener(path), Path(path).name)
    return FileReader(path)
