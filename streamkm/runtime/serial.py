"""The reference executor: a loop. Every other one is judged against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from streamkm.runtime.base import C, M, T
from streamkm.runtime.events import GroupDone
from streamkm.typing import Json, Listener, RowSource, TaskFunction, WorkUnit

MERGE_AT: Final = 8  # parts that wait to be merged: bounds memory, changes no bit


class SerialExecutor:
    """Runs one group after the other in this thread."""

    name = "serial"
    n_workers = 1
    n_processes = 1
    shares_memory = True
    can_limit = True
    n_memories = 1

    def __init__(self, n_workers: int | None = None) -> None:
        self.listener: Listener | None = None

    def map_merge(self, fn: TaskFunction[C, M], groups: Sequence[WorkUnit], context: C) -> M:
        """Run and merge."""
        parts: list[M] = []
        for group in groups:
            parts.append(fn(group, context))
            if self.listener is not None:
                self.listener(GroupDone(group.n_rows))
            if len(parts) == MERGE_AT:
                parts = [type(parts[0]).merge_all(parts)]
        return type(parts[0]).merge_all(parts)

    def for_each(self, fn: TaskFunction[C, M], groups: Sequence[WorkUnit], context: C) -> M:
        """Run and count."""
        return self.map_merge(fn, groups, context)

    def limited(self, n_workers: int) -> SerialExecutor:
        """Return itself: one task is the least."""
        return self

    def default_limit(self) -> int | None:
        """Return None: half of what is free here."""
        return None

    def preflight(self, source: RowSource | None) -> None:
        """Nothing to check."""

    def crew(self) -> str:
        """Return who runs the tasks."""
        return "1 thread"

    def places(self) -> list[str]:
        """Return none: tasks run in this process."""
        return []

    def everywhere(self, fn: Callable[..., T], *arguments: Any) -> dict[str, T]:
        """Do nothing, likewise."""
        return {}

    def log_pass(self, record: Json) -> None:
        """Nothing: there is no scheduler."""

    def close(self) -> None:
        """Nothing to release."""
