"""Passes on a distributed scheduler, and the preflight."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Final, Self, cast

import dask
import distributed
from distributed import Client

from streamkm.errors import ClusterError, StreamKMError
from streamkm.runtime.base import C, M, T, counted
from streamkm.runtime.dask_executor import pass_graph, run_group
from streamkm.runtime.dask_input import DaskRows
from streamkm.runtime.events import GroupDone
from streamkm.typing import Json, Listener, RowSource, TaskFunction, WorkUnit

RETRIES: Final = 3
ROWS_TOPIC: Final = "streamkm-rows"  # of the groups that are done
TOPIC: Final = "streamkm"  # of the events that passes leave on a cluster
CONNECT_S: Final = 10
BEFORE_SPILLING: Final = 0.6  # distributed.worker.memory.target


def run_group_reporting(fn: TaskFunction[C, M], group: Any, context: C) -> M:
    """Run one group on a worker and say that it is done."""
    result = fn(group, context)
    distributed.get_worker().log_event(ROWS_TOPIC, {"rows": int(group.n_rows)})
    return result


def probe(source: RowSource | None) -> int:
    """Read one row on a worker: whether it has the package and sees the data."""
    return 0 if source is None else len(source.read(0, 1))


class DistributedExecutor:
    """Runs groups on the workers of a Dask cluster.

    Parameters
    ----------
    n_workers
        Ignored: the cluster has the workers it has.
    client
        The client; the active one by default.
    n_processes
        Worker processes that share one memory limit: those of a local cluster
        made for this call; 1 means that the limit holds for each worker.
    """

    name = "distributed"
    shares_memory = False
    can_limit = False

    def __init__(
        self, n_workers: int | None = None, client: Client | None = None, n_processes: int = 1
    ) -> None:
        try:
            self.client = client if client is not None else distributed.default_client()
        except ValueError as error:
            raise ClusterError(
                "no Dask client is active; connect one, or give --scheduler ADDRESS or --workers N"
            ) from error
        self.listener: Listener | None = None
        self.n_processes = n_processes

    @property
    def n_memories(self) -> int:
        """Workers: each meets its own groups again, as long as none comes or goes."""
        return len(self._workers())

    @property
    def n_workers(self) -> int:
        """Threads of the worker that has most: tasks that share one worker's memory."""
        workers = self._workers().values()
        return max((int(worker["nthreads"]) for worker in workers), default=1) * self.n_processes

    def _workers(self) -> dict[str, Any]:
        """Return what the scheduler says of its workers, by address.

        Raises
        ------
        ClusterError
            If it does not answer.
        """
        try:
            found: dict[str, Any] = self.client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, KeyError, RuntimeError) as error:  # of a client that has lost it
            raise _lost("it does not answer") from error
        return found

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # scikit-learn's clone copies parameters; pools and clients stay one

    def map_merge(self, fn: TaskFunction[C, M], groups: Sequence[WorkUnit], context: C) -> M:
        """Run a pass."""
        runner = run_group if self.listener is None else run_group_reporting  # each word costs
        graph, root = pass_graph(fn, groups, context, runner)
        handler = _Relay(self.listener, uuid.uuid4().hex)
        try:
            if self.listener is not None:
                self.client.subscribe_topic(ROWS_TOPIC, handler)
            homes = self._homes(groups, context)
            with dask.annotate(workers=homes, allow_other_workers=True) if homes else nullcontext():
                return cast("M", self.client.get(graph, [root], retries=RETRIES)[0])
        except StreamKMError:
            raise
        except distributed.KilledWorker as error:
            raise _deadly(error, self._deaths(), groups) from error
        except distributed.CancelledError as error:
            raise _lost(error) from error
        except Exception as error:
            if self.client.status == "running":  # a task's own
                raise
            raise _lost(error) from error
        finally:
            if self.listener is not None:
                with suppress(Exception):  # a closed client has no topics
                    self.client.unsubscribe_topic(ROWS_TOPIC)

    def _deaths(self) -> Counter[Any]:
        """Count the workers that died with each task."""
        deaths = Counter[Any]()
        with suppress(Exception):  # no scheduler any more, so nothing to add to the error
            for _, event in self.client.get_events("all"):
                if event.get("action") == "remove-worker" and not event["expected"]:
                    deaths.update(event["processing-tasks"])
        return deaths

    def _homes(self, groups: Sequence[WorkUnit], context: Any) -> _Homes | None:
        """Return where each group belongs, always the same: where workers keep blocks."""
        source: Any = getattr(context, "source", None)
        homes = [getattr(group, "home", "") for group in groups]
        if all(homes):
            return _Homes(tuple(homes))
        starts = [getattr(group, "start", -1) for group in groups]
        if not getattr(source, "token", "") or min(starts) < 0:
            return None
        places, n_rows = self.places(), source.shape[0]
        if not places:
            return None
        return _Homes(tuple(places[start * len(places) // n_rows] for start in starts))

    def for_each(self, fn: TaskFunction[C, M], groups: Sequence[WorkUnit], context: C) -> M:
        """Run a pass that writes."""
        return self.map_merge(fn, groups, context)

    def limited(self, n_workers: int) -> DistributedExecutor:
        """Return itself: the workers' threads are the cluster's to choose."""
        return self

    def default_limit(self) -> int | None:
        """Return what the smallest worker may hold before Dask would spill, for all that share."""
        workers = self._workers().values()
        limits = [int(worker["memory_limit"]) for worker in workers if worker["memory_limit"]]
        return int(min(limits) * BEFORE_SPILLING) * self.n_processes if limits else None

    def preflight(self, source: RowSource | None) -> None:
        """Check every worker once, in seconds, before hours of work."""
        address = self.client.scheduler.address if self.client.scheduler else "?"
        if not self._workers():
            try:
                self.client.wait_for_workers(1, timeout=CONNECT_S)
            except TimeoutError as error:
                raise ClusterError(
                    f"the scheduler at {address} has no workers; start some: dask worker {address}"
                ) from error
        if isinstance(source, DaskRows):
            source = None  # its chunks are the cluster's own
        try:
            self.client.run(probe, source)
        except ModuleNotFoundError as error:
            raise ClusterError(
                f"workers lack the package {error.name!r}; install streamkm in their environment"
            ) from error
        except (StreamKMError, OSError) as error:
            raise ClusterError(
                f"workers cannot read the data ({error}); put it where every worker sees it "
                "under the same path"
            ) from error

    def crew(self) -> str:
        """Return the workers that the cluster has at this moment."""
        threads = [int(worker["nthreads"]) for worker in self._workers().values()]
        return f"{counted(len(threads), 'worker')}, {counted(sum(threads), 'thread')}"

    def places(self) -> list[str]:
        """Return the workers' addresses, each as often as it has threads."""
        workers = self._workers()
        return [a for a in sorted(workers) for _ in range(int(workers[a]["nthreads"]))]

    def everywhere(self, fn: Callable[..., T], *arguments: Any) -> dict[str, T]:
        """Call a function on every worker; a cluster that is lost has nothing to do."""
        with suppress(Exception):  # distributed raises many kinds, and what failed is told already
            found: dict[str, T] = self.client.run(fn, *arguments, on_error="ignore")
            return found
        return {}

    def log_pass(self, record: Json) -> None:
        """Log a pass as an event: for `Client.get_events("streamkm")`, and on the dashboard."""
        event = {"action": f"streamkm-{record['stage']}", **record}
        with suppress(OSError):  # a lost scheduler is the next pass's to report
            self.client.log_event([TOPIC, "all"], event)  # the dashboard shows those of "all"

    def close(self) -> None:
        """The client belongs to whoever made it."""


@dataclass(frozen=True, slots=True)
class _Homes:
    """The worker of each group's task, for the scheduler, which asks by key; any for the others."""

    of_groups: tuple[str, ...]

    def __call__(self, key: Any) -> list[str]:
        is_group = isinstance(key, tuple) and len(key) == 2
        return [self.of_groups[key[1]]] if is_group else []


def _lost(error: BaseException | str) -> ClusterError:
    return ClusterError(f"the cluster lost its workers or its scheduler ({error})")


def _deadly(
    error: distributed.KilledWorker, deaths: Counter[Any], groups: Sequence[WorkUnit]
) -> ClusterError:
    """Say which rows every worker died of that had them, where they were a group's.

    Dask names one task. Others that all of those workers had too may be the cause as well.
    """
    most = error.allowed_failures + 1
    suspects = {error.task} | {key for key, n in deaths.items() if n >= most}
    numbers = sorted(key[1] for key in suspects if len(key) == 2 and key[0] == error.task[0])
    blocks = [list(getattr(groups[number], "blocks", list)()) for number in numbers]
    if not any(blocks):
        return _lost(error)
    rows = " or ".join(f"{of[0].start} to {of[-1].stop}" for of in blocks if of)
    return ClusterError(
        f"rows {rows}: {most} workers that had them died, one after the other; for want of "
        "memory, as the workers' logs will say (give them more, or fewer threads), or because to "
        "read these rows ends a process"
    )


class _Relay:
    """Passes a worker's word on to the listener."""

    def __init__(self, listener: Listener | None, token: str) -> None:
        self._listener = listener
        self.__name__ = f"streamkm-{token}"

    def __call__(self, event: Any) -> None:
        if self._listener is not None:
            self._listener(GroupDone(int(event[1]["rows"])))
