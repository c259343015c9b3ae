"""The executor protocol: two verbs, and what a planner must know."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from streamkm.typing import Json, Listener, Mergeable, RowSource, TaskFunction, WorkUnit

M = TypeVar("M", bound=Mergeable)
C = TypeVar("C")
T = TypeVar("T")


class Executor(Protocol):
    """Runs one task function over groups and merges what it returns.

    Attributes
    ----------
    name
        A key of `EXECUTORS`.
    n_processes
        Processes that share the memory limit; 1 where tasks run in this one.
    shares_memory
        Whether tasks see this process's arrays without copying.
    can_limit
        Whether `limited` can lower the number of tasks at once.
    n_memories
        Memories that keep what they are given from pass to pass, each of which
        meets the same groups in every pass; 0 where that is chance.
    listener
        Called with events; None for silence.
    """

    name: str
    n_processes: int
    shares_memory: bool
    can_limit: bool
    listener: Listener | None

    @property
    def n_workers(self) -> int:
        """Tasks that run at once."""
        ...

    @property
    def n_memories(self) -> int:
        """As above."""
        ...

    def map_merge(self, fn: TaskFunction[C, M], groups: Sequence[WorkUnit], context: C) -> M:
        """Run a pass: `fn(group, context)` for every group, merged in any order."""
        ...

    def for_each(self, fn: TaskFunction[C, M], groups: Sequence[WorkUnit], context: C) -> M:
        """Run a pass that writes; what its tasks return are counts of what was done."""
        ...

    def limited(self, n_workers: int) -> Executor:
        """Return the same executor with at most `n_workers` tasks at once."""
        ...

    def default_limit(self) -> int | None:
        """Return the memory limit where none is given; None for half of what is free here."""
        ...

    def preflight(self, source: RowSource | None) -> None:
        """Raise ClusterError where workers are missing, blind, or lack the package."""
        ...

    def crew(self) -> str:
        """Say in a few words who runs the tasks now: `4 threads`."""
        ...

    def places(self) -> list[str]:
        """Return the addresses of other processes that keep things, one for each of their tasks."""
        ...

    def everywhere(self, fn: Callable[..., T], *arguments: Any) -> dict[str, T]:
        """Call a function in each of those processes; return what it says there, by address."""
        ...

    def log_pass(self, record: Json) -> None:
        """Show a finished pass where the scheduler's own tools look; else do nothing."""
        ...

    def close(self) -> None:
        """Release pools that this executor started."""
        ...


def default_workers(n_workers: int | None) -> int:
    """Return the number asked for, or the cores that this process may use."""
    if n_workers is not None:
        return max(int(n_workers), 1)
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def counted(n: int, noun: str) -> str:
    """Write `1 thread`, `2 threads`, `3 processes`."""
    ending = "" if n == 1 else "es" if noun.endswith("s") else "s"
    return f"{n} {noun}{ending}"
