"""Curves in a terminal, drawn with braille dots: two by four to a character."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from rich.table import Table
from rich.text import Text

BLANK: Final = 0x2800
# The bit of each dot in a character, by its column and row (Unicode, "Braille Patterns").
DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def braille(values: Sequence[float], width: int, height: int) -> list[str]:
    """Draw a curve over the whole width.

    Parameters
    ----------
    values
        Finite numbers, at least one, at equal distances.
    width, height
        In characters.

    Returns
    -------
    lines
        `height` strings of `width` characters; the largest value is on top.
    """
    columns, rows = 2 * width, 4 * height
    low, high = min(values), max(values)
    at = np.interp(np.linspace(0, len(values) - 1, columns), np.arange(len(values)), values)
    share = (high - at) / (high - low) if high > low else np.full(columns, 0.5)
    dots = np.rint(share * (rows - 1)).astype(int).tolist()
    cells = [[0] * width for _ in range(height)]
    before = dots[0]
    for x, y in enumerate(dots):
        step = 1 if y > before else -1
        for between in range(before + step, y, step):  # a steep step leaves no gap
            cells[between // 4][x // 2] |= DOTS[x % 2][between % 4]
        cells[y // 4][x // 2] |= DOTS[x % 2][y % 4]
        before = y
    return ["".join(chr(BLANK + cell) if cell else " " for cell in line) for line in cells]


def chart(
    title: str, values: Sequence[float], limits: tuple[str, str], span: tuple[int, int],
    size: tuple[int, int],
) -> Table:  # fmt: skip
    """Return a curve with its title and the ends of its axes.

    Parameters
    ----------
    title
        What is drawn.
    values
        Finite numbers, at least one.
    limits
        How the largest and the smallest are written.
    span
        Iterations of the first and the last.
    size
        Width, all in all, and height of the curve, in characters.
    """
    width, height = size
    margin = max(len(word) for word in limits)
    inner = width - margin - 2
    grid = Table.grid(padding=(0, 0))
    grid.add_column(justify="right", width=margin, style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_row("", Text(f"  {title}", style="bold"))
    drawn = braille(values, inner, height)
    for at, row in enumerate(drawn):
        label = limits[0] if at == 0 else limits[1] if at == height - 1 else ""
        grid.add_row(label, Text.assemble((" │", "dim"), (row, "cyan")))
    first, last = (str(number) for number in span)
    gap = " " * max(inner - len(first) - len(last), 1)
    grid.add_row("", Text(f" └{'─' * inner}", style="dim"))
    grid.add_row("", Text(f"  {first}{gap}{last}", style="dim"))
    return grid
