"""The screen of `streamkm watch`: a running fit in a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streamkm.cli.chart import chart
from streamkm.cluster.runview import RunView
from streamkm.report.pace import Curve, Pace, curves, pace_of, state_of
from streamkm.report.said import facts
from streamkm.report.words import about_rows, duration, short_number

TALL: Final = 34  # lines of a terminal that holds all of it
CHART_ROWS: Final = (8, 4)  # in a tall terminal, and in a short one
MOST_RESTARTS: Final = (6, 2)
STYLES: Final = {"running": "bold cyan", "silent": "bold yellow", "finished": "bold green"}
DIM: Final = "dim"
TOP: Final = (1, 0, 0, 0)
SHIFT: Final = "center shift, log scale"


def screen(view: RunView, console: Console) -> RenderableType:
    """Return what to show of a run at one moment."""
    pace, ways = pace_of(view), curves(view.history)
    state = state_of(view, pace)
    width = min(console.width, 120)
    head = Table.grid(expand=False, padding=(0, 2))
    n_clusters = view.run["parameters"].get("n_clusters")
    k = f", K = {n_clusters}" if n_clusters else ""
    head.add_row(
        Text(state.kind, style=STYLES[state.kind]),
        Text(str(view.path), style="bold"),
        Text(f"{view.run['algorithm']}{k}"),
        Text(about_rows(view.about), style=DIM),
    )
    parts: list[RenderableType] = [head]
    if state.advice:
        parts.append(Text(state.advice, style=STYLES[state.kind].removeprefix("bold ")))
    is_short = console.is_terminal and console.height < TALL
    drawn = None if console.options.ascii_only else _charts(ways, width, CHART_ROWS[is_short])
    bar = _bar(view, pace, width) if view.progress else None
    restarts = _restarts(ways, MOST_RESTARTS[is_short]) if len(ways) > 1 else None
    parts += [Padding(p, TOP) for p in (drawn, _facts(view, pace), bar, restarts) if p is not None]
    return Group(*parts)


def line(view: RunView) -> str:
    """Return the same in one line, for a pipe or a log."""
    pace = pace_of(view)
    words = [state_of(view, pace).kind, *(f"{name} {text}" for name, text in facts(view, pace))]
    return ", ".join(words)


def _facts(view: RunView, pace: Pace) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, text in facts(view, pace):
        table.add_row(Text(name, style=DIM), Text(text))
    return table


def _bar(view: RunView, pace: Pace, width: int) -> Table:
    progress, share = view.progress or {}, pace.pass_share or 0.0
    grid = Table.grid(padding=(0, 2))
    left = "" if pace.pass_left_s is None else f"{duration(pace.pass_left_s)} left"
    grid.add_row(
        Text(progress["title"]),
        ProgressBar(
            1.0, share, 32 if width >= 90 else 12, complete_style="cyan", finished_style="cyan"
        ),
        Text(f"{share:.0%}"),
        Text(left, style=DIM),
    )
    return grid


def _charts(ways: Sequence[Curve], width: int, n_rows: int) -> RenderableType | None:
    """Draw the best model's inertia, and beside it, where there is room, its centers' move."""
    best = ways[0] if ways else Curve(0, [], [], [])
    points = [p for p in zip(best.n_iter, best.inertia, strict=True) if math.isfinite(p[1])]
    points = points[_after_the_fall([value for _, value in points]) :]
    moves = [p for p in zip(best.n_iter, best.center_shift, strict=True) if 0 < p[1] < math.inf]
    drawn = [
        (name, found) for name, found in (("inertia", points), (SHIFT, moves)) if len(found) > 1
    ]
    if not drawn:
        return None
    n_beside = 2 if width >= 90 else 1
    grid = Table.grid(padding=(0, 3))
    curves_of = []
    for name, found in drawn[:n_beside]:
        values = [value for _, value in found]
        limits = short_number(max(values)), short_number(min(values))
        shown = [math.log(value) for value in values] if name == SHIFT else values
        span = found[0][0], found[-1][0]
        curves_of.append(chart(name, shown, limits, span, (width // n_beside - 3, n_rows)))
    grid.add_row(*curves_of)
    return grid


def _after_the_fall(values: Sequence[float]) -> int:
    """Return where to begin a long curve, so that a steep first fall does not flatten the rest."""
    if len(values) <= 8:
        return 0
    limit = min(values) + 0.3 * (values[0] - min(values))
    return min(next(i for i, value in enumerate(values) if value <= limit), len(values) // 2)


def _restarts(ways: Sequence[Curve], most: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style=DIM, padding=(0, 2, 0, 0))
    table.add_column("restart", justify="right")
    for name in ("iteration", "inertia", "center shift"):
        table.add_column(name, justify="right")
    for way in ways[:most]:
        numbers = (way.inertia[-1], way.center_shift[-1])
        words = [short_number(v) if math.isfinite(v) else "" for v in numbers]
        table.add_row(str(way.restart), str(way.n_iter[-1]), *words)
    more = len(ways) - most
    if more > 0:
        table.add_row("", f"and {more} more", "", "", style=DIM)
    return table
