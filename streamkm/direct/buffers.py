"""Memory that is used again: fresh pages cost as much as reading into them."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import PAGESIZE
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.direct.codecs import Octets

KEPT_BYTES: Final = 32 << 20
LEAST_BYTES: Final = 1 << 20  # of rows: less is no matter
MOST_BYTES: Final = 64 << 20
FREE_BYTES: Final = 128 << 20


class Buffers:
    """Lends memory, to as many threads as ask: scratch, and under the rows that are given out.

    It belongs to a reader, not to a thread: the threads that read come and go,
    and the memory goes with the reader.
    """

    def __init__(self) -> None:
        self._free: deque[Octets] = deque()
        self._rows: list[Octets] = []
        self._n_lent = 0
        self._lock = threading.RLock()  # a loan may end wherever Python collects garbage

    @contextmanager
    def lend(self, n_bytes: int) -> Iterator[Octets]:
        """Lend scratch memory, unset."""
        try:
            buffer = self._free.pop()
        except IndexError:
            buffer = np.empty(0, np.uint8)
        if len(buffer) < n_bytes:
            del buffer  # before the next is taken
            buffer = paged(n_bytes + n_bytes // 32)  # chunks differ a little
        try:
            yield buffer[:n_bytes]
        finally:
            if len(buffer) <= KEPT_BYTES:
                self._free.append(buffer)

    def rows(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array, unset; its memory is used again when no view of it is left.

        What came back is kept for as long as anything is lent: for a pass.
        """
        n_bytes = math.prod(shape) * dtype.itemsize
        if n_bytes < LEAST_BYTES:
            return np.empty(shape, dtype)
        if n_bytes > MOST_BYTES:
            return paged(n_bytes).view(dtype).reshape(shape)
        with self._lock:
            # Of about that size: whoever keeps the rows keeps all of the memory under them.
            fits = (i for i, m in enumerate(self._rows) if 0 <= len(m) - n_bytes <= n_bytes // 8)
            place = next(fits, None)
            memory = None if place is None else self._rows.pop(place)
        if memory is None:
            memory = paged(n_bytes)
        return np.asarray(_Loan(memory, self))[:n_bytes].view(dtype).reshape(shape)

    def lent(self) -> None:
        """Count what is lent under rows."""
        with self._lock:
            self._n_lent += 1

    def take_back(self, memory: Octets) -> None:
        """Take back what was lent under rows."""
        with self._lock:
            self._n_lent -= 1
            self._rows.append(memory)
            while (self._n_lent == 0 and self._rows) or sum(map(len, self._rows)) > FREE_BYTES:
                self._rows.pop(0)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Buffers, ())


def paged(n_bytes: int) -> Octets:
    """Return memory, unset, that begins where a page of the system does.

    Large memory of malloc begins 16 bytes behind: to copy a page of a file there takes three
    times as long on processors (AMD Zen 3) that take its loads for ones of what was just stored.
    """
    memory = np.empty(n_bytes + PAGESIZE, np.uint8)
    begin = -memory.__array_interface__["data"][0] % PAGESIZE
    return memory[begin : begin + n_bytes]


class _Loan:
    """Memory under an array: it goes home when the array and all its views are gone."""

    def __init__(self, memory: Octets, home: Buffers) -> None:
        self._memory, self._home = memory, home
        home.lent()

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self._memory.__array_interface__

    def __del__(self) -> None:
        self._home.take_back(self._memory)
