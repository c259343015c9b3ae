"""What is told of passes: to whoever listens, and in the history of a fit."""

from __future__ import annotations

from typing import Any

from streamkm.runtime.base import Executor
from streamkm.runtime.events import GroupDone, PassDone, PassStarted
from streamkm.tasks.base import PassStats
from streamkm.typing import Json


class Recorded:
    """Keeps the history of passes that an executor runs.

    Parameters
    ----------
    executor
        Who runs the tasks, and has the listener.
    """

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.history: list[Json] = []

    def announce(self, stage: str, title: str, n_rows: int) -> None:
        """Say that a pass begins."""
        self._tell(PassStarted(stage, title, n_rows))

    def skip(self, n_rows: int) -> None:
        """Say that rows of a pass were gone through before it was killed."""
        self._tell(GroupDone(n_rows))

    def record(self, stage: str, seconds: float, stats: PassStats, *, n_models: int = 1) -> None:
        """Begin a pass's line of the history."""
        self.history.append(
            {
                "pass": len(self.history) + 1,
                "stage": stage,
                "n_models": n_models,
                "seconds": seconds,
                "read_s": stats.read_s,
                "decode_s": stats.decode_s,
                "compute_s": stats.compute_s,
                "merge_s": stats.merge_s,
                "bytes_read": stats.bytes_read,
                "bytes_decoded": stats.bytes_decoded,
                "n_rows": stats.n_rows,
            }
        )

    def note(self, **fields: Any) -> None:
        """Complete the last pass's line of the history, and say so."""
        self.history[-1].update(fields)
        self.executor.log_pass(self.history[-1])
        self._tell(PassDone(self.history[-1]))

    def _tell(self, event: Any) -> None:
        if self.executor.listener is not None:
            self.executor.listener(event)
