"""The contest as a Markdown page that can be repeated."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamkm.bench.contest import Settings
from streamkm.bench.contestants import CONTESTANTS
from streamkm.bench.figures import Table, summaries
from streamkm.bench.machine import Machine
from streamkm.bench.words import (
    NONE,
    TITLES,
    bytes_text,
    inertia_text,
    range_text,
    summary_text,
    time_text,
    times_text,
)
from streamkm.runtime.memory import format_bytes

INTRODUCTION: Final = (
    "streamkm and its peers in one run on one machine, each in a process of its own, turn by turn. "
    'Medians; "as fast" is the time of scikit-learn\'s `algorithm="lloyd"` over the program\'s: '
    "more is faster."
)
HOW_ALL: Final = (
    "All start from the same rows of the data, with `tol=0`, on all cores. The peers get float32 "
    "rows in memory, made before the clock starts; streamkm gets the rows in their own dtype"
)
HOW_ONE: Final = (
    "One pass is (fit(max_iter={most}) − fit(max_iter=1)) / {n}; the whole call is the longer of "
    "the two. streamkm runs plain Lloyd"
)
HOW_CONVERGENCE: Final = (
    "To convergence is the whole call, until the centers repeat or {most} iterations are made; the "
    "inertia is that of the last round's centers, computed again in float64 by NumPy"
)
HOW_MEMORY: Final = (
    "Memory is the process's resident memory in its first fit, which is not timed, sampled every "
    '5 ms, with its Dask workers and what is compiled; "of it the fit" leaves out what was held '
    "before, the rows above all"
)
HEADS: Final = {
    "pass": (
        "rows and clusters", "program", "one pass", "as fast", "range", "whole call", "as fast",
        "peak memory", "of it the fit", "read",
    ),
    "convergence": (
        "rows and clusters", "program", "time", "as fast", "range", "iterations",
        "inertia over scikit-learn's", "peak memory", "of it the fit", "read",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """What stands on a page.

    Parameters
    ----------
    table
        As `table_of` returns it.
    machine
        On which.
    settings
        How it was measured.
    command
        Words of the command that repeats it.
    missing
        Cases that were left out, and why.
    is_quick
        Whether it only shows that all works.
    """

    table: Table
    machine: Machine
    settings: Settings
    command: Sequence[str]
    missing: Sequence[str] = ()
    is_quick: bool = False

    def text(self) -> str:
        """Return the page."""
        lines = ["# Against its peers", "", INTRODUCTION, ""]
        if self.is_quick:
            lines += ["**A smoke run (`--quick`): the figures mean nothing.**", ""]
        lines += ["```text", shlex.join(self.command), "```", ""]
        for measure, title in TITLES.items():
            rows = [row for row in self.table if row["measure"] == measure]
            if rows:
                lines += [f"## {title}", "", *_table(measure, rows), ""]
                found = [f"- {summary_text(s)}." for s in summaries(rows) if s.n_cases > 1]
                lines += [*found, ""] if found else []
        return "\n".join([*lines, *self._machine(), *self._left_out(), *self._how()]) + "\n"

    def _machine(self) -> list[str]:
        machine = self.machine
        versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
        cells = {
            "processor": machine.cpu,
            "cores": str(machine.n_cores),
            "memory": format_bytes(machine.memory_bytes),
            "system": machine.system,
            "versions": versions,
        }
        if machine.load is not None:
            busy = " (other work was running)" if machine.is_busy else ""
            cells["load before the run"] = f"{machine.load:.1f}{busy}"
        rows = [f"| {name} | {value} |" for name, value in cells.items()]
        return ["## The machine", "", "| | |", "|---|---|", *rows, ""]

    def _left_out(self) -> list[str]:
        reasons = [
            f"- {row['contestant']}: {row['skipped']}" for row in self.table if row["skipped"]
        ]
        said = [*dict.fromkeys(reasons), *(f"- {text}" for text in self.missing)]
        return ["## What took no part", "", *said, ""] if said else []

    def _how(self) -> list[str]:
        settings = self.settings
        rounds = "1 round" if settings.repeats == 1 else f"{settings.repeats} rounds"
        lines = [f"{rounds}, in each every program once: other work on the machine hits all alike"]
        lines += [HOW_ALL]
        if settings.crew.is_cluster:
            lines.append("streamkm, and dask-ml, ran on the Dask workers that the command asks for")
        names = {row["contestant"] for row in self.table}
        measures = {row["measure"] for row in self.table}
        if "pass" in measures:
            lines.append(HOW_ONE.format(n=settings.iterations, most=settings.iterations + 1))
        if "convergence" in measures:
            lines.append(HOW_CONVERGENCE.format(most=settings.max_iter))
        lines.append(HOW_MEMORY)
        lines += [f"{c.name}: {c.note}" for c in CONTESTANTS if c.name in names and c.note]
        return ["## How it was measured", "", *(f"- {line}." for line in lines)]


def _table(measure: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    heads = HEADS[measure]
    lines = [_line(heads), _line(["---", "---", *["--:"] * (len(heads) - 2)])]
    last = ""
    for row in rows:
        if row["skipped"]:
            continue
        case, last = ("" if row["case"] == last else row["case"]), row["case"]
        name = row["contestant"]
        is_ours = name.startswith("streamkm")
        cells = [case, f"**{name}**" if is_ours else name, *_cells(measure, row)]
        if is_ours:
            cells[3] = f"**{cells[3]}**"
        lines.append(_line(cells))
    return lines


def _cells(measure: str, row: Mapping[str, Any]) -> list[str]:
    timed = [time_text(row["seconds"]), times_text(row["times_as_fast"]), range_text(row)]
    beside = [str(row["n_iter"]), inertia_text(row["inertia_ratio"])]
    if measure == "pass":
        beside = [time_text(row["call_s"]), times_text(row["call_times_as_fast"])]
    own = None if row["peak_bytes"] is None else row["peak_bytes"] - row["held_bytes"]
    memory = [bytes_text(row["peak_bytes"]), bytes_text(own)]
    read = bytes_text(row["bytes_read"]) if row["bytes_read"] else NONE
    return [*timed, *beside, *memory, read]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
