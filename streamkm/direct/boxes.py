"""Regions of an array and the cells of a grid that they touch: pure arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

Box = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a grid and its part of a box.

    Parameters
    ----------
    coordinates
        Of the cell in the grid.
    box
        What cell and box share.
    into, within
        The same, counted from the first corner of the box and of the cell.
    """

    coordinates: tuple[int, ...]
    box: Box
    into: Box
    within: Box


def cut(box: Box, steps: tuple[int, ...]) -> Iterator[Cell]:
    """Return the cells that a box touches, of a grid with these steps."""
    ranges = [
        range(side.start // step, -(-side.stop // step))
        for side, step in zip(box, steps, strict=True)
    ]
    for coordinates in itertools.product(*ranges):
        corner = tuple(c * step for c, step in zip(coordinates, steps, strict=True))
        part = tuple(
            slice(max(side.start, first), min(side.stop, first + step))
            for side, first, step in zip(box, corner, steps, strict=True)
        )
        yield Cell(
            coordinates,
            part,
            _from(part, tuple(side.start for side in box)),
            _from(part, corner),
        )


def _from(box: Box, origin: tuple[int, ...]) -> Box:
    return tuple(slice(s.start - o, s.stop - o) for s, o in zip(box, origin, strict=True))
