"""One progress bar for everything: rows, rows/s, and the time that is left."""

from __future__ import annotations

import math
import time
from typing import Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from streamkm.report.words import short_count
from streamkm.runtime.events import Event, GroupDone, PassDone, PassStarted

WIDE: Final = 100  # columns of a terminal


class RowsPerSecond(ProgressColumn):
    """Rows done, and how many a second."""

    def render(self, task: Task) -> Text:
        """Render `1.2 M rows/s`."""
        if not task.speed:
            return Text("")
        return Text(f"{short_count(task.speed)} rows/s", style="progress.data.speed")


class ProgressBar:
    """Listens to events and draws them on stderr; one line, cleared at the end."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=32 if console.width >= WIDE else 12),
            TextColumn("{task.percentage:>3.0f}%"),
            RowsPerSecond(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._last_note = ""
        self.began = time.perf_counter()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        match event:
            case PassStarted(title=title, n_rows=n_rows):
                if self._task is not None:
                    self._progress.remove_task(self._task)
                description = f"{title}{self._last_note}"
                self._task = self._progress.add_task(description, total=n_rows)
            case GroupDone(n_rows=n_rows):
                if self._task is not None:
                    self._progress.advance(self._task, n_rows)
            case PassDone(record=record):
                inertia = [value for value in record.get("inertia", []) if not math.isnan(value)]
                self._last_note = f"  inertia {min(inertia):.6g}" if inertia else ""

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()
