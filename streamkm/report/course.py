"""The sections about the fit: how it converged, where its time went, every pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from streamkm import plots
from streamkm.plots.courses import courses
from streamkm.report.figures import picture
from streamkm.report.html import Html, join, tag
from streamkm.report.pace import curves
from streamkm.report.section import Section
from streamkm.report.subject import Subject
from streamkm.report.tables import Cell, data_table, number
from streamkm.report.words import duration, short_count, short_number
from streamkm.runtime.memory import format_bytes
from streamkm.typing import Json

MOST_RECORDS: Final = 400  # of a table; of more, the first and the last


def course_section(subject: Subject) -> Section | None:
    """Return inertia and moves by iteration, and one row a restart."""
    if not courses(subject.history):
        return None
    ways = curves(subject.history)
    alt = "Inertia by iteration; below it how far the centers moved."
    if ways:
        best = ways[0]
        alt = (
            f"Inertia of {len(ways)} {'restarts' if len(ways) > 1 else 'model'} by iteration, from "
            f"{short_number(best.inertia[0])} to {short_number(best.inertia[-1])} in "
            f"{best.n_iter[-1]:,} iterations of the best; below it how far the centers moved."
        )
    drawn = picture(
        "convergence", lambda theme: plots.draw_convergence(subject.history, theme=theme), alt,
        "Inertia and the move of the centers",
    )  # fmt: skip
    rows = [
        [
            number(way.restart, str(way.restart)),
            number(way.n_iter[-1]),
            number(way.inertia[-1], f"{way.inertia[-1]:,.9g}"),
            number(way.center_shift[-1], f"{way.center_shift[-1]:,.4g}"),
        ]
        for way in ways
    ]
    columns = ["restart", "iterations", "inertia", "last center shift"]
    table = data_table("restarts", "Restarts", columns, rows) if len(ways) > 1 else None
    return Section("convergence-section", "How it converged", join(drawn, table))


def time_section(subject: Subject) -> Section | None:
    """Return where the time went, and one row a pass."""
    history = subject.history
    if not history:
        return None
    seconds = sum(record["seconds"] for record in history)
    read = sum(record["bytes_read"] for record in history)
    alt = (
        f"Seconds of each of {len(history):,} passes, by reading and computing; "
        f"{duration(seconds)} in all."
    )
    drawn = picture(
        "time", lambda theme: plots.draw_time(history, theme=theme), alt,
        f"{len(history):,} passes took {duration(seconds)} and read {format_bytes(read)}",
    )  # fmt: skip
    return Section("time-section", "Every pass", join(drawn, _passes(history)))


def _passes(history: Sequence[Json]) -> Html:
    shown, text = list(history), None
    if len(history) > MOST_RECORDS:
        half = MOST_RECORDS // 2
        shown = [*history[:half], *history[-half:]]
        text = tag("p", f"The first and the last {half} of {len(history):,} passes.")
    least = "least " if any(record["n_models"] > 1 for record in history) else ""
    columns = ("pass", "stage", "iteration", "models", f"{least}inertia", f"{least}center shift",
               "seconds", "rows/s", "read", "decoded")  # fmt: skip
    rows = [_pass(record) for record in shown]
    used = [i for i in range(len(columns)) if any(row[i].text for row in rows)]
    table = data_table(
        "passes", f"The {len(history):,} passes over the rows", [columns[i] for i in used],
        [[row[i] for i in used] for row in rows],
    )  # fmt: skip
    return join(text, table)


def _pass(record: Json) -> list[Cell]:
    inertia, shift = _least(record.get("inertia")), _least(record.get("center_shift"))
    seconds, n_rows = record["seconds"], record["n_rows"]
    speed = n_rows / seconds if seconds > 0.0 else math.nan
    n_iter = max(record["n_iter"], default=None) if "n_iter" in record else None
    return [
        number(record["pass"]),
        Cell(record["stage"]),
        number(n_iter),
        number(record["n_models"]),
        number(inertia, f"{inertia:,.9g}"),
        number(shift, f"{shift:,.4g}"),
        number(seconds, f"{seconds:,.3g}"),
        number(speed, short_count(speed)),
        number(record["bytes_read"], format_bytes(record["bytes_read"])),
        number(record["bytes_decoded"], format_bytes(record["bytes_decoded"])),
    ]


def _least(values: Any) -> float:
    """Return the smallest finite number, NaN where there is none."""
    found = [value for value in values or () if value is not None and math.isfinite(value)]
    return float(min(found, default=math.nan))
