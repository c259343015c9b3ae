"""Where the time of every pass went."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from streamkm.errors import SourceError
from streamkm.plots.style import (
    LABEL,
    NOTE,
    WIDTH,
    Theme,
    ThemeName,
    dress,
    head,
    new_figure,
    note,
    number,
    theme_of,
)
from streamkm.typing import F64, Json

# Keys of the history, what they are called, and which color of the theme they have.
PARTS: Final = (
    ("read_s", "reading", 5),
    ("decode_s", "decoding", 4),
    ("compute_s", "computing", 0),
    ("merge_s", "merging", 3),
)


def draw_time(history: Sequence[Json], title: str = "", *, theme: ThemeName = "light") -> Figure:
    """Draw where the time of every pass went: reading, decoding, computing, merging.

    Parameters
    ----------
    history
        A model's `history_`; of older models, decoding is part of reading and
        merging is unknown.
    title
        What to write over all.
    theme
        "light" or "dark".

    Returns
    -------
    figure
        One bar a pass: seconds summed over its tasks, beside the clock's. Few
        passes that take far longer than the others are cut off.

    Raises
    ------
    SourceError
        If the history has no passes.
    """
    inks = theme_of(theme)
    if not history:
        raise SourceError("the history has no passes to draw")
    figure = new_figure(WIDTH, 3.6, inks)
    axes = figure.subplots()
    dress(axes, inks)
    x = np.arange(1, len(history) + 1)
    base: F64 = np.zeros(len(history))
    width = 0.8 if len(history) <= 80 else 1.0
    for key, name, color in PARTS:
        seconds = np.array([float(record.get(key, 0.0)) for record in history])
        if seconds.any():
            label = f"{name} {_share(seconds, history)}"
            axes.bar(x, seconds, width, base, label=label, color=inks.colors[color])
            base += seconds
    clock = [float(record["seconds"]) for record in history]
    axes.step([*(x - 0.5), x[-1] + 0.5], [*clock, clock[-1]], where="post", color=inks.ink,
              linewidth=1.0, label="by the clock")  # fmt: skip
    axes.set_xlim(0.4, len(history) + 0.6)
    _limit(axes, np.maximum(base, clock), inks)
    axes.set_ylabel("seconds, summed over tasks")
    axes.set_xlabel("pass")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, min_n_ticks=1))
    _name_stages(axes, history, inks)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=LABEL, frameon=False,
        labelcolor=inks.ink, reverse=True,
    )  # fmt: skip
    total = sum(clock)
    count = f"{len(history):,} passes" if len(history) > 1 else "One pass"
    head(figure, title or f"{count}, {_seconds(total)} by the clock", inks)
    if not any("decode_s" in record for record in history):
        note(figure, "decoding is part of reading here", inks)
    return figure


def _limit(axes: Axes, heights: F64, inks: Theme) -> None:
    """End the axis over most passes; write the time of a few that are far longer."""
    top = float(heights.max())
    usual = float(np.quantile(heights, 0.9))
    is_cut = len(heights) >= 8 and top > 5.0 * usual > 0.0
    axes.set_ylim(0.0, 1.6 * usual if is_cut else 1.12 * max(top, 1e-9))
    for index in np.argsort(-heights)[:3] if is_cut else ():
        if heights[index] > 1.6 * usual:
            is_right = index > len(heights) / 2
            axes.annotate(
                _seconds(heights[index]), (index + 1, 0.9),
                xycoords=("data", "axes fraction"), fontsize=NOTE, color=inks.ink, va="top",
                ha="right" if is_right else "left", textcoords="offset points",
                xytext=(-8 if is_right else 8, 0),
            )  # fmt: skip


def _seconds(value: float) -> str:
    return f"{number(float(f'{value:.3g}'))} s"


def _share(seconds: F64, history: Sequence[Json]) -> str:
    total = sum(float(record.get(key, 0.0)) for record in history for key, _, _ in PARTS)
    share = float(seconds.sum()) / total
    return "< 1%" if share < 0.01 else f"{share:.0%}"


def _name_stages(axes: Axes, history: Sequence[Json], inks: Theme) -> None:
    """Write the stage over each run of passes that is wide enough for its name."""
    start = 0
    for stage, run in groupby(str(record["stage"]) for record in history):
        n = len(list(run))
        if start:
            axes.axvline(start + 0.5, color=inks.faint, linewidth=0.8, zorder=0)
        if n / len(history) > 0.012 * len(stage):
            axes.annotate(
                stage, (start + 0.5 + n / 2, 1.0), xycoords=("data", "axes fraction"),
                fontsize=NOTE, color=inks.soft, ha="center", va="top", xytext=(0, -2),
                textcoords="offset points",
            )  # fmt: skip
        start += n
