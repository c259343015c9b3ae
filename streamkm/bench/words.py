"""How the figures are written, in a terminal, on a page and in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streamkm.bench.contestants import REFERENCE
from streamkm.bench.figures import Summary
from streamkm.runtime.memory import format_bytes

TITLES: Final = {"pass": "One pass", "convergence": "To convergence"}
NONE: Final = "–"


def time_text(seconds: float | None) -> str:
    """Write seconds in three digits: 31.2 ms, 4.61 s."""
    if seconds is None or seconds <= 0.0:  # a difference that drowns in noise
        return NONE
    value, unit = (seconds, "s") if seconds >= 1.0 else (1000.0 * seconds, "ms")
    return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f} {unit}"


def times_text(ratio: float | None) -> str:
    """Write how many times as fast: 2.10×."""
    return NONE if ratio is None else f"{ratio:.{2 if ratio < 10 else 1}f}×"


def bytes_text(size: int | None) -> str:
    """Write a size."""
    return NONE if size is None else format_bytes(size)


def range_text(row: Mapping[str, Any]) -> str:
    """Write the least and the most of the rounds."""
    least, most = time_text(row["least_s"]), time_text(row["most_s"])
    if least.split()[-1] == most.split()[-1]:
        least = least.split()[0]
    return f"{least} to {most}" if row["least_s"] is not None else NONE


def inertia_text(ratio: float | None) -> str:
    """Write an inertia over scikit-learn's."""
    return NONE if ratio is None else f"{ratio:.5f}"


def summary_text(summary: Summary) -> str:
    """Write one line of a summary."""
    against = "" if summary.against == REFERENCE else f" against {summary.against}"
    figures = f"geometric mean {times_text(summary.mean)}, least {times_text(summary.least)}"
    return f"{summary.contestant}, {summary.n_cases} cases{against}: {figures}"
