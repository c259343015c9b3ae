"""How a fit converged: inertia and center shift by iteration, every restart."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from streamkm.errors import SourceError
from streamkm.plots.courses import Course, Courses, Curve, courses, is_tree
from streamkm.plots.style import (
    NOTE,
    WIDTH,
    Theme,
    ThemeName,
    dress,
    head,
    new_figure,
    number,
    scaled,
    theme_of,
)
from streamkm.typing import Json

STEEP: Final = 1.25  # a start so many times worse than what follows is cut off


def draw_convergence(
    history: Sequence[Json], title: str = "", *, theme: ThemeName = "light"
) -> Figure:
    """Draw inertia and center shift by iteration, for every restart.

    Parameters
    ----------
    history
        A model's `history_`.
    title
        What to write over all.
    theme
        "light" or "dark".

    Returns
    -------
    figure
        The restart with the smallest inertia stands out; the value at the
        start is cut off where it would flatten all others. The shift has a
        panel of its own where the history has it, on a logarithmic scale.

    Raises
    ------
    SourceError
        If the history has no iterations.
    """
    inks = theme_of(theme)
    found = courses(history)
    if not found:
        raise SourceError("the history has no iterations to draw")
    panels = [n for n in ("inertia", "shift") if any(getattr(c, n) for c in found.values())]
    figure = new_figure(WIDTH, 1.2 + 2.1 * len(panels), inks)
    grid: list[Axes] = list(np.atleast_1d(figure.subplots(len(panels), 1, sharex=True)))
    best = min(found, key=lambda key: found[key].result)
    for axes, name in zip(grid, panels, strict=True):
        dress(axes, inks)
        for key in [*(key for key in found if key != best), best]:
            _draw_curve(axes, getattr(found[key], name), key == best, len(found), inks)
        if name == "inertia":
            _cut_start(axes, [course.inertia for course in found.values()], inks)
            _mark_exact(axes, found[best], inks)
            axes.set_ylabel(scaled(axes, "inertia", axes.get_ylim()))
        else:
            axes.set_ylabel("squared shift of the centers")
            axes.set_yscale("log")
    grid[-1].set_xlabel("pass" if is_tree(history) else "updates of the centers")
    grid[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    head(figure, title or (_tree_said if is_tree(history) else _said)(found, best), inks)
    return figure


def _draw_curve(axes: Axes, curve: Curve, is_best: bool, n_curves: int, inks: Theme) -> None:
    if not curve:
        return
    x, y = zip(*curve, strict=True)
    color = inks.colors[0] if is_best else inks.soft
    alpha = 1.0 if is_best else max(0.3, min(0.75, 8 / n_curves))
    marker = "o" if len(curve) < 12 else None
    axes.plot(
        x, y, color=color, linewidth=1.8 if is_best else 0.9, alpha=alpha, marker=marker,
        markersize=3.5,
    )  # fmt: skip
    if is_best:
        axes.plot(x[-1:], y[-1:], "o", color=color, markersize=5)


def _cut_start(axes: Axes, curves: Sequence[Curve], inks: Theme) -> None:
    """End the axis over the second values, where the first are far above all others."""
    rest = [value for curve in curves for _, value in curve[1:]]
    starts = [curve[0][1] for curve in curves if curve]
    if len(rest) < 3 or not STEEP * max(rest) < max(starts) or not min(rest) < max(rest):
        return
    low, high = min(rest), max(rest)
    axes.set_ylim(low - 0.06 * (high - low), high + 0.12 * (high - low))
    axes.annotate(
        f"starts at {_range(starts)}, cut off here", (1.0, 1.0), xycoords="axes fraction",
        xytext=(-2, -4), textcoords="offset points", fontsize=NOTE, color=inks.soft, ha="right",
        va="top",
    )  # fmt: skip


def _range(values: Sequence[float]) -> str:
    first, last = number(min(values)), number(max(values))
    return first if first == last else f"{first} to {last}"


def _mark_exact(axes: Axes, course: Course, inks: Theme) -> None:
    """Draw the inertia over all rows beside that of the batches."""
    for x, y in course.exact:
        axes.plot([x], [y], "D", color=inks.colors[1], markersize=5)
        axes.annotate(
            f"over all rows {number(y)}", (x, y), xytext=(2, 7), textcoords="offset points",
            fontsize=NOTE, color=inks.colors[1], ha="right", va="bottom",
        )  # fmt: skip


def _said(found: Courses, best: Hashable) -> str:
    course = found[best]
    value = f"inertia {number(course.result)}" if course.inertia else "a small shift"
    if len(found) == 1:
        return f"{value.capitalize()} after {course.last:,.0f} updates"
    return f"The best of {len(found)} restarts, number {best}: {value}"


def _tree_said(found: Courses, best: Hashable) -> str:
    course = found[best]
    splits = f"{len(found) - bool(course.inertia):,} splits"
    if not course.inertia:
        return splits
    return f"{splits}; inertia of the tree {number(course.result)}"
