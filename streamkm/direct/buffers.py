"""Memory that is used again: fresh pages cost as much as reading into them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from streamkm.direct.codecs import Octets

KEPT_BYTES: Final = 32 << 20


class Buffers:
    """Lends scratch memory, to as many threads as ask; keeps what is not large.

    They belong to a reader, not to a thread: the threads that read come and
    go, and the memory goes with the reader.
    """

    def __init__(self) -> None:
        self._free: deque[Octets] = deque()

    @contextmanager
    def lend(self, n_bytes: int) -> Iterator[Octets]:
        """Lend memory, unset."""
        try:
            buffer = self._free.pop()
        except IndexError:
            buffer = np.empty(0, np.uint8)
        if len(buffer) < n_bytes:
            del buffer  # before the next is taken
            buffer = np.empty(n_bytes + n_bytes // 32, np.uint8)  # chunks differ a little
        try:
            yield buffer[:n_bytes]
        finally:
            if len(buffer) <= KEPT_BYTES:
                self._free.append(buffer)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Buffers, ())
