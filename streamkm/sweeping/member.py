"""One fit among several: its passes, as it sees them, go through the rows with all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from streamkm.cluster.looking import Looked
from streamkm.cluster.passes import Passes
from streamkm.cluster.scaling import Scaling
from streamkm.data.wrapped import WrappedSource
from streamkm.metering import count
from streamkm.runtime.serial import SerialExecutor
from streamkm.sweeping.shared import Request, Shared
from streamkm.tasks.base import PassResult
from streamkm.typing import RowSource


class Member(Passes):
    """The passes of one fit among several.

    Parameters
    ----------
    shared
        Where the rows are gone through.
    scaling
        Of the model.
    n_members
        Fits that share the memory.
    """

    def __init__(self, shared: Shared, scaling: Scaling, n_members: int) -> None:
        vars(self).update(vars(shared.passes))  # the same rows, cut and cached in the same way
        self.keep_bytes //= n_members
        self.may_hold = False
        self.shared = shared
        self._scaling, self._view, self._raw = scaling, None, None
        self._data = self._held = None
        self.executor: Any = Quiet(shared.passes.executor)
        self.history = []
        self._title, self._is_more, self._n_done = "", False, 0

    def release(self) -> RowSource:
        """Return the rows under the cache, which the others go on using."""
        return base_of(self.source)

    def stored(self) -> Looked | None:
        """Return what the store knows, one copy for all fits."""
        return self.shared.looked

    def announce(self, stage: str, title: str, n_rows: int) -> None:
        """Keep the title for the pass that all will share."""
        self._title, self._is_more, self._n_done = title, False, 0

    def skip(self, n_rows: int) -> None:
        """Keep it for the pass that all will share."""
        self._n_done = n_rows

    def agree(self, n_legs: int) -> int:
        """Return into how many legs all fits part their pass."""
        return self.shared.agree(n_legs)

    def hold(self, key: Any, load: Callable[[], Any]) -> Any:
        """Return a buffer of rows that all fits share."""
        if self._held is None or self._held[0] != key:
            self._held = None
            loaded, stats = self.shared.ask(Request((key, load), True, self._title))
            costs = ("bytes_read", "bytes_decoded", "read_s", "decode_s")
            count(**{name: getattr(stats, name) for name in costs})
            self._held = key, loaded
        return self._held[1]

    def work(self, task: Any, groups: Sequence[Any], context: Any) -> PassResult:
        """Go through the rows with all other fits; through rows of its own here and now."""
        if base_of(context.source) is not base_of(self.source):
            result: PassResult = SerialExecutor().map_merge(task, groups, context)
            return result
        self._held = None
        ask = task, groups, context
        request = Request(ask, False, self._title, self._is_more, self._n_done)
        self._is_more = True
        answer: PassResult = self.shared.ask(request)
        return answer


class Quiet:
    """An executor, as a fit among several sees it: nobody listens."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self.listener = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)


def base_of(source: Any) -> RowSource:
    """Return the rows under caches and cuts, which change no row."""
    while isinstance(source, WrappedSource):
        source = source.source
    found: RowSource = source
    return found
