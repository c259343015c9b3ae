"""Measures against the number of clusters, one small panel each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from streamkm.errors import SourceError
from streamkm.metrics.measures import SHOWN, TITLES
from streamkm.plots.style import (
    LABEL,
    NOTE,
    Theme,
    ThemeName,
    dress,
    head,
    new_figure,
    note,
    plain,
    scaled,
    theme_of,
)
from streamkm.typing import F64

Table = Sequence[Mapping[str, Any]]

# What says which model a row is and what it cost, rather than how good it is.
KEYS: Final = frozenset(
    {"n_clusters", "repeat", "random_state", "n_iter", "passes", "seconds", "empty_clusters"}
)
WIDE: Final = 6.0  # numbers of clusters that span more are drawn on a logarithmic axis


def draw_measures(
    table: Table,
    measures: Sequence[str] | None = None,
    chosen: int | Mapping[str, int] | None = None,
    title: str = "",
    *,
    theme: ThemeName = "light",
) -> Figure:
    """Draw measures against the number of clusters.

    Parameters
    ----------
    table
        One row a model: {"n_clusters": 10, "repeat": 0, "inertia": ..., ...}.
    measures
        Columns to draw; by default all that hold numbers, but for those that
        repeat another's.
    chosen
        A number of clusters to mark, or several by what chose them: one named
        like a measure is marked in that panel, "knee" in that of the inertia,
        others in all.
    title
        What to write over all.
    theme
        "light" or "dark".

    Returns
    -------
    figure
        One panel a measure, one axis of numbers of clusters for all: medians
        as a line, every repeat as a dot.

    Raises
    ------
    SourceError
        If the table has no rows, or no such measure.

    Examples
    --------
    >>> from streamkm.plots import draw_measures
    >>> table = [{"n_clusters": k, "inertia": 100.0 / k} for k in (2, 4, 8)]
    >>> len(draw_measures(table, chosen=4).axes)
    1
    """
    inks = theme_of(theme)
    names = list(measures) if measures is not None else _measures_of(table)
    for name in names:
        if not len(_points(table, name)[0]):
            raise SourceError(f"the table has no measure {name!r}")
    if not names:
        raise SourceError("the table has no measures to draw")
    n_columns = 2 if len(names) == 4 else min(len(names), 3)
    n_rows = math.ceil(len(names) / n_columns)
    figure = new_figure(3.3 * n_columns + 0.9, 2.2 * n_rows + 0.7, inks)
    grid = np.asarray(figure.subplots(n_rows, n_columns, sharex=True, squeeze=False)).ravel()
    for index, (axes, name) in enumerate(zip(grid, names, strict=False)):
        dress(axes, inks)
        _draw_measure(axes, table, name, inks)
        marks = _marks(chosen, name, names)
        for k in marks:
            axes.axvline(k, color=inks.colors[1], linewidth=1.1, linestyle=(0, (4, 2)), zorder=1)
        said = plain("; ".join(marks.values()))
        axes.set_title(said, loc="right", fontsize=NOTE, color=inks.colors[1], pad=7)
        if index + n_columns >= len(names):
            axes.set_xlabel("clusters")
            axes.tick_params(labelbottom=True)
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    _tick_numbers(grid[0], table)
    if title:
        head(figure, title, inks)
    note(figure, "lines: medians; dots: every repeat", inks)
    return figure


def _measures_of(table: Table) -> list[str]:
    names = dict.fromkeys(name for row in table for name in row if name not in KEYS)
    repeated = TITLES.keys() - {measure.name for measure in SHOWN}
    return [name for name in names if name not in repeated and len(_points(table, name)[0])]


def _points(table: Table, name: str) -> tuple[F64, F64]:
    """Return numbers of clusters and values of the rows that have a finite value."""
    pairs = [
        (row["n_clusters"], row[name])
        for row in table
        if isinstance(row.get(name), (int, float, np.number)) and np.isfinite(row[name])
    ]
    both = np.array(pairs, np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _draw_measure(axes: Axes, table: Table, name: str, inks: Theme) -> None:
    k, values = _points(table, name)
    each = np.unique(k)
    medians = [float(np.median(values[k == one])) for one in each]
    axes.plot(each, medians, color=inks.colors[0], linewidth=1.6, zorder=2)
    axes.plot(k, values, "o", color=inks.colors[0], markersize=4, alpha=0.55, zorder=3)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    title = plain(TITLES.get(name, name.replace("_", " ")))
    title = scaled(axes, title, values.tolist())
    axes.set_title(title, loc="left", fontsize=LABEL, color=inks.ink, pad=7)


def _marks(
    chosen: int | Mapping[str, int] | None, name: str, names: Sequence[str]
) -> dict[int, str]:
    """Return the numbers to mark in a measure's panel, and what to write beside them."""
    if chosen is None:
        return {}
    found: dict[int, list[str]] = {}
    for reason, k in ({"": chosen} if isinstance(chosen, int) else chosen).items():
        place = "inertia" if reason == "knee" else reason
        if place == name or place not in names:
            found.setdefault(int(k), []).append("best" if reason == name else reason)
    return {
        k: " ".join([", ".join(filter(None, words)), str(k)]).strip() for k, words in found.items()
    }


def _tick_numbers(axes: Axes, table: Table) -> None:
    """Tick the numbers of clusters that were tried; logarithmic where they span much."""
    tried = sorted({int(row["n_clusters"]) for row in table})
    if tried[-1] > WIDE * tried[0]:
        axes.set_xscale("log")
    if len(tried) <= 10:
        axes.xaxis.set_major_locator(FixedLocator(tried))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
