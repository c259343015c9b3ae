"""One cell a cluster, with a title over it, on axes whose unit is the inch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from streamkm.plots.style import (
    LEAST,
    NOTE,
    TICK,
    TITLE,
    Theme,
    new_figure,
    plain,
    text_width,
)

MARGIN: Final = 0.15  # inches
WIDEST: Final = 12.0
GAP: Final = 0.1  # of a cell, between two
SEPARATOR: Final = " · "
SINGLE_ROW: Final = 5  # so few cells stand side by side
FEW: Final = 64  # so many are shown on a page that is wider than high
WRAP_AT: Final = 6.5  # points: rather two lines than text smaller than that


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the cells are, in inches.

    Parameters
    ----------
    n_cells, n_columns
        Of the grid.
    width, height
        Of what a cell shows.
    titles, size
        What stands over the cells, and the size of its text in points; no
        titles where they could not be read.
    over
        Height of the titles over a cell.
    """

    n_cells: int
    n_columns: int
    width: float
    height: float
    titles: tuple[str, ...]
    size: float
    over: float

    @classmethod
    def of(cls, n_cells: int, aspect: float, titles: Sequence[str], largest: float) -> Grid:
        """Return a grid that fits the page.

        Parameters
        ----------
        n_cells
            How many.
        aspect
            Height of a cell by its width.
        titles
            One a cell, or none. The last of the parts joined by " · " goes on a
            line of its own where one line would be too small; then all do.
        largest
            Width of a cell where there is room, in inches.
        """
        last_apart = ["\n".join(title.rsplit(SEPARATOR, 1)) for title in titles]
        wrapped = [title.replace(SEPARATOR, "\n") for title in titles]
        forms = [
            (text_width(form), max((title.count("\n") + 1 for title in form), default=0), form)
            for form in (titles, last_apart, wrapped)
        ]

        def of_columns(n_columns: int) -> Grid:
            width = min(largest, WIDEST / n_columns) * (1.0 - GAP)
            fitting = [
                (min(TICK + 0.5, width * 72 / max(em, 1e-9)), n, form) for em, n, form in forms
            ]
            large = [form for form in fitting if form[0] >= WRAP_AT]
            size, n_lines, form = large[0] if large else max(fitting, key=lambda form: form[0])
            shown = tuple(form) if size >= LEAST else ()
            over = size * (1.25 * n_lines + 0.25) / 72 if shown else 0.0
            return cls(n_cells, n_columns, width, width * aspect, shown, size, over)

        if n_cells <= SINGLE_ROW:
            return of_columns(n_cells)
        grids = [of_columns(n) for n in range(1, min(n_cells, 120) + 1)]
        least, most = (1.0, 2.2) if n_cells <= FEW else (0.7, 1.1)
        fitting = [grid for grid in grids if least <= grid.shape <= most] or grids
        fullest = [grid for grid in fitting if grid.empty <= 0.1 * n_cells] or fitting
        return fullest[-1] if n_cells <= FEW else fullest[0]

    @property
    def shape(self) -> float:
        """Width of the grid by its height."""
        return self.whole[0] / self.whole[1]

    @property
    def empty(self) -> int:
        """Cells that the last row lacks."""
        return -self.n_cells % self.n_columns

    @property
    def _gaps(self) -> tuple[float, float]:
        across = self.width * GAP / (1.0 - GAP)
        least = min(across, self.height * GAP)
        return across, max(2.0 * least, 0.06) if self.titles else least

    @property
    def whole(self) -> tuple[float, float]:
        """Width and height of the grid."""
        across, down = self._gaps
        n_rows = math.ceil(self.n_cells / self.n_columns)
        return (
            self.n_columns * (self.width + across) - across,
            n_rows * (self.height + self.over + down) - down,
        )

    def corner(self, index: int) -> tuple[float, float]:
        """Return the upper left corner of what a cell shows."""
        across, down = self._gaps
        row, column = divmod(index, self.n_columns)
        step = self.height + self.over + down
        return column * (self.width + across), row * step + self.over

    def write_titles(self, axes: Axes, theme: Theme, top: float = 0.0) -> None:
        """Write the titles; the grid begins `top` inches under the axes' upper edge."""
        for index, title in enumerate(self.titles):
            x, y = self.corner(index)
            is_line = "\n" not in title
            axes.text(
                x + self.width / 2, top + y - self.size * (0.5 if is_line else 0.3) / 72,
                plain(title), fontsize=self.size, color=theme.ink, ha="center",
                va="baseline" if is_line else "bottom", linespacing=1.05,
            )  # fmt: skip


def sheet(
    width: float, height: float, theme: Theme, title: str = "", caption: str = ""
) -> tuple[Figure, Axes]:
    """Return a figure and axes in inches, y down, for `width` x `height` inches of content."""
    top, bottom = 0.34 if title else 0.0, 0.2 if caption else 0.0
    texts = ((title, TITLE), (caption, NOTE))
    wide = max(width, *(text_width([text]) * size / 72 for text, size in texts))
    whole = (wide + 2 * MARGIN, height + 2 * MARGIN + top + bottom)
    figure = new_figure(*whole, theme, is_laid_out=False)
    x = MARGIN / whole[0]
    axes = figure.add_axes((x, (MARGIN + bottom) / whole[1], width / whole[0], height / whole[1]))
    axes.set_axis_off()
    clear(axes, width, height)
    if title:
        y = 1.0 - (MARGIN - 0.02) / whole[1]
        figure.text(x, y, plain(title), fontsize=TITLE, color=theme.ink, va="top")
    if caption:
        y = 0.6 * MARGIN / whole[1]
        figure.text(x, y, plain(caption), fontsize=NOTE, color=theme.soft, va="bottom")
    return figure, axes


def clear(axes: Axes, width: float, height: float) -> None:
    """Set the limits again, which images move."""
    axes.set_xlim(0.0, width)
    axes.set_ylim(height, 0.0)
