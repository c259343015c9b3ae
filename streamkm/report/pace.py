"""How a fit is doing: where it is, how fast, and how long it may take at most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final, Literal

from streamkm.cluster.runview import RunView
from streamkm.report.words import duration
from streamkm.typing import Json

RECENT: Final = 5  # passes that a pace is taken from
PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Curve:
    """One model's way: a restart, or the only one.

    Parameters
    ----------
    restart
        Its number.
    n_iter, inertia, center_shift
        After each of its passes, of equal lengths; NaN where not known.
    """

    restart: int
    n_iter: list[int]
    inertia: list[float]
    center_shift: list[float]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a fit is doing; None where it cannot be known.

    Parameters
    ----------
    iteration, max_iter
        Iterations of the model that has most, and the most there may be.
    n_running, n_models
        Models that shared the last pass, and all.
    inertia, change
        Of the best model, and what the last pass changed of it, relative.
    center_shift, stop_shift
        Squared move of the best model's centers, and where `tol` stops it.
    pass_s, rows_per_s, bytes_per_s
        Of the last passes, of all once it is finished: seconds each, rows and stored
        bytes a second.
    elapsed_s
        In passes, so far.
    pass_share, pass_left_s
        How much of the pass under way is done, 0 to 1, and how long the rest takes.
    at_most_s
        Time until `max_iter`; a fit that converges takes less.
    is_silent
        Whether nothing was written for so long that the fit may be dead.
    """

    iteration: int | None
    max_iter: int | None
    n_running: int
    n_models: int
    inertia: float | None
    change: float | None
    center_shift: float | None
    stop_shift: float | None
    pass_s: float | None
    rows_per_s: float | None
    bytes_per_s: float | None
    elapsed_s: float
    pass_share: float | None
    pass_left_s: float | None
    at_most_s: float | None
    is_silent: bool


@dataclass(frozen=True, slots=True)
class State:
    """Whether a fit goes on.

    Parameters
    ----------
    kind
        For programs, and in a word for people.
    advice
        What to do, empty where nothing is.
    """

    kind: Literal["running", "silent", "finished"]
    advice: str = ""


def state_of(view: RunView, pace: Pace) -> State:
    """Return whether the fit of a run goes on."""
    if view.is_finished:
        return State("finished")
    if pace.is_silent and not view.is_locked:
        advice = (
            f"nothing was written for {duration(view.idle_s)}; if it was ended, "
            f"it goes on with: {view.goes_on_by}"
        )
        return State("silent", advice)
    return State("running")


def curves(history: Sequence[Json]) -> list[Curve]:
    """Return every model's way through the history, best last inertia first."""
    found: dict[int, Curve] = {}
    for record in history:
        if "n_iter" not in record or "inertia" not in record:
            continue
        numbers = record.get("restarts", range(len(record["n_iter"])))
        shifts = record.get("center_shift", [math.nan] * len(record["n_iter"]))
        for at, restart in enumerate(numbers):
            curve = found.setdefault(restart, Curve(restart, [], [], []))
            curve.n_iter.append(record["n_iter"][at])
            curve.inertia.append(_number(record["inertia"][at]))
            curve.center_shift.append(_number(shifts[at]))
    return sorted(found.values(), key=lambda curve: (_last(curve.inertia), curve.restart))


def pace_of(view: RunView) -> Pace:
    """Return how the fit in a run directory is doing."""
    history, progress = view.history, view.progress
    ways = curves(history)
    last = history[-1] if history else {}
    recent = [record for record in history if record["stage"] == last.get("stage")][-RECENT:]
    recent = history if view.is_finished else recent
    seconds = sum(record["seconds"] for record in recent)
    pass_s = seconds / len(recent) if seconds else None
    rows_per_s = sum(record["n_rows"] for record in recent) / seconds if seconds else None
    share, done_s = None, 0.0
    if progress and progress.get("n_rows"):
        share, done_s = progress["rows_done"] / progress["n_rows"], float(progress["pass_s"])
        if share and share < 1.0 and done_s:
            rows_per_s = progress["rows_done"] / done_s
    iteration = max((curve.n_iter[-1] for curve in ways), default=None)
    best = ways[0] if ways else Curve(0, [], [], [])
    return Pace(
        iteration=iteration,
        max_iter=view.run["parameters"].get("max_iter"),
        n_running=len(last.get("n_iter", [])) or int(last.get("n_models", 0)),
        n_models=len(ways) or int(last.get("n_models", 0)),
        inertia=_known(best.inertia[-1:]),
        change=_change(best.inertia),
        center_shift=_known(best.center_shift[-1:]),
        stop_shift=_known([last.get("stop_shift")]),
        pass_s=pass_s,
        rows_per_s=rows_per_s,
        bytes_per_s=sum(r["bytes_read"] for r in recent) / seconds if seconds else None,
        elapsed_s=sum(r["seconds"] for r in history) + (done_s if (share or 0.0) < 1.0 else 0.0),
        pass_share=share,
        pass_left_s=done_s * (1.0 - share) / share if share else None,
        at_most_s=None if view.is_finished else _at_most(view, iteration, (share or 0.0) % 1.0),
        is_silent=not view.is_finished and view.idle_s > max(PATIENCE_S, 3.0 * (pass_s or 0.0)),
    )


def _at_most(view: RunView, iteration: int | None, share: float) -> float | None:
    """Return the time until `max_iter`, where the history tells what an iteration costs."""
    last = view.history[-1] if view.history else {}
    most: int | None = view.run["parameters"].get("max_iter")
    stage = last.get("stage")
    alike = [record for record in view.history if record["stage"] == stage]
    seconds: float = fmean(record["seconds"] for record in alike[-RECENT:]) if alike else 0.0
    if most is None or iteration is None or "round" in last:
        return None
    if stage == "assign":
        return max(most - iteration - share, 0.0) * seconds
    n_rows = view.about.get("n_rows")
    if stage == "steps" and n_rows:  # max_iter counts the times through all rows
        rows: int = sum(record["n_rows"] for record in alike)
        spent: float = sum(record["seconds"] for record in alike)
        return max(most * int(n_rows) - rows, 0) * spent / max(rows, 1)
    return None


def _change(inertia: Sequence[float]) -> float | None:
    if len(inertia) < 2 or not inertia[-2]:
        return None
    return _known([(inertia[-1] - inertia[-2]) / inertia[-2]])


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _last(values: Sequence[float]) -> float:
    return values[-1] if math.isfinite(values[-1]) else math.inf


def _known(values: Sequence[Any]) -> float | None:
    """Return the only value, where it is a finite number."""
    return float(values[0]) if values and math.isfinite(_number(values[0])) else None
