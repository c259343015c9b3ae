"""What `streamkm bench` does: cases from words, the contest, and what is kept of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streamkm.bench.cases import Case, Measure, preset, quick, shaped
from streamkm.bench.contest import Said, Settings
from streamkm.bench.contestants import BOTH, REFERENCE, check_peers
from streamkm.bench.figures import Result, table_of
from streamkm.bench.machine import this_machine
from streamkm.bench.page import Page
from streamkm.bench.run import run
from streamkm.bench.task import Crew
from streamkm.cli.bench import How, What
from streamkm.cli.bench_table import show_bench
from streamkm.cli.options import Running
from streamkm.errors import SourceError, StorageError
from streamkm.runtime.memory import parse_bytes

QUICK: Final = Settings(repeats=2, iterations=3, max_iter=10)
QUICK_SHAPE: Final = (20_000, 64, "uint8", 10)


def run_bench(
    store: str | None, what: What, how: How, out: Path | None, plot: Path | None,
    running: Running, words: Sequence[str],
) -> None:  # fmt: skip
    """Run the contest; the page is written anew after every case, so that none is lost."""
    cases, missing = cases_of(store, what, how)
    settings = settings_of(how, running)
    begin, machine, console = time.perf_counter(), this_machine(), Console(stderr=True)
    if machine.is_busy:
        console.print(
            f"other work is running (load {machine.load:.1f}): ratios hold better than seconds",
            highlight=False,
        )
    results: list[Result] = []
    page = Page((), machine, settings, words, missing, how.quick)
    with _progress(console) as say:
        for found in run(cases, settings, say):
            results += found
            page = replace(page, table=table_of(results))
            _keep(page, out, plot)
    facts: dict[str, Any] = {
        "command": "bench",
        "words": list(words),
        "machine": asdict(machine),
        "repeats": settings.repeats,
        "quick": how.quick,
        "rows": page.table,
        "missing": list(missing),
        "page": None if out is None else str(out),
        "picture": None if plot is None else str(plot),
        "seconds": round(time.perf_counter() - begin, 3),
    }
    if running.json:
        print(json.dumps(facts))
    else:
        show_bench(page, facts)


def cases_of(store: str | None, what: What, how: How) -> tuple[list[Case], tuple[str, ...]]:
    """Return the cases that the options ask for, and what is left out.

    Raises
    ------
    SourceError
        If they ask for nothing, or for several things at once.
    """
    shape = (what.rows, what.features)
    asked = {"a store": store, "--rows and --features": any(s is not None for s in shape) or None,
             "--preset": what.preset}  # fmt: skip
    said = [name for name, value in asked.items() if value is not None]
    if len(said) > 1:
        raise SourceError(f"say one of {', '.join(said)}")
    if what.preset is not None:
        if what.n_clusters or what.measure is not None:
            raise SourceError(f"--preset {what.preset} has its own clusters and measure")
        found, missing = preset(what.preset, what.data)
        if not found:
            raise SourceError(f"nothing to measure: {'; '.join(missing)}")
    else:
        found, missing = _own_cases(store, what, how), ()
    cases = (quick(case) if how.quick else case for case in found)
    return list(dict.fromkeys(cases)), missing


def _own_cases(store: str | None, what: What, how: How) -> tuple[Case, ...]:
    if store is None and what.rows is None and what.features is None:
        if not how.quick:
            raise SourceError(
                "say what to measure: a store with -k, --rows and --features with -k, or "
                "--preset one-pass or convergence; --quick shows in seconds how it looks"
            )
        return (shaped(*QUICK_SHAPE, _measures(what, BOTH)),)
    if not what.n_clusters:
        raise SourceError("say the number of clusters with -k")
    if store is not None:
        if min(what.n_clusters) < 1:
            raise SourceError(f"-k must be at least 1, got {min(what.n_clusters)}")
        name = "" if Path(store).suffix == ".npy" else Path(store).name
        measures = _measures(what, BOTH)
        return tuple(
            Case(k, measures, name.partition("?")[0], store, is_loaded=how.load)
            for k in what.n_clusters
        )
    if what.rows is None or what.features is None:
        raise SourceError("--rows and --features make a shape together")
    shape = (what.rows, what.features, what.dtype)
    return tuple(shaped(*shape, k, _measures(what, ("pass",))) for k in what.n_clusters)


def _measures(what: What, usual: tuple[Measure, ...]) -> tuple[Measure, ...]:
    if what.measure is None:
        return usual
    return BOTH if what.measure == "both" else (what.measure,)


def settings_of(how: How, running: Running) -> Settings:
    """Return how the options ask to measure.

    Raises
    ------
    SourceError
        If a number is out of range, or a peer unknown.
    """
    if how.repeats < 1:
        raise SourceError(f"--repeats must be at least 1, got {how.repeats}")
    peers = None if how.peers is None else tuple(p.strip() for p in how.peers.split(",") if p)
    check_peers(peers or ())
    file = running.scheduler_file
    crew = Crew(
        running.executor, running.scheduler, None if file is None else str(file.absolute()),
        running.workers, parse_bytes(running.memory_limit),
    )  # fmt: skip
    settings = Settings(how.repeats, peers=peers, crew=crew)
    if not how.quick:
        return settings
    return replace(
        settings,
        repeats=min(how.repeats, QUICK.repeats),
        iterations=QUICK.iterations,
        max_iter=QUICK.max_iter,
    )


def _keep(page: Page, out: Path | None, plot: Path | None) -> None:
    """Write what was asked for."""
    if out is not None:
        from streamkm.data.atomic import write_atomically

        try:
            write_atomically(out, page.text().encode())
        except OSError as error:
            raise StorageError(f"{out} cannot be written ({error})") from error
    others = [row for row in page.table if row["contestant"] != REFERENCE]
    if plot is not None and any(row["times_as_fast"] for row in others):
        from streamkm.plots import draw_bench, save_figure

        title = "A smoke run: the figures mean nothing" if page.is_quick else ""
        save_figure(draw_bench(page.table, title), plot)


@contextmanager
def _progress(console: Console) -> Iterator[Said]:
    """Show what is done, on stderr; nothing stays."""
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=12),
        TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal,
    ) as progress:  # fmt: skip
        task = progress.add_task("")

        def say(text: str, done: int, total: int) -> None:
            progress.update(task, description=text, completed=done, total=total)

        yield say
