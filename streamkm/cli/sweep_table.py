"""A sweep's medians as a table for people."""

from __future__ import annotations

from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from streamkm.cli.session import report
from streamkm.metrics.measures import SHOWN
from streamkm.sweeping.choice import medians
from streamkm.sweeping.sweep import Sweep

TITLE_WIDTH: Final = 31
COLUMN_WIDTH: Final = 12


def show_sweep(found: Sweep, facts: dict[str, Any]) -> None:
    """Print the table and, below it, what each criterion chooses."""
    console = Console()
    for table in tables_of(found, console.width):
        console.print(table, highlight=False)
    report(facts, as_json=False)


def tables_of(found: Sweep, width: int) -> list[Table]:
    """Return a sweep's medians for people: a line a measure, a column a number of clusters."""
    chosen = {choice.criterion: choice.n_clusters for choice in found.choices}
    chosen["inertia"] = chosen.pop("knee", 0)
    titles = {measure.name: measure.title for measure in SHOWN} | {"n_iter": "iterations"}
    names = [name for name in [*titles, "test_accuracy"] if medians(found.table, name)[0]]
    ks = sorted({row["n_clusters"] for row in found.table})
    step = max((width - TITLE_WIDTH) // COLUMN_WIDTH, 1)
    tables = []
    for first in range(0, len(ks), step):
        some = ks[first : first + step]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("clusters")
        for k in some:
            table.add_column(str(k), justify="right", no_wrap=True)
        for name in names:
            values = dict(zip(*medians(found.table, name), strict=True))
            table.add_row(
                titles.get(name, name.replace("_", " ")),
                *(_cell(values.get(k), is_chosen=chosen.get(name) == k) for k in some),
            )
        tables.append(table)
    return tables


def _cell(value: float | None, *, is_chosen: bool) -> str:
    text = "-" if value is None else f"{value:.4g}"
    return f"[bold]*{text}[/bold]" if is_chosen else text
