"""Passes that several fits share: each runs by itself, and waits where it wants the rows.

Every fit has a thread that does its thinking; the rows are gone through here,
once all fits that are still running wait for them. What a fit gets is what it
would get alone, since no result depends on how a pass is shared out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamkm.cluster.looking import Looked
from streamkm.cluster.passes import Passes
from streamkm.errors import StreamKMError
from streamkm.metering import metered, reading
from streamkm.runtime.events import PassDone, PassStarted
from streamkm.sweeping.sections import joint_groups
from streamkm.tasks.base import PassResult, PassStats
from streamkm.tasks.joint import JointContext, JointResult, joint
from streamkm.typing import Json


class StoppedError(StreamKMError):
    """Another fit has failed, or the call was interrupted."""


@dataclass(eq=False)
class Request:
    """What a fit waits for: a pass over the rows, more of the same pass, or a buffer of rows."""

    ask: Any
    is_buffer: bool
    title: str = ""
    is_more: bool = False
    n_done: int = 0  # rows of the pass that were gone through before it was killed
    answer: Any = None
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> Any:
        """Return the answer."""
        self.done.wait()
        if self.error is not None:
            raise self.error
        return self.answer


class Shared:
    """Runs fits together.

    Parameters
    ----------
    passes
        The rows, who goes through them, and how they are cut: planned for all fits.
    """

    def __init__(self, passes: Passes) -> None:
        self.passes = passes
        self.history: list[Json] = []
        self.looked: Looked | None = passes.stored()
        self._changed = threading.Condition()
        self._n_running = 0
        self._waiting: list[Request] = []
        self._error: BaseException | None = None
        self._n_legs = 0, 0  # the pass, and what was agreed for it

    def run(self, fits: Sequence[Callable[[], None]]) -> None:
        """Run all fits to their ends; the first error stops them all."""
        self._n_running = len(fits)
        for fit in fits:
            threading.Thread(target=self._body, args=(fit,), daemon=True).start()
        try:
            while self._all_wait():
                self._serve()
        except BaseException as error:
            self._stop(error)
            raise
        if self._error is not None:
            raise self._error

    def ask(self, request: Request) -> Any:
        """Wait, from a fit's thread, until all fits wait and this one is served."""
        with self._changed:
            if self._error is not None:
                raise StoppedError("another fit has failed")
            self._waiting.append(request)
            self._changed.notify_all()
        return request.wait()

    def agree(self, n_legs: int) -> int:
        """Return into how many legs all fits part the pass that they are in: as the first says.

        Each measured it by its own clock; in legs of their own, blocks would be read for each.
        """
        with self._changed:
            if self._n_legs[0] != len(self.history):
                self._n_legs = len(self.history), n_legs
            return self._n_legs[1]

    def _body(self, fit: Callable[[], None]) -> None:
        try:
            fit()
        except BaseException as error:  # noqa: BLE001 - raised again where `run` was called
            self._stop(error)
        finally:
            with self._changed:
                self._n_running -= 1
                self._changed.notify_all()

    def _all_wait(self) -> bool:
        """Return, once every fit waits, whether there is one."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) >= self._n_running)
            return self._n_running > 0

    def _stop(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            waiting, self._waiting = self._waiting, []
        for request in waiting:
            request.error = StoppedError("another fit has failed")
            request.done.set()

    def _serve(self) -> None:
        """Answer one kind of request: buffers first, so that the passes behind them join."""
        with self._changed:
            chosen = [r for r in self._waiting if r.is_buffer] or self._waiting
            if chosen and chosen[0].is_buffer:
                chosen = [r for r in chosen if r.ask[0] == chosen[0].ask[0]]
            self._waiting = [r for r in self._waiting if r not in chosen]
        if not chosen:
            return
        try:
            (self._load if chosen[0].is_buffer else self._pass)(chosen)
        except BaseException as error:
            for request in chosen:
                request.error = error
            raise
        finally:
            for request in chosen:
                request.done.set()

    def _load(self, requests: list[Request]) -> None:
        self._announce("steps", requests, 0)
        begin = time.perf_counter()
        with metered() as meter, reading():
            loaded = requests[0].ask[1]()
        stats = PassStats.of(meter)
        for request in requests:
            request.answer = loaded, stats
        self._record("buffer", requests, begin, stats)

    def _pass(self, requests: list[Request]) -> None:
        lead = self.passes
        is_more = all(request.is_more for request in requests)
        if not is_more:
            self._announce("sweep", requests, lead.source.shape[0])
            lead.skip(min(request.n_done for request in requests))
        begin = time.perf_counter()
        blocks = [[b for group in r.ask[1] for b in group.blocks()] for r in requests]
        groups = joint_groups(blocks, max(len(lead.groups), 1))
        context = JointContext(
            lead.source,
            lead.weights,
            min(lead.source.info.natural_rows, lead.block_rows),
            tuple((r.ask[0], r.ask[2]) for r in requests),
        )
        result: JointResult = lead.executor.map_merge(joint, groups, context)
        for request, part in zip(requests, result.parts, strict=True):
            assert part is not None
            request.answer = PassResult(part.parts, result.stats)
        stats = result.stats
        if is_more:  # one record a pass, in how many legs soever
            last = self.history.pop()
            begin -= last["seconds"]
            before = PassStats(**{name: last[name] for name in PassStats.__dataclass_fields__})
            stats = PassStats.merge_all([before, stats])
        self._record("pass", requests, begin, stats)

    def _announce(self, stage: str, requests: list[Request], n_rows: int) -> None:
        if self.passes.executor.listener is not None:
            models = f"{len(requests)} of {self._n_running} running models"
            title = f"{requests[-1].title}, {models}"
            self.passes.executor.listener(PassStarted(stage, title, n_rows))

    def _record(self, stage: str, requests: list[Request], begin: float, stats: PassStats) -> None:
        record: Json = {
            "pass": len(self.history) + 1,
            "stage": stage,
            "n_models": len(requests),
            "seconds": time.perf_counter() - begin,
            **{name: getattr(stats, name) for name in stats.__dataclass_fields__},
        }
        self.history.append(record)
        if self.passes.executor.listener is not None:
            self.passes.executor.listener(PassDone(record))
