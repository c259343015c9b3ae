"""What is known of a running fit, in words: the same in a terminal and on the page."""

from __future__ import annotations

import math

from streamkm.cluster.runview import RunView
from streamkm.report.pace import Pace
from streamkm.report.words import duration, percent, short_count, short_number
from streamkm.runtime.memory import format_bytes


def facts(view: RunView, pace: Pace) -> list[tuple[str, str]]:
    """Return what is known, by name, in words."""
    done = view.result or {}  # of a score or a coreset there is nothing to be said
    found = [
        ("iterations", str(done["n_iter"])) if done else ("iteration", _iteration(pace)),
        ("inertia", _number(done["inertia"]) if done else _inertia(pace)),
        ("center shift", "" if done else _shift(pace)),
        ("speed", _speed(pace)),
        ("passes", _passes(view, pace)),
        ("time", _time(pace)),
        ("workers", (view.progress or {}).get("workers", "")),
        ("model", view.run.get("_model") or "" if done else ""),
    ]
    return [(name, text) for name, text in found if text]


def _iteration(pace: Pace) -> str:
    if pace.iteration is None:
        return ""
    return str(pace.iteration) + (f" of at most {pace.max_iter}" if pace.max_iter else "")


def _inertia(pace: Pace) -> str:
    change = "" if pace.change is None else f" ({percent(pace.change)} in the last pass)"
    return "" if pace.inertia is None else f"{short_number(pace.inertia)}{change}"


def _shift(pace: Pace) -> str:
    stop = f", stops at {short_number(pace.stop_shift)}" if pace.stop_shift else ""
    return "" if pace.center_shift is None else f"{short_number(pace.center_shift)}{stop}"


def _speed(pace: Pace) -> str:
    read = f", {format_bytes(pace.bytes_per_s)}/s read" if pace.bytes_per_s else ""
    return "" if pace.rows_per_s is None else f"{short_count(pace.rows_per_s)} rows/s{read}"


def _passes(view: RunView, pace: Pace) -> str:
    when = "" if view.is_finished else " at last"
    each = "" if pace.pass_s is None else f", {duration(pace.pass_s)} each{when}"
    return f"{len(view.history)}{each}"


def _time(pace: Pace) -> str:
    left = "" if pace.at_most_s is None else f", at most {duration(pace.at_most_s)} more"
    return f"{duration(pace.elapsed_s)}{left}"


def _number(value: float) -> str:
    return short_number(value) if math.isfinite(value) else ""
