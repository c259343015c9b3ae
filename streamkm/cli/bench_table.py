"""The contest as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from streamkm.bench.figures import summaries
from streamkm.bench.page import Page
from streamkm.bench.words import (
    NONE,
    TITLES,
    bytes_text,
    inertia_text,
    summary_text,
    time_text,
    times_text,
)
from streamkm.cli.session import report

NAME_WIDTH: Final = 22
COLUMNS: Final = {  # and their widths: 80 in all
    "pass": {"one pass": 11, "as fast": 10, "whole call": 13, "memory": 12, "read": 11},
    "convergence": {
        "time": 8, "as fast": 8, "iterations": 11, "inertia": 9, "memory": 11, "read": 11,
    },
}  # fmt: skip


def show_bench(page: Page, facts: Mapping[str, Any]) -> None:
    """Print a table a measure, what it comes to, and who took no part."""
    console = Console()
    for measure in TITLES:
        rows = [row for row in page.table if row["measure"] == measure]
        for line in lines_of(measure, rows) if rows else ():
            console.print(line, highlight=False)
    if page.is_quick:
        console.print("A smoke run: the figures mean nothing.\n", style="yellow", highlight=False)
    left_out = [f"{row['contestant']}: {row['skipped']}" for row in page.table if row["skipped"]]
    shown = {
        "left out": "\n".join([*dict.fromkeys(left_out), *page.missing]) or None,
        "machine": f"{page.machine.cpu}; {page.machine.n_cores} cores",
        **{name: facts[name] for name in ("page", "picture", "seconds")},
    }
    report(shown, as_json=False)


def lines_of(measure: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """Yield one measure: a head, a block a case, a line a program, and what it comes to."""
    top = _grid(measure)
    top.add_row(Text(TITLES[measure], "bold"), *(Text(name, "dim") for name in COLUMNS[measure]))
    yield top
    for case in dict.fromkeys(row["case"] for row in rows):
        yield Padding(Text(case, "italic"), (1, 0, 0, 0))
        block = _grid(measure)
        for row in rows:
            if row["case"] == case and not row["skipped"]:
                style = "bold" if row["contestant"].startswith("streamkm") else ""
                block.add_row(f"  {row['contestant']}", *_cells(measure, row), style=style)
        yield block
    found = [summary_text(summary) for summary in summaries(rows) if summary.n_cases > 1]
    if found:
        yield Padding(Text("\n".join(found)), (1, 0, 0, 0))
    yield ""


def _grid(measure: str) -> Table:
    grid = Table.grid()
    grid.add_column(width=NAME_WIDTH, no_wrap=True)
    for width in COLUMNS[measure].values():
        grid.add_column(width=width, justify="right", no_wrap=True)
    return grid


def _cells(measure: str, row: Mapping[str, Any]) -> list[str]:
    read = bytes_text(row["bytes_read"]) if row["bytes_read"] else NONE
    timed = [time_text(row["seconds"]), times_text(row["times_as_fast"])]
    if measure == "pass":
        return [*timed, time_text(row["call_s"]), bytes_text(row["peak_bytes"]), read]
    beside = [str(row["n_iter"]), inertia_text(row["inertia_ratio"])]
    return [*timed, *beside, bytes_text(row["peak_bytes"]), read]
