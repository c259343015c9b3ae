"""A few brief tasks at once in this process: no graph, whose making takes as long as they do."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from streamkm.runtime.base import C, M
from streamkm.runtime.events import GroupDone
from streamkm.typing import Listener, TaskFunction, WorkUnit


class Hands:
    """Threads that take a task each, beside the one that calls; they end with this object."""

    def __init__(self, n_workers: int) -> None:
        self._pool = ThreadPoolExecutor(max(n_workers - 1, 1), "streamkm")

    def map_merge(
        self, fn: TaskFunction[C, M], groups: Sequence[WorkUnit], context: C,
        listener: Listener | None,
    ) -> M:  # fmt: skip
        """Run at most as many groups as there are workers, and merge; as an executor does.

        The listener hears of all on the thread that calls.
        """
        others = [self._pool.submit(fn, group, context) for group in groups[1:]]
        parts: list[M] = []
        try:
            for i, group in enumerate(groups):
                parts.append(others[i - 1].result() if i else fn(group, context))
                if listener is not None:
                    listener(GroupDone(group.n_rows))
        finally:
            wait(others)  # none goes on with what the caller may close
        return type(parts[0]).merge_all(parts)
