"""Passes on Dask's local schedulers: one small graph a pass, keys fresh in every pass.

Read, compute and reduce are one task per group; the results are merged by a
tree. Keys are never reused: with the key names of an earlier pass a
distributed scheduler silently returns that pass's results (dask#9888).
"""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, Self, cast

import dask
import dask.multiprocessing
import dask.threaded
from dask.base import get_scheduler
from dask.callbacks import Callback
from dask.task_spec import DataNode, List, Task, TaskRef

from streamkm.errors import ClusterError
from streamkm.runtime.base import C, M, T, counted, default_workers
from streamkm.runtime.dask_input import DaskRows, lift_blocks, run_on_blocks
from streamkm.runtime.events import GroupDone
from streamkm.typing import Json, Listener, RowSource, TaskFunction, WorkUnit

MIB: Final = 1 << 20
ATTEMPTS: Final = 3


def active_scheduler() -> str:
    """Return the executor that Dask's own rules choose here, without starting anything."""
    get = get_scheduler()
    if get is None or get is dask.threaded.get:
        return "threads"
    if get is dask.multiprocessing.get:
        return "processes"
    if get is dask.get:
        return "serial"
    return "distributed"


def run_group(fn: TaskFunction[C, M], group: Any, context: C) -> M:
    """Run one group: the body of every map task."""
    return fn(group, context)


def merge_parts(parts: Sequence[M]) -> M:
    """Merge: the body of every reduce task."""
    return type(parts[0]).merge_all(parts)


def fan_in(partial_bytes: int) -> int:
    """Return how many parts one merge takes: fewer of large ones, they wait in memory."""
    return 16 if partial_bytes < MIB else 4 if partial_bytes < 16 * MIB else 2


def pass_graph(
    fn: TaskFunction[C, M], groups: Sequence[WorkUnit], context: Any, runner: Any = run_group
) -> tuple[dict[Any, Any], Any]:
    """Build the graph of one pass.

    Returns
    -------
    graph, root
        Task specifications by key, and the key of the merged result. The
        alphabetic words of a key are what the dashboard shows.
    """
    token = f"0{uuid.uuid4().hex[:12]}"  # a digit first ends the name that the dashboard shows
    name = fn.__name__.replace("_", "-")
    context_key = f"streamkm-context-{token}"
    graph: dict[Any, Any] = {}
    blocks_of: dict[int, tuple[int, list[TaskRef]]] = {}
    source = getattr(context, "source", None)
    if isinstance(source, DaskRows):
        graph, blocks_of, context, groups = lift_blocks(source, context, groups)
        runner = run_on_blocks
    graph[context_key] = ContextNode(context_key, context)
    keys: list[Any] = []
    for index, group in enumerate(groups):
        key = (f"streamkm-{name}-{token}", index)
        extra: list[Any] = []
        if blocks_of:
            begin, blocks = blocks_of[index]
            extra = [begin, List(*blocks)]
        graph[key] = Task(key, runner, fn, group, TaskRef(context_key), *extra)
        keys.append(key)
    width, level = fan_in(getattr(context, "partial_bytes", 0)), 0
    while len(keys) > 1:
        merged = []
        for j in range(0, len(keys), width):
            part = keys[j : j + width]
            if len(part) == 1:
                merged += part
                continue
            node = (f"streamkm-merge-{token}", level, j // width)
            graph[node] = Task(node, merge_parts, List(*[TaskRef(child) for child in part]))
            merged.append(node)
        keys, level = merged, level + 1
    return graph, keys[0]


class ContextNode(DataNode):  # type: ignore[misc]
    """A pass's context as data of its graph, known by its key: Dask would hash all that is in it.

    Its own classes become plain data nodes where they are sent.
    """

    __slots__ = ()

    def __dask_tokenize__(self) -> Any:
        return (type(self).__name__, self.key)


class _Progress(Callback):  # type: ignore[misc]
    def __init__(self, listener: Listener | None, groups: Sequence[WorkUnit]) -> None:
        super().__init__(posttask=self._after)
        self._listener = listener
        self._groups = groups

    def _after(self, key: Any, *_: Any) -> None:
        is_group = isinstance(key, tuple) and len(key) == 2 and str(key[0]).startswith("streamkm-")
        if is_group and self._listener is not None:
            self._listener(GroupDone(self._groups[key[1]].n_rows))


class ThreadsExecutor:
    """Runs groups on a pool of threads in this process."""

    name = "threads"
    n_processes = 1
    shares_memory = True
    can_limit = True
    n_memories = 1

    def __init__(self, n_workers: int | None = None) -> None:
        self.n_workers = default_workers(n_workers)
        self.listener: Listener | None = None

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # scikit-learn's clone copies parameters; pools and clients stay one

    def map_merge(self, fn: TaskFunction[C, M], groups: Sequence[WorkUnit], context: C) -> M:
        """Run a pass."""
        graph, root = pass_graph(fn, groups, context)
        with _Progress(self.listener, groups):
            return cast("M", self._get(graph, root))

    def for_each(self, fn: TaskFunction[C, M], groups: Sequence[WorkUnit], context: C) -> M:
        """Run a pass that writes."""
        return self.map_merge(fn, groups, context)

    def _get(self, graph: dict[Any, Any], root: Any) -> Any:
        return dask.threaded.get(graph, [root], num_workers=self.n_workers)[0]

    def limited(self, n_workers: int) -> ThreadsExecutor:
        """Return threads, fewer."""
        fewer = ThreadsExecutor(min(n_workers, self.n_workers))
        fewer.listener = self.listener
        return fewer

    def default_limit(self) -> int | None:
        """Return None: half of what is free here."""
        return None

    def preflight(self, source: RowSource | None) -> None:
        """Nothing to check: the tasks run here."""

    def crew(self) -> str:
        """Return who runs the tasks."""
        return counted(self.n_workers, "thread" if self.shares_memory else "process")

    def places(self) -> list[str]:
        """Return none: tasks run in this process, or in others that keep nothing."""
        return []

    def everywhere(self, fn: Callable[..., T], *arguments: Any) -> dict[str, T]:
        """Do nothing, likewise."""
        return {}

    def log_pass(self, record: Json) -> None:
        """Nothing: these schedulers keep no log."""

    def close(self) -> None:
        """Nothing to release."""


class ProcessesExecutor(ThreadsExecutor):
    """Runs groups on a pool of processes of its own, kept from pass to pass."""

    name = "processes"
    shares_memory = False
    n_memories = 0

    def __init__(self, n_workers: int | None = None) -> None:
        super().__init__(n_workers)
        self.n_processes = self.n_workers
        self._pool: ProcessPoolExecutor | None = None

    def _get(self, graph: dict[Any, Any], root: Any) -> Any:
        if self._pool is None:
            # Dask would start a new pool for every pass (2.5 s); never fork: threads are alive.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.n_workers, mp_context=context)
        get: Any = dask.multiprocessing.get
        return get(graph, [root], pool=self._pool, num_workers=self.n_workers)[0]

    def map_merge(self, fn: TaskFunction[C, M], groups: Sequence[WorkUnit], context: C) -> M:
        """Run a pass; again, on new processes, where one was killed."""
        for _ in range(ATTEMPTS):
            try:
                return super().map_merge(fn, groups, context)
            except BrokenProcessPool:
                self._pool = None
        raise ClusterError(
            f"worker processes died {ATTEMPTS} times in one pass: for their memory (give fewer of "
            "them), or because a script starts them without `if __name__ == '__main__':`"
        )

    def limited(self, n_workers: int) -> ProcessesExecutor:
        """Return processes, fewer; they share this executor's fate."""
        if n_workers >= self.n_workers:
            return self
        self.close()
        self.n_workers = self.n_processes = n_workers
        return self

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
