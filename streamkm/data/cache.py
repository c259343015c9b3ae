"""Decoded blocks kept in memory between passes: the first that fit, pinned.

A cyclic scan defeats every least-recently-used cache; pinning the first blocks
saves exactly their share of each pass.
"""

from __future__ import annotations

import threading
import uuid
from typing import Any

from streamkm.data.here import kept_here
from streamkm.data.wrapped import WrappedSource
from streamkm.typing import Rows, RowSource


class CachedSource(WrappedSource):
    """Keeps what fits of another source; forgets it when pickled.

    Parameters
    ----------
    source
        Where the rows come from.
    budget_bytes
        The most decoded bytes that are kept.
    """

    def __init__(self, source: RowSource, budget_bytes: int) -> None:
        super().__init__(source)
        self.budget_bytes = budget_bytes
        self._blocks: dict[tuple[int, int], Rows] = {}
        self._used_bytes = 0
        self._lock = threading.Lock()

    @property
    def holds_all(self) -> bool:
        """Whether all rows fit."""
        n_rows, n_features = self.shape
        return n_rows * n_features * self.dtype.itemsize <= self.budget_bytes

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`, from memory where they are kept."""
        key = (start, stop)
        kept = self._blocks.get(key)
        if kept is not None:
            return kept
        rows = self.source.read(start, stop)
        with self._lock:
            if key not in self._blocks and self._used_bytes + rows.nbytes <= self.budget_bytes:
                rows.flags.writeable = False
                self._blocks[key] = rows
                self._used_bytes += rows.nbytes
        return rows

    def forget(self) -> None:
        """Give back the memory."""
        with self._lock:
            self._blocks.clear()
            self._used_bytes = 0

    def close(self) -> None:
        """Give back the memory, and keep nothing from then on."""
        self.budget_bytes = 0
        self.forget()

    def __reduce__(self) -> tuple[Any, ...]:
        return (CachedSource, (self.source, self.budget_bytes))


class WorkersCache(WrappedSource):
    """Another source, whose blocks each worker process keeps that it is sent to.

    Parameters
    ----------
    source
        Where the rows come from.
    budget_bytes
        The most decoded bytes that each process keeps.
    token
        Of the sender's; None for a new one, which itself keeps nothing.
    """

    def __init__(self, source: RowSource, budget_bytes: int, token: str | None = None) -> None:
        super().__init__(source)
        self.budget_bytes = budget_bytes
        self.is_sent = token is not None
        self.token = token or uuid.uuid4().hex

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`, from this process's memory where it is a worker that has them."""
        if not self.is_sent:
            return self.source.read(start, stop)
        cached = kept_here(
            self.token, "blocks", lambda: CachedSource(self.source, self.budget_bytes)
        )
        return cached.read(start, stop)

    def renew(self, budget_bytes: int) -> None:
        """Have workers keep so much from now on, under another token: they begin with nothing."""
        self.token, self.budget_bytes = uuid.uuid4().hex, budget_bytes

    def __reduce__(self) -> tuple[Any, ...]:
        return (WorkersCache, (self.source, self.budget_bytes, self.token))
