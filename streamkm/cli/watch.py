"""`streamkm watch`: a running fit, from its run directory alone."""

from __future__ import annotations

import json as json_format
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

if TYPE_CHECKING:
    from streamkm.cluster.runview import RunView

POLL_S: Final = 0.5


def watch(
    run: Path,
    *,
    once: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
    web: Annotated[bool, Parameter(negative=())] = False,
    port: int = 0,
) -> None:
    """Show a running fit until it is finished: how far it is, how fast, how long at most.

    Reads the run directory alone, from any machine that sees it. Ctrl-C ends
    the watching; the fit goes on.

    Example: streamkm watch runs/mnist

    Parameters
    ----------
    run
        Folder that `fit --run` was given.
    once
        Show it once, and end.
    json
        Print JSON: one object a line, a new one after every pass.
    web
        Show it as a page in a browser, refreshed as the fit goes on; only this
        machine can open it.
    port
        Of the page; 0 for one that is free.
    """
    from contextlib import suppress

    from streamkm.cluster.runview import view_run

    view_run(run)  # a clear line, before anything is drawn
    with suppress(KeyboardInterrupt):
        if web:
            _serve(run, port)
        elif once or json:
            _print(run, once=once, as_json=json)
        else:
            _draw(run)


def _draw(run: Path) -> None:
    """Draw a screen again and again; on a pipe, print a line a pass."""
    from rich.console import Console
    from rich.live import Live

    from streamkm.cli.screen import screen

    console = Console()
    if not console.is_terminal:
        _print(run, once=False, as_json=False)
        return
    with Live(console=console, auto_refresh=False) as live:
        for view in _views(run):
            live.update(screen(view, console), refresh=True)


def _print(run: Path, *, once: bool, as_json: bool) -> None:
    from rich.console import Console

    from streamkm.cli.screen import line, screen

    console, last = Console(), -1
    for view in _views(run):
        is_new = len(view.history) > last or view.is_finished
        last = len(view.history)
        if as_json and (once or is_new):
            print(json_format.dumps(facts_of_run(view)), flush=True)
        elif once:
            console.print(screen(view, console))
        elif is_new:
            print(line(view), flush=True)
        if once:
            return


def _serve(run: Path, port: int) -> None:
    from streamkm.report.live import served

    with served(run, port) as server:
        print(f"{run} is shown at {server.url} (Ctrl-C ends it)", flush=True)
        threading.Event().wait()


def _views(run: Path) -> Iterator[RunView]:
    """Yield what the run directory says, twice a second, until the fit is finished."""
    from streamkm.cluster.runview import view_run

    while True:
        view = view_run(run)
        yield view
        if view.is_finished:
            return
        time.sleep(POLL_S)


def facts_of_run(view: RunView) -> dict[str, Any]:
    """Return what --json prints: JSON knows no NaN, so null stands for it."""
    from streamkm.report.pace import curves, pace_of, state_of

    pace = pace_of(view)
    facts = {
        "command": "watch",
        "run": str(view.path),
        "state": state_of(view, pace).kind,
        "algorithm": view.run["algorithm"],
        "parameters": {k: v for k, v in view.run["parameters"].items() if not isinstance(v, dict)},
        "data": view.about,
        "passes": len(view.history),
        "pass": view.progress,
        **asdict(pace),
        "restarts": [
            {"restart": c.restart, "n_iter": c.n_iter[-1], "inertia": c.inertia[-1]}
            for c in curves(view.history)
        ],
        "model": view.run.get("_model"),
    }
    return _finite(facts)  # type: ignore[no-any-return]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
