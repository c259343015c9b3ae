"""One command from beginning to end: its executor, progress, peak memory and report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from streamkm.cli.options import Running
from streamkm.cli.progress import ProgressBar
from streamkm.errors import StreamKMError
from streamkm.runtime import make_executor
from streamkm.runtime.base import Executor
from streamkm.runtime.memory import GIB, PeakMeter, available_bytes, format_bytes, parse_bytes


@dataclass
class Session:
    """What a command works with, and what it wants to say at the end.

    Parameters
    ----------
    executor
        Who runs the tasks.
    memory_limit
        In bytes, or None for the default.
    facts
        What was done, for the table and for --json.
    show
        Prints all facts for people, where a plain table would not do.
    """

    executor: Executor
    memory_limit: int | None
    facts: dict[str, Any] = field(default_factory=dict)
    show: Callable[[dict[str, Any]], None] | None = None


@contextmanager
def session(running: Running, command: str) -> Iterator[Session]:
    """Run a command: choose the executor, show progress, measure, report."""
    console = Console(stderr=True)
    begin = time.perf_counter()
    limit = parse_bytes(running.memory_limit)
    with ExitStack() as stack:
        peak = stack.enter_context(PeakMeter())
        executor = stack.enter_context(choose_executor(running, limit, console))
        bar = stack.enter_context(ProgressBar(console))
        executor.listener = bar
        current = Session(executor, limit)
        yield current
    cost = {
        "seconds": round(time.perf_counter() - begin, 3),
        "peak_memory_bytes": peak.peak_bytes,
        "memory_limit_bytes": limit,
    }
    facts = {"command": command, **current.facts, **cost}
    if current.show is not None and not running.json:
        current.show(facts)
    else:
        report(facts, as_json=running.json)


@contextmanager
def choose_executor(running: Running, limit: int | None, console: Console) -> Iterator[Executor]:
    """Make the executor that the options ask for; a cluster only where one is asked."""
    asked = refuse_crew(running)
    if running.workers is not None or "scheduler" in "".join(asked):
        from streamkm.runtime import clusters

        if running.workers is not None:
            share = limit or max(available_bytes() // 2, GIB)
            made = clusters.local_cluster(running.workers, share)
        else:
            file = str(running.scheduler_file) if running.scheduler_file else None
            made = clusters.connected(running.scheduler, file)
        with made as executor:
            console.print(f"dashboard: {clusters.dashboard_of(executor)}", highlight=False)
            yield executor
        return
    local = make_executor(running.executor or "threads")
    try:
        yield local
    finally:
        local.close()


def refuse_crew(running: Running) -> list[str]:
    """Return which options say who runs the tasks, one at most; refuse those that cannot be."""
    asked = [
        name
        for name in ("executor", "scheduler", "scheduler_file", "workers")
        if getattr(running, name) is not None
    ]
    if len(asked) > 1:
        raise StreamKMError(f"say one of --{', --'.join(a.replace('_', '-') for a in asked)}")
    if running.workers is not None and running.workers < 1:
        raise StreamKMError(f"--workers must be at least 1, got {running.workers}")
    if running.scheduler_file is not None and not running.scheduler_file.is_file():
        raise StreamKMError(f"{running.scheduler_file}: no such scheduler file")
    return asked


def report(facts: dict[str, Any], *, as_json: bool) -> None:
    """Print the facts: one JSON object, or a table for people."""
    if as_json:
        print(json.dumps(facts, default=str))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value is not None and name != "command":
            label = name.removesuffix("_bytes").replace("_", " ")
            table.add_row(label, written(name, value))
    Console().print(table, highlight=False)


def written(name: str, value: Any) -> str:
    """Write one fact for people."""
    if name.endswith("_bytes"):
        return format_bytes(value)
    if name == "seconds":
        return f"{value:.1f} s"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool) and name != "seed":
        return f"{value:,}"
    if isinstance(value, dict):
        if any(isinstance(item, str) for item in value.values()):  # sentences
            return "\n".join(f"{key}: {item}" for key, item in value.items())
        return ", ".join(f"{key} {written(key, item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(written("", item) for item in value[:16]) + (
            ", ..." if len(value) > 16 else ""
        )
    return str(value)
