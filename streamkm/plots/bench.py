"""Programs against each other: how many times as fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator

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
    plain,
    theme_of,
)

Table = Sequence[Mapping[str, Any]]

PANELS: Final = {"pass": "One pass over the rows", "convergence": "To convergence"}
COLORS: Final = {  # the same program has the same color in every picture
    "streamkm": 0, "streamkm, float32": None, "scikit-learn, elkan": 1, "dask-ml": 2, "faiss": 3,
    "SuperKMeans": 4,
}  # fmt: skip
TICKS: Final = np.array([1.0, 2.0, 5.0])
FINE_TICKS: Final = np.array([1.0, 1.5, 2.0, 3.0, 5.0, 7.0])  # where there would be few
BAR: Final = 0.19  # inches
GAP: Final = 0.14


def draw_bench(table: Table, title: str = "", *, theme: ThemeName = "light") -> Figure:
    """Draw how many times as fast as scikit-learn each program is.

    Parameters
    ----------
    table
        One row a program and case: {"case": "MNIST, K = 64", "measure": "pass",
        "contestant": "streamkm", "times_as_fast": 2.1, ...}; measures are "pass"
        and "convergence", rows without a number are left out.
    title
        What to write over all.
    theme
        "light" or "dark".

    Returns
    -------
    figure
        One panel a measure, one group of bars a case, on a logarithmic axis
        from the line of scikit-learn: to the right is faster.

    Raises
    ------
    SourceError
        If no row has a number.

    Examples
    --------
    >>> from streamkm.plots import draw_bench
    >>> row = {"case": "A", "measure": "pass", "contestant": "streamkm", "times_as_fast": 2.1}
    >>> len(draw_bench([row]).axes)
    1
    """
    inks = theme_of(theme)
    rows = [r for r in table if r.get("times_as_fast") and r["contestant"] != "scikit-learn"]
    measures = [measure for measure in PANELS if any(r["measure"] == measure for r in rows)]
    if not measures:
        raise SourceError("the table has no ratios to draw")
    panels = [[r for r in rows if r["measure"] == measure] for measure in measures]
    heights = [_height(panel) for panel in panels]
    figure = new_figure(WIDTH, sum(heights) + 0.75 * len(heights) + 0.6, inks)
    grid = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    values = [float(r["times_as_fast"]) for r in rows]
    for axes, measure, panel in zip(grid[:, 0], measures, panels, strict=True):
        dress(axes, inks, grid="x")
        _draw_panel(axes, panel, inks)
        _limit(axes, min(values), max(values))
        axes.set_title(PANELS[measure], loc="left", fontsize=LABEL, color=inks.ink, weight="bold")
    found = {r["contestant"] for r in rows}
    names = [name for name in COLORS if name in found] + sorted(found - set(COLORS))
    if len(names) > 1:
        marks = [Patch(color=_color(name, inks), label=name) for name in names]
        figure.legend(
            handles=marks, loc="outside lower left", ncols=min(len(marks), 4), frameon=False,
            fontsize=LABEL, labelcolor=inks.ink,
        )  # fmt: skip
    grid[-1, 0].set_xlabel("← slower      than scikit-learn's Lloyd, logarithmic      faster →")
    head(figure, title or "How many times as fast as scikit-learn", inks)
    return figure


def _height(panel: Table) -> float:
    return len(panel) * BAR + len({row["case"] for row in panel}) * GAP + 0.1


def _color(name: str, inks: Theme) -> str:
    place = COLORS.get(name, 6)
    return inks.pale if place is None else inks.colors[place]


def _draw_panel(axes: Axes, panel: Table, inks: Theme) -> None:
    """Draw the bars of every case below each other, the first on top."""
    y, places, names = 0.0, [], []
    for case in dict.fromkeys(row["case"] for row in panel):
        group = [row for row in panel if row["case"] == case]
        for row in group:
            ratio, name = float(row["times_as_fast"]), row["contestant"]
            axes.barh(y, ratio - 1.0, 0.86 * BAR, left=1.0, color=_color(name, inks))
            axes.annotate(
                f"{ratio:.{2 if ratio < 10 else 1}f}×", (ratio, y),
                xytext=(4 if ratio >= 1 else -4, 0), textcoords="offset points", va="center",
                ha="left" if ratio >= 1 else "right", fontsize=NOTE, color=inks.ink,
                weight="bold" if name.startswith("streamkm") else "normal",
            )  # fmt: skip
            y += BAR
        places.append(y - BAR * (len(group) + 1) / 2)
        names.append(plain(case))
        y += GAP
    axes.set_ylim(y - GAP - BAR / 2 + 0.05, -BAR / 2 - 0.05)
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.axvline(1.0, color=inks.soft, linewidth=1.1, zorder=3)


def _limit(axes: Axes, least: float, most: float) -> None:
    """Put the same axis under every panel, with room for the numbers beside the bars."""
    axes.set_xscale("log")
    room = (max(most, 1.0) / min(least, 1.0)) ** 0.1  # for the numbers
    low = least / (1.05 * room) if least < 1.0 else 0.9
    high = max(most, 1.0) * 1.1 * room
    axes.set_xlim(low, high)
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = TICKS if high / low > 8.0 else FINE_TICKS
    ticks = [tick for tick in np.outer(powers, steps).ravel() if low <= tick <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
